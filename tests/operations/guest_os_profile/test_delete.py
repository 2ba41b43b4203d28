"""Delete a guest OS profile."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return await stage.run("guest-os-profile.create", None, {"name": "web"}), {}


CASE = Case(arrange)
