"""Disk files of VMs: where they may lie, clones, seeds, deletion. qemu-img is always told the formats."""

import contextlib
import fcntl
import io
import os
import re
import stat
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pycdlib
import yaml
from oslo_utils.imageutils import format_inspector

from hostler.domain.machines.facts import FileFacts
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, DiskFormat
from hostler.providers.contract import CloneDisk
from hostler.providers.errors import NotThere, OutOfSpace, ProviderError, Refused, TaskFailed
from hostler.providers.kvm.errors import FREE_SPACE, translate_os
from hostler.providers.kvm.whole_files import give_final_name, part_of, write_whole

FOLDER_MODE = 0o711
QEMU_IMG_SECONDS = 60
LIMITS = ("prlimit", "--as=2147483648", "--cpu=60", "--")
_RAW_LOOKS = frozenset({"raw", "gpt", "iso"})
_MAX_CHAIN = 16
_HEADER_BYTES = 4096
_BACKING_FORMAT = 0xE2792ACA
"""The type of the qcow2 header extension that says what the backing file is."""
_FLATTEN = "flatten it (qemu-img convert) before it is used"
_QEMU_LOCKS = (100, 200)
"""Start and length of the bytes on which QEMU holds its image locks."""
_UNFIT = re.compile("[\0-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
"""Control characters, and what neither UTF-8 nor XML can carry."""


def need_inside(path: str, vm_paths: tuple[Path, ...]) -> Path:
    """The path with its folder resolved. Raises Refused unless it lies below a VM path, whatever links say."""
    given = Path(path)
    if not given.is_absolute() or ".." in given.parts or _UNFIT.search(path):
        raise Refused(f"the path {path!r} is not a plain absolute path", "give the full path of a file")
    real = Path(os.path.realpath(given.parent)) / given.name
    if not any(real.is_relative_to(os.path.realpath(root)) and real != root for root in vm_paths):
        allowed = ", ".join(str(root) for root in vm_paths) or "none"
        raise Refused(
            f"{path} is not below a VM path of this host ({allowed})",
            "choose a VM path, or add that folder to the host's",
        )
    return real


def make_folder(path: Path, vm_paths: tuple[Path, ...]) -> None:
    """The folder of a file and those above it, up to the VM path, which must be there."""
    root = next(Path(os.path.realpath(r)) for r in vm_paths if path.is_relative_to(os.path.realpath(r)))
    if not root.is_dir():
        raise NotThere(
            f"the VM path {root} is not there", "mount its file system, or remove it from the host's VM paths"
        )
    folder = root
    for part in path.parent.relative_to(root).parts:
        folder = folder / part
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=FOLDER_MODE)
            folder.chmod(FOLDER_MODE)


def read_file(path: str) -> FileFacts | None:
    try:
        status = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise _as_provider_error(error, f"reading {path!r}") from error
    if not stat.S_ISREG(status.st_mode):
        return None
    return FileFacts(path=path, size_bytes=status.st_size)


def _as_provider_error(error: OSError | ValueError, subject: str) -> ProviderError:
    if isinstance(error, OSError):
        return translate_os(error, subject)
    return Refused(f"{subject}: {error}", "give the full path of a file")


def delete_file(path: str, vm_paths: tuple[Path, ...]) -> None:
    """Deletes the name itself, never what a link points to; then folders it leaves empty, up to the VM path."""
    real = need_inside(path, vm_paths)
    try:
        folder = os.open(real.parent, os.O_DIRECTORY | os.O_NOFOLLOW | os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return remove_empty_folders(real.parent, vm_paths)
    except OSError as error:
        raise translate_os(error, f"deleting {path}") from error
    try:
        _need_unused(real)
        for name in (part_of(real).name, real.name):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        raise Refused(f"{path} is a folder, and only files are deleted", "name the file") from None
    except OSError as error:
        raise translate_os(error, f"deleting {path}") from error
    finally:
        os.close(folder)
    return remove_empty_folders(real.parent, vm_paths)


def _need_unused(path: Path) -> None:
    """Raises Refused when a process has the image open: QEMU and qemu-img lock what they use."""
    if path.is_symlink() or not path.is_file():
        return
    asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, *_QEMU_LOCKS, 0)
    with path.open("rb") as file:
        try:
            answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked)
        except OSError:
            return  # A file system without such locks cannot tell.
    if struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK:
        raise Refused(
            f"{path} is in use: a running VM, a linked clone of it, or a copy reads it",
            "power off the VMs that use it, or wait for the copy, then delete it again",
        )


