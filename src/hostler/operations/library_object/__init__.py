"""What can be done to an object of the library."""
