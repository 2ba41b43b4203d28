"""Add a library share."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from hostler.jobs.errors import ConflictError, InvalidError
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Read
from hostler.operations.in_database import CREATE, Row, planned_row
from hostler.operations.naming import Name
from hostler.providers.errors import ProviderError
from hostler.providers.outside import look
from hostler.store.database import AnyRow


class CreateLibraryShareParams(Params):
    name: Name
    path: Annotated[str, Field(pattern=r"^/[^\n]*$", max_length=1024)]


class CreateLibraryShare(Operation[CreateLibraryShareParams, Row]):
    """Add a folder of the library server as a share: disks in it can be taken into the library."""

    privilege = "ManageLibrary"
    cmdlet = "Add-SCLibraryShare"
    makes_new = True
    Params = CreateLibraryShareParams
    Plan = Row
    steps = CREATE

    async def survey(self, read: Read, params: CreateLibraryShareParams) -> bool:
        try:
            return await look(params.path, Path(params.path).is_dir)
        except ProviderError as silent:
            raise ConflictError(silent.message, silent.remedy) from silent

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: CreateLibraryShareParams) -> Prepared[Row]:
        if not at.survey:
            raise InvalidError(f"There is no folder {params.path} on the library server.", "Make it first.")
        return planned_row(at, self.noun, params.name, path=params.path)
