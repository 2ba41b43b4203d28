"""Delete a hardware profile."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.run("hardware-profile.create", None, {"name": "small"}), {}


CASE = Case(arrange)
