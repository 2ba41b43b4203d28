"""What can be done, a folder a noun, a file a verb."""
