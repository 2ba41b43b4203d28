"""The Python client, and the language of the scripts."""
