"""Bounded waiting for a condition: how tests wait for what another process does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE_SECONDS = 0.02


async def until(read: Callable[[], Awaitable[T | None]], what: str, timeout_seconds: float = 60.0) -> T:
    """The first value that is not None; fails with `what` when none came in time."""

    async def asked() -> T:
        while (value := await read()) is None:
            await asyncio.sleep(PAUSE_SECONDS)
        return value

    try:
        return await asyncio.wait_for(asked(), timeout_seconds)
    except TimeoutError:
        raise AssertionError(f"in {timeout_seconds} s: {what}") from None
