"""What makes a host unfit, one criterion a file."""
