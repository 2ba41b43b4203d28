"""What can be done to a guest OS profile."""
