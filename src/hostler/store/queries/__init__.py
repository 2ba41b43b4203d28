"""What is read, one file a noun."""
