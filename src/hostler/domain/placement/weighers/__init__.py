"""What makes a host better, one term a file."""
