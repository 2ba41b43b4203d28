import io
import os
import pwd
import subprocess
from pathlib import Path

import pycdlib
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from hostler.domain.machines.spec import CloneKind, CloudInitSeed, DiskFormat
from hostler.providers.contract import CloneDisk
from hostler.providers.errors import NotThere, OutOfSpace, Refused, TaskFailed
from hostler.providers.kvm import disks
from hostler.providers.kvm.qemu_user import check_vm_path, qemu_user

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture
def vms(tmp_path: Path) -> Path:
    (tmp_path / "vms").mkdir()
    return tmp_path / "vms"


def qcow2(path: Path, *options: str) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *options, str(path), "1M"], check=True)
    return path


@pytest.mark.parametrize(
    "given_path", ["/etc/passwd", "{vms}/../x", "{vms}", "{vms}/link/x", "x", "", "/", "{vms}/a\nb"]
)
def test_only_below_a_vm_path(vms: Path, given_path: str) -> None:
    (vms / "link").symlink_to("/etc")
    with pytest.raises(Refused):
        disks.need_inside(given_path.format(vms=vms), (vms,))


def test_deleting_a_link_keeps_what_it_points_to(vms: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("x")
    (vms / "vm").mkdir()
    (vms / "vm" / "disk").symlink_to(precious)
    disks.delete_file(str(vms / "vm" / "disk"), (vms,))
    assert precious.read_text() == "x"
    assert list(vms.iterdir()) == []


def test_deletion_again_takes_the_folder_that_a_killed_service_left_empty(vms: Path) -> None:
    (vms / "a" / "b").mkdir(parents=True)
    disks.delete_file(str(vms / "a" / "b" / "disk"), (vms,))
    assert not list(vms.iterdir())
    (vms / "a").mkdir()
    disks.delete_file(str(vms / "a" / "b" / "disk"), (vms,))
    assert not list(vms.iterdir())


def test_deletion_takes_empty_folders_and_no_others(vms: Path) -> None:
    (vms / "a" / "b").mkdir(parents=True)
    (vms / "a" / "b" / "disk").write_text("x")
    (vms / "a" / "kept").write_text("x")
    disks.delete_file(str(vms / "a" / "b" / "disk"), (vms,))
    assert sorted(path.name for path in vms.rglob("*")) == ["a", "kept"]
    disks.delete_file(str(vms / "a" / "b" / "disk"), (vms,))
    with pytest.raises(Refused):
        disks.delete_file(str(vms / "a"), (vms,))


def read_iso(path: Path) -> tuple[str, dict[str, bytes]]:
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    found = {}
    for name in ("user-data", "meta-data"):
        content = io.BytesIO()
        iso.get_file_from_iso_fp(content, rr_path=f"/{name}")
        found[name] = content.getvalue()
    label = iso.pvd.volume_identifier.decode().strip()
    iso.close()
    return label, found


@example(host_name="a\x85b", key="\u2028", value="\x85")
@given(host_name=TEXT, key=TEXT, value=TEXT)
def test_seed_says_what_it_was_given(
    tmp_path_factory: pytest.TempPathFactory, host_name: str, key: str, value: str
) -> None:
    folder = tmp_path_factory.getbasetemp() / "seeds"
    folder.mkdir(exist_ok=True)
    seed = CloudInitSeed(instance_id="i-1", host_name=host_name, user_data={key: [value, {"deep": value}]})
    disks.write_seed(f"{folder}/vm/seed.iso", seed, (folder,))
    label, content = read_iso(folder / "vm" / "seed.iso")
    assert label == "cidata"
    assert content["user-data"].startswith(b"#cloud-config\n")
    assert yaml.safe_load(content["user-data"]) == seed.user_data
    assert yaml.safe_load(content["meta-data"]) == {"instance-id": "i-1", "local-hostname": host_name}


def test_seed_is_private(vms: Path) -> None:
    disks.write_seed(f"{vms}/vm/seed.iso", CloudInitSeed(instance_id="i", host_name="h", user_data={}), (vms,))
    assert (vms / "vm" / "seed.iso").stat().st_mode & 0o777 == 0o600


def test_seed_of_objects_is_refused(vms: Path) -> None:
    seed = CloudInitSeed(instance_id="i", host_name="h", user_data={"x": object()})
    with pytest.raises(Refused):
        disks.write_seed(f"{vms}/vm/seed.iso", seed, (vms,))
    assert list(vms.iterdir()) == []


def test_sources_that_are_what_they_say(vms: Path) -> None:
    base = qcow2(vms / "base")
    clone = qcow2(vms / "clone", "-b", str(base), "-F", "qcow2")
    raw = vms / "raw"
    raw.write_bytes(bytes(4096))
    disks.check_source(str(base), DiskFormat.QCOW2, (vms,))
    disks.check_source(str(clone), DiskFormat.QCOW2, (vms,))
    disks.check_source(str(raw), DiskFormat.RAW, (vms,))


def test_sources_that_are_not(vms: Path, tmp_path: Path) -> None:
    outside = qcow2(tmp_path / "outside")
    reads_outside = qcow2(vms / "reads-outside", "-b", str(outside), "-F", "qcow2")
    data_file = qcow2(vms / "data-file", "-o", f"data_file={tmp_path}/data")
    for path, said in (
        (reads_outside, DiskFormat.QCOW2),
        (data_file, DiskFormat.QCOW2),
        (outside, DiskFormat.RAW),
    ):
        with pytest.raises(Refused) as refusal:
            disks.check_source(str(path), said, (vms,))
        assert refusal.value.remedy
    with pytest.raises(NotThere):
        disks.check_source(str(vms / "absent"), DiskFormat.QCOW2, (vms,))
    with pytest.raises(Refused):
        disks.check_source("json:{}", DiskFormat.RAW, (vms,))


@pytest.mark.parametrize("given", ['json:{"driver":"file","filename":"SECRET"}', "file:SECRET", "nbd://127.0.0.1:1/x"])
def test_a_backing_file_that_is_no_plain_path_is_refused(vms: Path, tmp_path: Path, given: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(4096))
    name = given.replace("SECRET", str(tmp_path / "secret"))
    image = qcow2(vms / "image", "-u", "-F", "raw", "-b", name)
    with pytest.raises(Refused, match="not a plain path"):
        disks.check_source(str(image), DiskFormat.QCOW2, (vms,))


def test_every_file_of_a_chain_is_checked(vms: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4096))
    middle = qcow2(vms / "middle", "-u", "-F", "raw", "-b", str(tmp_path / "secret"))
    top = qcow2(vms / "top", "-u", "-F", "qcow2", "-b", str(middle))
    with pytest.raises(Refused, match=r"middle reads another file .*secret"):
        disks.check_source(str(top), DiskFormat.QCOW2, (vms,))
    for one, other in (("ring-1", "ring-2"), ("ring-2", "ring-1")):
        qcow2(vms / one, "-u", "-F", "qcow2", "-b", str(vms / other))
    with pytest.raises(Refused, match="too many"):
        disks.check_source(str(vms / "ring-1"), DiskFormat.QCOW2, (vms,))


