"""Looks at file systems that may hang, as network shares do: a few threads of their own, and never without a limit."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from hostler.providers.errors import HostNotResponding

T = TypeVar("T")

LIMIT_SECONDS = 20.0
_LOOKERS = ThreadPoolExecutor(4, "looking-outside")
"""Who hangs is left hanging: when all do, the next one is told in time that nothing answers."""


async def look(what: str, work: Callable[[], T], limit_seconds: float = LIMIT_SECONDS) -> T:
    """The result of `work`, in a thread; HostNotResponding when it takes too long. `what` says what is looked at."""
    asked = asyncio.get_running_loop().run_in_executor(_LOOKERS, work)
    try:
        async with asyncio.timeout(limit_seconds):
            return await asked
    except TimeoutError:
        raise HostNotResponding(
            f"The file system of {what} did not answer within {limit_seconds:.0f} s.",
            "See whether the share is mounted and its server runs, then try again.",
        ) from None
