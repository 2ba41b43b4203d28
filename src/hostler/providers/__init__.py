"""The seam: the contract every hypervisor implements."""
