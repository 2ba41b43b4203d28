"""Resume a paused VM: its processors go on."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    vm = await stage.machine()
    await stage.run("vm.pause", vm, {})
    return vm, {}


CASE = Case(arrange)
