"""Looks at file systems that may hang: told in time, and without taking anybody else's thread."""

import asyncio
import threading

import pytest

from hostler.providers.errors import HostNotResponding
from hostler.providers.outside import look


async def test_what_answers_is_told_and_what_it_raises_too() -> None:
    assert await look("/srv", lambda: 7) == 7
    with pytest.raises(FileNotFoundError):
        await look("/srv", lambda: open("/nonexistent/file"))  # noqa: SIM115 - it is the error that is tested


async def test_who_hangs_is_given_up_and_only_lookers_are_lost() -> None:
    answered = threading.Event()
    try:
        hung = [look("/mnt/share", answered.wait, limit_seconds=0.05) for _ in range(6)]
        for outcome in await asyncio.gather(*hung, return_exceptions=True):
            assert isinstance(outcome, HostNotResponding)
            assert "/mnt/share" in outcome.message
        assert await asyncio.to_thread(lambda: 7) == 7
    finally:
        answered.set()
    assert await look("/srv", lambda: 7) == 7
