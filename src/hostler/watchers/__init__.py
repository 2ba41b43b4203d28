"""Loops that keep the database true to the hypervisors, one file each; all of them run in one replica at a time."""
