"""A hypervisor in a process of its own, with knobs for every failure."""
