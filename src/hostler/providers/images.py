"""Looks into a disk image before anything else touches it: its header says what it is, not its name.

Images are hostile until shown otherwise: only the bytes are read, by oslo.utils, never by qemu-img.
"""

from pathlib import Path

from msgspec import Struct
from oslo_utils.imageutils import format_inspector

from hostler.domain.machines.spec import DiskFormat
from hostler.providers.errors import NotThere, Refused


class Image(Struct, frozen=True, kw_only=True):
    """A disk image that passed: a format we know, whole in itself, and the size that a guest sees."""

    format: DiskFormat
    size_bytes: int
    virtual_size_bytes: int


def inspect(path: Path) -> Image:
    """Read the header; Refused when it points outside itself or is of a kind that we do not take."""
    if not path.is_file() or path.is_symlink():
        raise NotThere(f"There is no regular file {path}.", "Give the path of a disk image in the share.")
    try:
        inspector = format_inspector.detect_file_format(str(path))
        if inspector is None:
            raise Refused(f"Nobody can tell what the image {path} is.", "Give a qcow2 or raw disk image.")
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as unsafe:
        raise Refused(
            f"The image {path} is not safe: {unsafe}.", "Convert it to a plain qcow2 where you trust it."
        ) from unsafe
    except format_inspector.ImageFormatError as unreadable:
        raise Refused(f"The image {path} cannot be read: {unreadable}.", "Copy it again; it may be cut off.") from None
    if str(inspector) not in (DiskFormat.QCOW2, DiskFormat.RAW):
        raise Refused(f"The image {path} is {inspector}; qcow2 and raw are taken.", "Convert it with qemu-img convert.")
    return Image(
        format=DiskFormat(str(inspector)),
        size_bytes=path.stat().st_size,
        virtual_size_bytes=int(inspector.virtual_size),
    )
