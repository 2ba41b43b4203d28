"""Loops that bring facts in, one file each."""
