"""Delete a VM with its files."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.machine(start=False), {}


CASE = Case(arrange)
