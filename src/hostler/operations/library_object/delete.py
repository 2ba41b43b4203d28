"""Delete a library object."""

from sqlalchemy import select

from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance, Params
from hostler.operations.in_database import DeleteRow
from hostler.store.database import AnyRow
from hostler.store.tables import template


class DeleteLibraryObjectParams(Params):
    """Nothing but the library object itself."""


class DeleteLibraryObject(DeleteRow[DeleteLibraryObjectParams]):
    """Forget a library object. Nothing on disk is deleted."""

    privilege = "ManageLibrary"
    cmdlet = "Remove-SCVirtualHardDisk"
    Params = DeleteLibraryObjectParams

    def refuse_used(self, at: Acceptance, subject: AnyRow) -> None:
        users = (
            at.connection.execute(select(template.c.name).where(template.c.disk_id == subject.id).limit(10))
            .scalars()
            .all()
        )
        if users:
            raise ConflictError(
                f"The library object {subject.name!r} is used by templates: {', '.join(users)}.", "Delete those first."
            )
