"""The Python client, and the language of the scripts."""

from hostler.sdk.client import Client, connect
from hostler.sdk.errors import HostlerError, NotReachableError
from hostler.sdk.jobs import Job, JobFailedError, Step

__all__ = ["Client", "HostlerError", "Job", "JobFailedError", "NotReachableError", "Step", "connect"]
