"""Change what is kept free on a host, and whether placement may use it."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.host(), {"cpu_reserve_percent": 20, "available_for_placement": False}


CASE = Case(arrange)
