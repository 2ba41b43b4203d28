"""Create a template."""

from typing import Any

from tests.every.stage import Case, Stage


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    hardware = await stage.run("hardware-profile.create", None, {"name": "small"})
    guest = await stage.run("guest-os-profile.create", None, {"name": "web"})
    disk = await stage.disk()
    return None, {"name": "web", "disk": disk, "hardware_profile": hardware, "guest_os_profile": guest}


CASE = Case(arrange)
