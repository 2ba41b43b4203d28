"""How often and how patiently the fleet is watched."""

from msgspec import Struct

from hostler.store.queries.pruning import Retention


class WatchSettings(Struct, frozen=True, kw_only=True):
    """Intervals and time-outs in seconds."""

    vms_seconds: float = 30
    host_seconds: float = 1800
    load_seconds: float = 60
    hosts_list_seconds: float = 2
    roll_up_seconds: float = 60
    prune_seconds: float = 3600
    read_timeout_seconds: float = 20
    costly_timeout_seconds: float = 120
    retry_first_seconds: float = 1
    retry_most_seconds: float = 30
    hosts_at_once: int = 64
    lease_seconds: float = 10
    retention: Retention = Retention()