def remove_empty_folders(folder: Path, vm_paths: tuple[Path, ...]) -> None:
    """This one and those above it, up to the VM path, as long as they are empty."""
    roots = {Path(os.path.realpath(root)) for root in vm_paths}
    while folder not in roots:
        try:
            folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:
            return
        folder = folder.parent


def write_seed(path: str, seed: CloudInitSeed, vm_paths: tuple[Path, ...]) -> None:
    """A NoCloud medium. User text passes through the YAML serialiser only."""
    target = need_inside(path, vm_paths)
    try:
        # In ASCII, all else escaped: a next-line or line-separator character would be read back as a space.
        user_data = "#cloud-config\n" + yaml.safe_dump(seed.user_data, sort_keys=False)
    except yaml.YAMLError as error:
        raise Refused(
            f"the cloud-init user data cannot be written as YAML: {error}", "use plain values only"
        ) from error
    meta_data = yaml.safe_dump({"instance-id": seed.instance_id, "local-hostname": seed.host_name})
    medium = _iso({"user-data": user_data.encode(), "meta-data": meta_data.encode()})
    try:
        make_folder(target, vm_paths)
        write_whole(target, medium, part_of(target))
    except OSError as error:
        remove_empty_folders(target.parent, vm_paths)
        raise translate_os(error, f"writing the cloud-init seed {path}") from error


def _iso(files: dict[str, bytes]) -> bytes:
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, vol_ident="cidata", joliet=3, rock_ridge="1.09")
    for number, (name, content) in enumerate(files.items()):
        iso.add_fp(io.BytesIO(content), len(content), f"/FILE{number}.;1", rr_name=name, joliet_path=f"/{name}")
    medium = io.BytesIO()
    iso.write_fp(medium)
    iso.close()
    return medium.getvalue()


def check_source(source: str, declared: DiskFormat, vm_paths: tuple[Path, ...]) -> None:
    """Raises unless the image is what it is said to be and reads no file that it should not."""
    if not os.path.isabs(source):
        raise Refused(f"the source {source!r} is not a full path", "give the full path of the image")
    if os.path.realpath(source) != source:
        raise Refused(
            f"the image {source} is reached by a symbolic link: it may not be what was taken into the library",
            "put the image itself there, or take it into the library again",
        )
    _check_image(Path(source), declared, vm_paths, depth=0)


def _check_image(image: Path, declared: DiskFormat, vm_paths: tuple[Path, ...], *, depth: int) -> None:
    if not image.is_file():
        raise NotThere(f"the image {image} is not on this host", "refresh the library, or choose another image")
    try:
        inspector = format_inspector.detect_file_format(str(image))
    except OSError as error:
        raise translate_os(error, f"reading the image {image}") from error
    except format_inspector.ImageFormatError as error:
        raise Refused(f"the image {image} cannot be read: {error}", "check the image with qemu-img check") from error
    found = str(inspector)
    if declared is DiskFormat.RAW and found in _RAW_LOOKS:
        return
    if inspector is None or found != declared.value:
        raise Refused(f"{image} is {found}, not {declared.value}", "name the format that the image really has")
    _check_features(image, inspector)
    backing = _backing_file(image)
    if backing is None:
        return
    inside = any(backing.path.is_relative_to(os.path.realpath(root)) for root in vm_paths)
    if depth >= _MAX_CHAIN:
        raise Refused(f"the image {image} is at the end of too many that read each other", _FLATTEN)
    if not inside:
        raise Refused(f"the image {image} reads another file ({backing.path}) outside this host's VM paths", _FLATTEN)
    _check_image(backing.path, backing.format, vm_paths, depth=depth + 1)


