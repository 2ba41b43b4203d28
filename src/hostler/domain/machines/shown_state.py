"""Which state of a VM is shown: what a job makes of it, that its host is silent, or what was observed."""

from hostler.domain.fabric.facts import HostState
from hostler.domain.machines.states import VmState

SILENT = frozenset({HostState.NOT_RESPONDING, HostState.ACCESS_DENIED})
"""States of a host in which nothing new is known of its VMs."""


def shown_state(job_state: VmState | None, observed: VmState | None, host: HostState | None) -> VmState:
    """A job's word first, then the host's silence, then the observation; a VM that nobody ever saw is missing."""
    if job_state is not None:
        return job_state
    if host in SILENT:
        return VmState.HOST_NOT_RESPONDING
    return observed or VmState.MISSING
