"""What a machine needs to run or test Hostler: checked all at once, shown as a table, mended on request.

This package runs before any virtual environment exists, so it and what it imports use the standard library
only, and syntax that an older Python can read in order to say that it is too old.
"""
