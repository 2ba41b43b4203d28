"""Create a guest OS profile."""

from typing import Annotated

import msgspec
from pydantic import Field

from hostler.domain.library.computer_names import expand
from hostler.domain.library.profiles import GuestOs
from hostler.jobs.errors import InvalidError
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared
from hostler.operations.in_database import CREATE, Row, planned_row
from hostler.operations.naming import Name
from hostler.store.database import AnyRow


class CreateGuestOsProfileParams(Params):
    name: Name
    description: Annotated[str, Field(max_length=4096)] = ""
    computer_name: Annotated[str, Field(max_length=63)] = "*"
    time_zone: Annotated[str, Field(pattern=r"^[A-Za-z0-9_+\-/]{1,64}$")] = "UTC"
    user_name: Annotated[str, Field(pattern=r"^([a-z_][a-z0-9_-]{0,31})?$")] = ""
    ssh_keys: tuple[Annotated[str, Field(max_length=16384)], ...] = ()


class CreateGuestOsProfile(Operation[CreateGuestOsProfileParams, Row]):
    """Create a guest OS profile: the computer name, time zone and keys that a guest takes at its first boot.

    In the computer name a * becomes five random letters and ## the next free number; empty, it is the VM's name.
    """

    privilege = "Author"
    cmdlet = "New-SCGuestOSProfile"
    makes_new = True
    Params = CreateGuestOsProfileParams
    Plan = Row
    steps = CREATE

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: CreateGuestOsProfileParams) -> Prepared[Row]:
        try:
            expand(params.computer_name, "vm", (), "abcde")
        except ValueError as unfit:
            raise InvalidError(f"The computer name pattern does not fit: {unfit}.") from unfit
        guest = msgspec.convert(params.model_dump(mode="json", exclude={"name", "description"}), GuestOs)
        return planned_row(at, self.noun, params.name, description=params.description, guest=guest)
