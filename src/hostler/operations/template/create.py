"""Create a template."""

from typing import Annotated

from pydantic import Field

from hostler.domain.references import RefersTo
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared
from hostler.operations.in_database import CREATE, Row, planned_row
from hostler.operations.naming import Name
from hostler.store.database import AnyRow


class CreateTemplateParams(Params):
    name: Name
    description: Annotated[str, Field(max_length=4096)] = ""
    disk: Annotated[str, RefersTo("library-object")]
    hardware_profile: Annotated[str, RefersTo("hardware-profile")]
    guest_os_profile: Annotated[str, RefersTo("guest-os-profile")]


class CreateTemplate(Operation[CreateTemplateParams, Row]):
    """Create a template from a disk of the library, a hardware profile and a guest OS profile.

    The template copies both profiles: changing one later changes no template.
    """

    privilege = "Author"
    cmdlet = "New-SCVMTemplate"
    makes_new = True
    Params = CreateTemplateParams
    Plan = Row
    steps = CREATE

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: CreateTemplateParams) -> Prepared[Row]:
        disk = at.find("library-object", params.disk)
        prepared = planned_row(
            at,
            self.noun,
            params.name,
            description=params.description,
            disk_id=disk.id,
            hardware=at.find("hardware-profile", params.hardware_profile).hardware,
            guest=at.find("guest-os-profile", params.guest_os_profile).guest,
        )
        return prepared.sharing(f"library-object/{disk.id}")
