"""Files that are either whole under their name or not there: written beside it, synced, renamed."""

import contextlib
import os
import tempfile
from pathlib import Path

MODE = 0o600


def write_whole(path: Path, content: bytes) -> None:
    """Replaces `path`. Raises OSError and leaves the old file, or none."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=".hostler-", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(part, path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise
    sync_folder(path.parent)


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
