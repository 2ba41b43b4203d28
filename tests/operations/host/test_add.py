"""Add a host."""

from typing import Any

from tests.every.stage import HOST, VM_PATH, Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    arguments = {"name": "kvm-01", "provider": "simulated", "address": f"{stage.socket}#{HOST}", "vm_path": VM_PATH}
    return None, arguments


CASE = Case(arrange)
