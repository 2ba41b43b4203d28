"""What a provider can do beyond the contract's least, as data."""

from msgspec import Struct


class Capabilities(Struct, frozen=True, kw_only=True):
    """Capabilities of one connected host. `keeps_our_ids`: a VM takes our UUID as its own."""

    keeps_our_ids: bool = True
    linked_clones: bool = True
    saved_state: bool = True
    guest_agent: bool = True
    events: bool = True
