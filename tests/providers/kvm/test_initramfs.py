"""What is put into an initramfs comes out of it again, read by busybox, as the guest's kernel would."""

import gzip
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hostler.providers.kvm.initramfs import Initramfs

EPOCH_SECONDS = 1_700_000_000


def extract(archive: bytes, into: Path) -> None:
    command = ["/bin/busybox", "cpio", "-i", "-d", "-m"]
    subprocess.run(command, input=archive, cwd=into, check=True, capture_output=True)


def test_files_folders_and_links_come_out_as_they_went_in(tmp_path: Path) -> None:
    archive = Initramfs(EPOCH_SECONDS)
    archive.add_link("sbin/init", to="/bin/busybox")
    archive.add_file("etc/deep/er/motd", b"hello\n", mode=0o640)
    archive.add_folder("proc")

    extract(gzip.decompress(archive.compressed()), tmp_path)

    motd = tmp_path / "etc/deep/er/motd"
    assert (motd.read_bytes(), motd.stat().st_mode & 0o7777) == (b"hello\n", 0o640)
    assert motd.stat().st_mtime == EPOCH_SECONDS
    assert (tmp_path / "sbin/init").readlink() == Path("/bin/busybox")
    assert (tmp_path / "proc").is_dir()


@settings(max_examples=25, deadline=None)
@given(contents=st.dictionaries(st.from_regex(r"[a-z0-9]{1,9}", fullmatch=True), st.binary(max_size=40), max_size=6))
def test_any_content_survives_and_its_order_does_not_matter(
    contents: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    forwards, backwards = Initramfs(EPOCH_SECONDS), Initramfs(EPOCH_SECONDS)
    for name, content in contents.items():
        forwards.add_file(f"files/{name}", content, mode=0o644)
    for name, content in reversed(contents.items()):
        backwards.add_file(f"files/{name}", content, mode=0o644)
    folder = tmp_path_factory.mktemp("out")

    extract(forwards.archive(), folder)

    assert {file.name: file.read_bytes() for file in folder.glob("files/*")} == contents
    assert forwards.compressed() == backwards.compressed()
