"""Files and volumes of a simulated host: whole or absent to readers, bounded by the volume's capacity."""

import posixpath
import sqlite3

import msgspec
from msgspec.structs import replace

from hostler.domain.fabric.facts import Volume
from hostler.domain.machines.facts import FileFacts
from hostler.domain.machines.spec import CloudInitSeed, DiskFormat
from hostler.providers.errors import NotThere, OutOfSpace, Refused
from hostler.providers.simulated.host import Did, Host

_LONGEST_NAME_BYTES = 255
_SEED_OVERHEAD_BYTES = 374_784


def volume_of(host: Host, path: str) -> str:
    """The volume a path lies on; `Refused` when it cannot be a file's path on this host."""
    if "\0" in path or posixpath.normpath(path) != path or not path.startswith("/"):
        raise Refused(f"{path!r} is not an absolute, plain path", "Give a path such as /var/lib/vms/web-01/disk.qcow2.")
    if any(len(part.encode()) > _LONGEST_NAME_BYTES for part in path.split("/")):
        raise Refused(f"a part of {path!r} is longer than {_LONGEST_NAME_BYTES} bytes", "Choose a shorter name.")
    for volume in host.shape.volumes:
        if path.startswith(volume.path.rstrip("/") + "/"):
            return volume.path
    known = ", ".join(volume.path for volume in host.shape.volumes)
    raise Refused(f"{path!r} lies on no volume of host {host.host_id}", f"Choose a path below one of: {known}.")


def volumes(host: Host) -> tuple[Volume, ...]:
    used = dict(
        host.db.execute(
            "SELECT volume, sum(size_bytes) FROM files WHERE host_id = ? GROUP BY volume", (host.host_id,)
        ).fetchall()
    )
    return tuple(
        replace(volume, free_bytes=max(0, volume.free_bytes - used.get(volume.path, 0)))
        for volume in host.shape.volumes
    )


def find(host: Host, path: str, *, half_too: bool = False) -> sqlite3.Row | None:
    row: sqlite3.Row | None = host.db.execute(
        "SELECT * FROM files WHERE host_id = ? AND path = ?", (host.host_id, path)
    ).fetchone()
    return row if row is not None and (row["whole"] or half_too) else None


def need(host: Host, path: str) -> sqlite3.Row:
    """A whole file and everything that it is linked to; `NotThere` names what is missing."""
    row = find(host, path)
    if row is None:
        raise NotThere(f"there is no file {path!r} on host {host.host_id}", "Copy the file to the host first.")
    if row["backing"] is not None:
        need(host, row["backing"])
    return row


def need_space(host: Host, path: str, more_bytes: int) -> None:
    """`OutOfSpace` when the path's volume has not so much left."""
    volume = volume_of(host, path)
    free = next(each.free_bytes for each in volumes(host) if each.path == volume)
    if more_bytes > free:
        raise OutOfSpace(
            f"{volume} on host {host.host_id} has {free} bytes free; {path!r} needs {more_bytes} more",
            "Delete files there, or choose another volume.",
        )


def take_space(host: Host, path: str, more_bytes: int) -> None:
    """Let a file grow; `OutOfSpace` when it cannot."""
    need_space(host, path, more_bytes)
    host.db.execute(
        "UPDATE files SET size_bytes = size_bytes + ? WHERE host_id = ? AND path = ?", (more_bytes, host.host_id, path)
    )


def put(host: Host, path: str, *, capacity_bytes: int, disk_format: DiskFormat, backing: str | None = None) -> None:
    """Begin a file: of no size yet, and not whole. What is there under the name, half-made or older, is replaced."""
    if find(host, path, half_too=True) is None:
        host.did(Did.COPY_BEGUN, path)
    host.db.execute(
        "INSERT OR REPLACE INTO files (host_id, path, volume, size_bytes, capacity_bytes, format, backing, whole,"
        " job_id) VALUES (?, ?, ?, 0, ?, ?, ?, 0, ?)",
        (host.host_id, path, volume_of(host, path), capacity_bytes, disk_format.value, backing, host.job_id),
    )


def make_whole(host: Host, path: str) -> None:
    host.db.execute("UPDATE files SET whole = 1 WHERE host_id = ? AND path = ?", (host.host_id, path))
    host.did(Did.FILE_MADE, path)


def drop(host: Host, path: str) -> None:
    host.db.execute("DELETE FROM files WHERE host_id = ? AND path = ?", (host.host_id, path))


def read_file(host: Host, path: str) -> FileFacts | None:
    row = find(host, path)
    return None if row is None else FileFacts(path=path, size_bytes=row["size_bytes"])


def _own_seed(host: Host, path: str) -> sqlite3.Row | None:
    """The seed of that name, half-made too; `Refused` when the name is another file's, or a running clone's."""
    volume_of(host, path)
    row = find(host, path, half_too=True)
    if row is not None and row["seed"] is None:
        raise Refused(f"{path!r} is there and is not a seed", "Choose another path for the seed.")
    return row


def write_seed(host: Host, path: str, seed: CloudInitSeed) -> None:
    wanted = msgspec.json.encode(seed)
    row = _own_seed(host, path)
    if row is not None and row["whole"] and row["seed"] == wanted:
        return
    need_space(host, path, _SEED_OVERHEAD_BYTES + len(wanted))
    if row is not None and row["whole"]:
        host.did(Did.FILE_DELETED, path)
    _begin_seed(host, path, seed)
    take_space(host, path, _SEED_OVERHEAD_BYTES + len(wanted))
    make_whole(host, path)


def _begin_seed(host: Host, path: str, seed: CloudInitSeed) -> None:
    put(host, path, capacity_bytes=0, disk_format=DiskFormat.RAW)
    host.db.execute(
        "UPDATE files SET seed = ? WHERE host_id = ? AND path = ?", (msgspec.json.encode(seed), host.host_id, path)
    )


def half_write_seed(host: Host, path: str, seed: CloudInitSeed) -> None:
    """What was written is not whole; an older seed of that name still stands."""
    row = _own_seed(host, path)
    if row is None or not row["whole"]:
        _begin_seed(host, path, seed)


def delete_file(host: Host, path: str) -> None:
    volume_of(host, path)
    row = find(host, path, half_too=True)
    if row is None:
        return
    drop(host, path)
    host.did(Did.FILE_DELETED if row["whole"] else Did.COPY_CLEANED, path)


def half_delete_file(host: Host, path: str) -> None:
    """The name is gone, the space is not: what a deletion over a network file system leaves when it breaks."""
    if find(host, path) is None:
        return
    host.db.execute("UPDATE files SET whole = 0 WHERE host_id = ? AND path = ?", (host.host_id, path))
    host.did(Did.FILE_DELETED, path)
