"""What is shown of the library: shares, objects, profiles and templates."""

from sqlalchemy import Table

from hostler.store.queries.columns import Column, ColumnType, Listing
from hostler.store.tables import guest_os_profile, hardware_profile, library_object, library_share, template


def _identity(table: Table) -> tuple[Column, Column]:
    return (
        Column(name="id", expression=table.c.id, type=ColumnType.TEXT, about="UUID"),
        Column(name="name", expression=table.c.name, type=ColumnType.TEXT, about="Name, unique"),
    )


def _created(table: Table) -> Column:
    return Column(name="created_at", expression=table.c.created_at, type=ColumnType.TIME, about="When it was made")


def _description(table: Table) -> Column:
    return Column(name="description", expression=table.c.description, type=ColumnType.TEXT, about="Free text")


LIBRARY_SHARES = Listing(
    plural="library-shares",
    source=library_share,
    columns=(
        *_identity(library_share),
        Column(name="path", expression=library_share.c.path, type=ColumnType.TEXT, about="Folder it stands for"),
        _created(library_share),
    ),
)

LIBRARY_OBJECTS = Listing(
    plural="library-objects",
    source=library_object.outerjoin(library_share, library_share.c.id == library_object.c.share_id),
    columns=(
        *_identity(library_object),
        Column(name="kind", expression=library_object.c.kind, type=ColumnType.TEXT, about="What it is: disk …"),
        Column(name="share_id", expression=library_object.c.share_id, type=ColumnType.TEXT, about="Share it is in"),
        Column(
            name="share_name",
            expression=library_share.c.name,
            type=ColumnType.TEXT,
            about="Name of that share",
            nullable=True,
        ),
        Column(name="path", expression=library_object.c.path, type=ColumnType.TEXT, about="Path of its file"),
        Column(name="format", expression=library_object.c.format, type=ColumnType.TEXT, about="Format of its file"),
        Column(
            name="size_bytes", expression=library_object.c.size_bytes, type=ColumnType.INTEGER, about="Size of its file"
        ),
        Column(
            name="virtual_size_bytes",
            expression=library_object.c.virtual_size_bytes,
            type=ColumnType.INTEGER,
            about="Size that a guest sees",
        ),
        Column(
            name="operating_system",
            expression=library_object.c.operating_system,
            type=ColumnType.TEXT,
            about="What is installed in it",
        ),
        _created(library_object),
    ),
)

HARDWARE_PROFILES = Listing(
    plural="hardware-profiles",
    source=hardware_profile,
    columns=(
        *_identity(hardware_profile),
        _description(hardware_profile),
        Column(
            name="hardware",
            expression=hardware_profile.c.hardware,
            type=ColumnType.JSON,
            about="Processors, memory, adapters and the rest",
        ),
        _created(hardware_profile),
    ),
)

GUEST_OS_PROFILES = Listing(
    plural="guest-os-profiles",
    source=guest_os_profile,
    columns=(
        *_identity(guest_os_profile),
        _description(guest_os_profile),
        Column(
            name="guest",
            expression=guest_os_profile.c.guest,
            type=ColumnType.JSON,
            about="How the guest's system is customised",
        ),
        _created(guest_os_profile),
    ),
)

TEMPLATES = Listing(
    plural="templates",
    source=template.outerjoin(library_object, library_object.c.id == template.c.disk_id),
    columns=(
        *_identity(template),
        _description(template),
        Column(name="disk_id", expression=template.c.disk_id, type=ColumnType.TEXT, about="Library object of its disk"),
        Column(
            name="disk_name",
            expression=library_object.c.name,
            type=ColumnType.TEXT,
            about="Name of that object",
            nullable=True,
        ),
        Column(
            name="hardware",
            expression=template.c.hardware,
            type=ColumnType.JSON,
            about="Its own copy of a hardware profile",
            listed=False,
        ),
        Column(
            name="guest",
            expression=template.c.guest,
            type=ColumnType.JSON,
            about="Its own copy of a guest OS profile",
            listed=False,
        ),
        _created(template),
    ),
)
