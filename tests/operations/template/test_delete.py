"""Delete a template."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    await stage.host()
    return await stage.template(), {}


CASE = Case(arrange)
