"""Create a virtual machine from a template."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    await stage.host()
    return None, {"name": "web-01", "template": await stage.template(), "wait_for_guest": True}


CASE = Case(arrange)
