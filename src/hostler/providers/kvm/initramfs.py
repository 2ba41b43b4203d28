"""Writes an initramfs (a gzipped `newc` cpio archive): the same bytes for the same content."""

import gzip
import stat
from pathlib import PurePosixPath

TRAILER = "TRAILER!!!"
COMPRESSION_LEVEL = 6


class Initramfs:
    """A root file system to be: files, folders and links, all owned by root; parents are made as needed."""

    def __init__(self, epoch_seconds: int) -> None:
        self._epoch_seconds = epoch_seconds
        self._entries: dict[str, tuple[int, bytes]] = {}

    def add_file(self, path: str, content: bytes, *, mode: int) -> None:
        self._add(path, stat.S_IFREG | mode, content)

    def add_folder(self, path: str) -> None:
        self._add(path, stat.S_IFDIR | 0o755, b"")

    def add_link(self, path: str, *, to: str) -> None:
        self._add(path, stat.S_IFLNK | 0o777, to.encode())

    def archive(self) -> bytes:
        """The uncompressed archive; a parent always comes before what it holds."""
        parts = [
            self._entry(number, path, mode, content)
            for number, (path, (mode, content)) in enumerate(sorted(self._entries.items()), start=1)
        ]
        parts.append(self._entry(0, TRAILER, 0, b""))
        return b"".join(parts)

    def compressed(self) -> bytes:
        return gzip.compress(self.archive(), COMPRESSION_LEVEL, mtime=0)

    def _add(self, path: str, mode: int, content: bytes) -> None:
        for parent in PurePosixPath(path).parents:
            if str(parent) != ".":
                self._entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
        self._entries[path] = (mode, content)

    def _entry(self, inode: int, path: str, mode: int, content: bytes) -> bytes:
        name = path.encode() + b"\0"
        links = 2 if stat.S_ISDIR(mode) else 1
        fields = (inode, mode, 0, 0, links, self._epoch_seconds, len(content), 0, 0, 0, 0, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % field for field in fields)
        return _padded(header + name) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + b"\0" * (-len(part) % 4)
