"""Privileges: who may do what."""
