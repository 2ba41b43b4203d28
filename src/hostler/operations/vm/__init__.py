"""What can be done to a virtual machine."""
