"""Intelligent Placement: rates hosts in stars and explains each."""
