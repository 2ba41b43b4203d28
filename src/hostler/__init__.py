"""Hostler: one service that runs a virtual infrastructure across hypervisors."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hostler.sdk import Client as Client
    from hostler.sdk import HostlerError as HostlerError
    from hostler.sdk import connect as connect

__all__ = ["Client", "HostlerError", "connect"]


def __getattr__(name: str) -> Any:
    # Lazily: every room imports this package, and only clients should pay for the client.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from hostler import sdk

    return getattr(sdk, name)
