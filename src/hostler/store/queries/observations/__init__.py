"""What is written of hosts and VMs from what was observed, and from what jobs do to them.

An earlier read never replaces a later fact: every write here compares the moment at which its read began.
"""

from hostler.store.queries.observations.hosts import bring_back_host, bury_host, host_state, observe_host, observe_use
from hostler.store.queries.observations.known import last_seen_at
from hostler.store.queries.observations.marks import bury_vm, mark_vm, plan_vm
from hostler.store.queries.observations.passes import Outcome, observe_vms
from hostler.store.queries.observations.single import observe_guest, observe_native, observe_vm

__all__ = [
    "Outcome",
    "bring_back_host",
    "bury_host",
    "bury_vm",
    "host_state",
    "last_seen_at",
    "mark_vm",
    "observe_guest",
    "observe_host",
    "observe_native",
    "observe_use",
    "observe_vm",
    "observe_vms",
    "plan_vm",
]
