"""Files that are either whole under their name or not there: written beside it, synced, renamed."""

import hashlib
import os
import uuid
from pathlib import Path

MODE = 0o600


def part_of(path: Path) -> Path:
    """The unfinished file beside it: one name for each, so that whoever comes next finds what was left."""
    return path.with_name(f".hostler-{hashlib.sha256(path.name.encode()).hexdigest()[:32]}.part")


def write_state(path: Path, content: bytes) -> None:
    """A file of our own state, which several processes may write at once: the last one stays."""
    write_whole(path, content, path.with_name(f".{uuid.uuid4().hex}.part"))


def write_whole(path: Path, content: bytes, part: Path) -> None:
    """Replaces `path`, by way of `part`. Raises OSError and leaves the old file, or none."""
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as file:
            file.write(content)
        give_final_name(part, path)
    except OSError:
        part.unlink(missing_ok=True)
        raise


def give_final_name(part: Path, path: Path) -> None:
    """The last act of making a file: its data is on disk before its name is."""
    handle = os.open(part, os.O_RDONLY)
    try:
        os.fchmod(handle, MODE)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.rename(part, path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
