"""What can be done to a template."""