def test_what_qemu_would_guess_is_refused(vms: Path) -> None:
    """A guest writes what it likes to its raw disk: nobody may take that for a header."""
    base = qcow2(vms / "base")
    silent = qcow2(vms / "silent", "-b", str(base), "-F", "qcow2")
    content = silent.read_bytes()
    silent.write_bytes(content.replace(bytes.fromhex("e2792aca"), bytes.fromhex("0badcafe"), 1))
    with pytest.raises(Refused, match="does not say"):
        disks.check_source(str(silent), DiskFormat.QCOW2, (vms,))


def test_unknown_features_are_refused(vms: Path) -> None:
    image = qcow2(vms / "image")
    content = bytearray(image.read_bytes())
    content[72] = 0x80
    image.write_bytes(bytes(content))
    with pytest.raises(Refused, match="unknown_features"):
        disks.check_source(str(image), DiskFormat.QCOW2, (vms,))


def test_a_source_that_became_a_link_is_refused(vms: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(4096))
    (vms / "image.raw").symlink_to(tmp_path / "secret")
    (tmp_path / "elsewhere").symlink_to(vms)
    for path in (vms / "image.raw", tmp_path / "elsewhere" / "image.raw"):
        with pytest.raises(Refused, match="symbolic link"):
            disks.check_source(str(path), DiskFormat.RAW, (vms,))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("qemu-img: error while writing: No space left on device", OutOfSpace),
        ("qemu-img: Could not open '/x': Permission denied", TaskFailed),
        ("", TaskFailed),
    ],
)
def test_last_words_of_qemu_img(said: str, kind: type[Exception]) -> None:
    work = CloneDisk(source="/s", source_format=DiskFormat.RAW, target="/vms/vm/disk", kind=CloneKind.FULL)
    error = disks.image_error(said, work)
    assert type(error) is kind
    assert "/vms/vm" in error.message
    assert error.remedy


NOBODY = pwd.getpwnam("nobody")


def test_folder_that_qemu_cannot_enter_is_refused_with_the_command(tmp_path: Path) -> None:
    closed = tmp_path / "it's closed"
    inner = closed / "vms"
    inner.mkdir(parents=True)
    for folder in (tmp_path, *tmp_path.parents):
        if folder != folder.parent and folder.stat().st_uid == os.geteuid() and str(folder) != "/tmp":
            folder.chmod(0o755)
    closed.chmod(0o700)
    inner.chmod(0o755)
    with pytest.raises(Refused) as refusal:
        check_vm_path(inner, NOBODY)
    assert "chmod o+x" in refusal.value.remedy
    mend = refusal.value.remedy.split(": ", 1)[1].split("  (")[0]
    subprocess.run(["/bin/sh", "-c", mend], check=True)
    check_vm_path(inner, NOBODY)
    check_vm_path(inner, pwd.getpwuid(0))
    check_vm_path(inner, None)


@pytest.mark.parametrize(
    ("text", "name"),
    [('user = "nobody"\n', "nobody"), ('#user = "nobody"\nuser = "+0"\n', "root"), ('user="root"', "root")],
)
def test_qemu_user_is_the_configured_one(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "qemu.conf").write_text(text)
    user = qemu_user(tmp_path / "qemu.conf")
    assert user is not None
    assert user.pw_name == name
