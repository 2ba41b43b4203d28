"""Take a disk of a share into the library."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return None, {"name": "debian", "share": await stage.share(), "file": "base.qcow2"}


CASE = Case(arrange)
