"""Create a guest OS profile."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return None, {"name": "web", "computer_name": "web-##"}


CASE = Case(arrange)