def _check_features(image: Path, inspector: format_inspector.FileInspector) -> None:
    """All that oslo.utils knows to be unsafe, but for a backing file, which is looked at by itself."""
    try:
        inspector.safety_check()
    except format_inspector.SafetyCheckFailed as unsafe:
        others = sorted(set(unsafe.failures) - {"backing_file"})
        if others:
            raise Refused(
                f"the image {image} is not safe ({', '.join(others)})", "convert it to a plain qcow2 image first"
            ) from unsafe


class _Backing(NamedTuple):
    path: Path
    format: DiskFormat


def _backing_file(image: Path) -> _Backing | None:
    """The backing file that a qcow2 header names, resolved; None when it names none.

    Raises Refused where QEMU would take the name for more than a path (`json:…`, `nbd:…`), or would guess the format.
    """
    with image.open("rb") as file:
        header = file.read(_HEADER_BYTES)
        offset, size = int.from_bytes(header[8:16], "big"), int.from_bytes(header[16:20], "big")
        if offset == 0 or size == 0:
            return None
        file.seek(offset)
        name = file.read(min(size, 1023)).decode(errors="replace")
    said = _backing_format(header)
    if ":" in name.partition("/")[0] or _UNFIT.search(name):
        raise Refused(f"the image {image} reads {name!r}, which is not a plain path", _FLATTEN)
    if said not in list(DiskFormat):
        raise Refused(f"the image {image} does not say what its backing file {name!r} is", _FLATTEN)
    return _Backing(Path(os.path.realpath(image.parent / name)), DiskFormat(said))


def _backing_format(header: bytes) -> str:
    """The header extension that names the format of the backing file; nothing when there is none."""
    version_3 = int.from_bytes(header[4:8], "big") >= 3
    at = int.from_bytes(header[100:104], "big") if version_3 else 72
    while at + 8 <= len(header):
        kind, size = int.from_bytes(header[at : at + 4], "big"), int.from_bytes(header[at + 4 : at + 8], "big")
        if kind == _BACKING_FORMAT:
            return header[at + 8 : at + 8 + size].decode(errors="replace")
        if kind == 0:
            break
        at += 8 + -(-size // 8) * 8
    return ""


def make_linked_clone(work: CloneDisk, part: Path, target: Path) -> None:
    """A new image that keeps reading its source: some milliseconds whatever its size."""
    part.unlink(missing_ok=True)
    argv = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", work.source_format.value, "-b", work.source, str(part)]
    done = subprocess.run(  # noqa: S603 - an argument list; every path is absolute
        [*LIMITS, *argv], capture_output=True, text=True, timeout=QEMU_IMG_SECONDS, check=False
    )
    if done.returncode != 0:
        part.unlink(missing_ok=True)
        raise image_error(done.stderr, work)
    give_final_name(part, target)


def image_error(said: str, work: CloneDisk) -> ProviderError:
    """qemu-img's last words as an error that names the volume."""
    words = (
        re.sub(r"^qemu-img: ", "", said.strip().splitlines()[-1]) if said.strip() else "qemu-img ended without a word"
    )
    if "No space left on device" in said or "Disk quota exceeded" in said:
        return OutOfSpace(f"the file system of {Path(work.target).parent} is full: {words}", FREE_SPACE)
    kind = "linked clone" if work.kind is CloneKind.LINKED else "full copy"
    return TaskFailed(
        f"the {kind} of {work.source} to {work.target} failed: {words}", "mend what it names and restart the job"
    )
