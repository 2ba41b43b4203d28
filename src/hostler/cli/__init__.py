"""The command line: a client like any other, on top of the SDK."""
