"""Create a hardware profile."""

from typing import Annotated

import msgspec
from pydantic import Field

from hostler.domain.library.profiles import Hardware
from hostler.domain.machines.spec import Firmware
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared
from hostler.operations.in_database import CREATE, Row, planned_row
from hostler.operations.naming import Name
from hostler.store.database import AnyRow


class CreateHardwareProfileParams(Params):
    name: Name
    description: Annotated[str, Field(max_length=4096)] = ""
    cpu_count: Annotated[int, Field(ge=1, le=512)] = 1
    memory_mib: Annotated[int, Field(ge=32, le=16 * 1024 * 1024)] = 512
    firmware: Firmware = Firmware.BIOS
    networks: tuple[Name, ...] = ("default",)
    cpu_expected_percent: Annotated[int, Field(ge=0, le=100)] = 20
    disk_expected_iops: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    network_expected_mbps: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class CreateHardwareProfile(Operation[CreateHardwareProfileParams, Row]):
    """Create a hardware profile: processors, memory and networks that templates are made with."""

    privilege = "Author"
    cmdlet = "New-SCHardwareProfile"
    makes_new = True
    Params = CreateHardwareProfileParams
    Plan = Row
    steps = CREATE

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: CreateHardwareProfileParams) -> Prepared[Row]:
        hardware = msgspec.convert(params.model_dump(mode="json", exclude={"name", "description"}), Hardware)
        return planned_row(at, self.noun, params.name, description=params.description, hardware=hardware)
