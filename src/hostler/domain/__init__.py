"""Decisions and vocabulary: no I/O, no clock, no randomness."""
