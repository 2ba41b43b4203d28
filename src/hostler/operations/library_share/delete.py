"""Delete a library share."""

from sqlalchemy import select

from hostler.jobs.errors import ConflictError
from hostler.jobs.operation import Acceptance, Params
from hostler.operations.in_database import DeleteRow
from hostler.store.database import AnyRow
from hostler.store.tables import library_object


class DeleteLibraryShareParams(Params):
    """Nothing but the library share itself."""


class DeleteLibraryShare(DeleteRow[DeleteLibraryShareParams]):
    """Forget a library share. Nothing on disk is deleted."""

    privilege = "ManageLibrary"
    cmdlet = "Remove-SCLibraryShare"
    Params = DeleteLibraryShareParams

    def refuse_used(self, at: Acceptance, subject: AnyRow) -> None:
        users = (
            at.connection.execute(
                select(library_object.c.name).where(library_object.c.share_id == subject.id).limit(10)
            )
            .scalars()
            .all()
        )
        if users:
            raise ConflictError(
                f"The library share {subject.name!r} is used by library objects: {', '.join(users)}.",
                "Delete those first.",
            )
