"""Every list there is, by its word in addresses. A new noun adds its own here."""

from collections.abc import Mapping

from hostler.store.queries.columns import Listing
from hostler.store.queries.hosts import HOSTS
from hostler.store.queries.jobs import AUDIT, JOBS
from hostler.store.queries.library import (
    GUEST_OS_PROFILES,
    HARDWARE_PROFILES,
    LIBRARY_OBJECTS,
    LIBRARY_SHARES,
    TEMPLATES,
)
from hostler.store.queries.vms import VMS

LISTINGS: Mapping[str, Listing] = {
    listing.plural: listing
    for listing in (
        VMS,
        HOSTS,
        TEMPLATES,
        HARDWARE_PROFILES,
        GUEST_OS_PROFILES,
        LIBRARY_SHARES,
        LIBRARY_OBJECTS,
        JOBS,
        AUDIT,
    )
}
