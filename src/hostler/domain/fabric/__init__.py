"""Hosts: what they are, what they have, how they are seen."""
