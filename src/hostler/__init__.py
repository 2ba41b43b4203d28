"""Hostler: one service that runs a virtual infrastructure across hypervisors."""
