"""Disks, profiles and templates: what VMs are made from."""
