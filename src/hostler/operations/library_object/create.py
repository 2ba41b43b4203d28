"""Take a disk of a share into the library."""

from pathlib import Path
from typing import Annotated

from msgspec import Struct
from pydantic import Field

from hostler.domain.references import RefersTo
from hostler.jobs.errors import ConflictError, InvalidError
from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Read
from hostler.operations.in_database import CREATE, Row, planned_row
from hostler.operations.naming import Name
from hostler.providers.errors import HostNotResponding, ProviderError
from hostler.providers.images import Image, inspect
from hostler.providers.outside import look
from hostler.store.database import AnyRow
from hostler.store.queries.nouns import BadReferenceError, resolve


class CreateLibraryObjectParams(Params):
    name: Name
    share: Annotated[str, RefersTo("library-share")]
    file: Annotated[str, Field(pattern=r"^[^/\n][^\n]*$", max_length=1024)]
    operating_system: Annotated[str, Field(max_length=255)] = ""


class CreateLibraryObject(Operation[CreateLibraryObjectParams, Row]):
    """Take a disk image of a share into the library, once its header was looked into. The file stays where it is."""

    privilege = "ManageLibrary"
    cmdlet = "Read-SCLibraryShare"
    makes_new = True
    Params = CreateLibraryObjectParams
    Plan = Row
    steps = CREATE

    async def survey(self, read: Read, params: CreateLibraryObjectParams) -> "_Seen | None":
        try:
            share = await read(lambda connection: resolve(connection, "library-share", params.share))
        except BadReferenceError:
            return None  # `prepare` refuses it
        try:
            return await look(share.path, lambda: _look_into(Path(share.path), params.file))
        except HostNotResponding as silent:
            raise ConflictError(silent.message, silent.remedy) from silent
        except ProviderError as refused:
            raise InvalidError(refused.message, refused.remedy) from refused

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: CreateLibraryObjectParams) -> Prepared[Row]:
        share = at.find("library-share", params.share)
        seen: _Seen = at.survey
        path, image = seen.path, seen.image
        prepared = planned_row(
            at,
            self.noun,
            params.name,
            share_id=share.id,
            kind="disk",
            path=str(path),
            format=image.format,
            size_bytes=image.size_bytes,
            virtual_size_bytes=image.virtual_size_bytes,
            operating_system=params.operating_system,
        )
        return prepared.sharing(f"library-share/{share.id}")


class _Seen(Struct, frozen=True):
    """What the header of the file says."""

    path: Path
    image: Image


def _look_into(share: Path, file: str) -> _Seen:
    path = _inside(share, file)
    return _Seen(path, inspect(path))


def _inside(share: Path, file: str) -> Path:
    """The file, which must lie inside the share once every link on the way is followed."""
    path = (share / file).resolve()
    if not path.is_relative_to(share.resolve()):
        raise InvalidError(f"The file {file!r} lies outside the share {share}.", "Name a file inside the share.")
    return path
