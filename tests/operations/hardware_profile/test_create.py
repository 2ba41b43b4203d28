"""Create a hardware profile."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    return None, {"name": "small", "cpu_count": 2, "memory_mib": 1024}


CASE = Case(arrange)
