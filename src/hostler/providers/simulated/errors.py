"""The one place where a broken socket becomes an error of the seam."""

from pathlib import Path

from hostler.providers.errors import AccessDenied, HostNotResponding, ProviderError


def translate(error: OSError, socket: Path) -> ProviderError:
    """What it means that the simulation's socket did not work."""
    if isinstance(error, PermissionError):
        return AccessDenied(
            f"the simulation's socket {socket} does not let us in: {error}",
            "Run Hostler as the user that started the simulation.",
        )
    return HostNotResponding(
        f"the simulation at {socket} does not respond: {error}",
        f"Start it: python -m hostler.providers.simulated.server --state FILE --socket {socket}",
    )
