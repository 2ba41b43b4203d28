"""What can be done to a hardware profile."""
