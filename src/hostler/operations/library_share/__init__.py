"""What can be done to a library share."""
