"""Start a VM; a saved one goes on where it was."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.machine(start=False), {}


CASE = Case(arrange)
