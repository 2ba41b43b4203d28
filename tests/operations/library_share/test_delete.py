"""Delete a library share."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.share(), {}


CASE = Case(arrange)
