"""The states of jobs and of their steps."""

from enum import StrEnum


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    COMPLETED_WITH_INFO = "completed_with_info"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({JobState.COMPLETED, JobState.COMPLETED_WITH_INFO, JobState.FAILED, JobState.CANCELLED})
UNRESOLVED = frozenset({JobState.FAILED, JobState.CANCELLED})


class StepState(StrEnum):
    """`intent`: recorded that it is about to be done; whether it was, only a look can tell."""

    PLANNED = "planned"
    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    UNDOING = "undoing"
    UNDONE = "undone"


TOUCHED = frozenset({StepState.INTENT, StepState.DONE, StepState.FAILED, StepState.UNDOING})
"""Steps whose effect may stand."""


class Resolution(StrEnum):
    """What was decided of a failed job."""

    UNDONE = "undone"
    DISMISSED = "dismissed"


class Hold(StrEnum):
    """How a job holds an object: locked while it works, blocked while it waits for a decision, or no more."""

    LOCK = "lock"
    BLOCK = "block"
    NONE = "none"
