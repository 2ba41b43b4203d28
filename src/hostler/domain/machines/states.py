"""The states of a VM and what each allows: one table for API, command line, console and simulation."""

from collections.abc import Mapping
from enum import StrEnum


class VmState(StrEnum):
    """What is known of a VM now, in VMM's words."""

    RUNNING = "running"
    POWER_OFF = "power_off"
    POWERING_OFF = "powering_off"
    STARTING = "starting"
    PAUSED = "paused"
    SAVED = "saved"
    SAVING = "saving"
    RESTORING = "restoring"
    CRASHED = "crashed"
    UNDER_CREATION = "under_creation"
    CREATION_FAILED = "creation_failed"
    UNDER_UPDATE = "under_update"
    UPDATE_FAILED = "update_failed"
    DELETING = "deleting"
    DELETION_FAILED = "deletion_failed"
    MISSING = "missing"
    HOST_NOT_RESPONDING = "host_not_responding"


OBSERVABLE = frozenset(
    {
        VmState.RUNNING,
        VmState.POWER_OFF,
        VmState.POWERING_OFF,
        VmState.STARTING,
        VmState.PAUSED,
        VmState.SAVED,
        VmState.SAVING,
        VmState.RESTORING,
        VmState.CRASHED,
    }
)
"""States a hypervisor reports; the others are ours: what a job does to the VM, or that nobody sees it."""

FAILED = frozenset({VmState.CREATION_FAILED, VmState.UPDATE_FAILED, VmState.DELETION_FAILED})


class VmAction(StrEnum):
    """What a person can ask of a VM that exists."""

    START = "start"
    SHUT_DOWN = "shut_down"
    POWER_OFF = "power_off"
    PAUSE = "pause"
    RESUME = "resume"
    SAVE = "save"
    RESET = "reset"
    DELETE = "delete"


_STOPPED = frozenset({VmState.POWER_OFF, VmState.SAVED, VmState.CRASHED})

ALLOWED: Mapping[VmAction, frozenset[VmState]] = {
    VmAction.START: _STOPPED | {VmState.PAUSED},
    VmAction.SHUT_DOWN: frozenset({VmState.RUNNING}),
    VmAction.POWER_OFF: frozenset({VmState.RUNNING, VmState.PAUSED, VmState.POWERING_OFF, VmState.CRASHED}),
    VmAction.PAUSE: frozenset({VmState.RUNNING}),
    VmAction.RESUME: frozenset({VmState.PAUSED}),
    VmAction.SAVE: frozenset({VmState.RUNNING, VmState.PAUSED}),
    VmAction.RESET: frozenset({VmState.RUNNING}),
    VmAction.DELETE: _STOPPED | FAILED | {VmState.MISSING},
}

BECOMES: Mapping[VmAction, VmState] = {
    VmAction.START: VmState.RUNNING,
    VmAction.SHUT_DOWN: VmState.POWER_OFF,
    VmAction.POWER_OFF: VmState.POWER_OFF,
    VmAction.PAUSE: VmState.PAUSED,
    VmAction.RESUME: VmState.RUNNING,
    VmAction.SAVE: VmState.SAVED,
}
"""The state that an action on a VM's power is for; a reset ends in the state in which it began."""


def why_not(action: VmAction, state: VmState) -> str | None:
    """Why `state` does not allow `action` and what would; None when it does."""
    allowed = ALLOWED[action]
    if state in allowed:
        return None
    if state is VmState.HOST_NOT_RESPONDING:
        return "its host is not responding, so the VM's state is unknown; it can be used again when the host answers"
    if state is VmState.MISSING:
        return "it is missing: a complete read of its host no longer finds it; delete takes it off the list"
    wanted = ", ".join(sorted(s.value for s in allowed))
    return f"it is {state.value}; {action.value} needs one of: {wanted}"
