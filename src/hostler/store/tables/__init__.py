"""Every table, a file per domain room."""

from hostler.store.tables.access import api_token, session, sign_in_link, user
from hostler.store.tables.base import metadata
from hostler.store.tables.fabric import freshness, host, lease, load_average
from hostler.store.tables.jobs import audit, event, job, job_limit, job_object, job_step, replica
from hostler.store.tables.library import guest_os_profile, hardware_profile, library_object, library_share, template
from hostler.store.tables.machines import presence, vm, vm_mac

__all__ = [
    "api_token",
    "audit",
    "event",
    "freshness",
    "guest_os_profile",
    "hardware_profile",
    "host",
    "job",
    "job_limit",
    "job_object",
    "job_step",
    "lease",
    "library_object",
    "library_share",
    "load_average",
    "metadata",
    "presence",
    "replica",
    "session",
    "sign_in_link",
    "template",
    "user",
    "vm",
    "vm_mac",
]
