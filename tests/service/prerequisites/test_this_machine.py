"""The real machine, and the program as a fresh clone starts it."""

import ast
import os
import shutil
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from hostler.providers.kvm import kvm_probe, probe_guest
from hostler.providers.kvm.kvm_probe import KvmVerdict, probe_kvm
from hostler.service import prerequisites
from hostler.service.prerequisites.machine import ThisMachine

SOURCE = Path(next(iter(prerequisites.__path__)))
ROOT = SOURCE.parents[2]


def program(*arguments: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """The command line as `dev/setup` calls it, without any installed package and with nobody to answer."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CI": "", "PYTHONWARNINGS": "error"}
    return subprocess.run(
        [sys.executable, "-S", "-m", "hostler.service.prerequisites", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_it_runs_on_the_standard_library_alone_and_changes_nothing(tmp_path: Path) -> None:
    done = program("check", "--for", "run", "--data", "a 'folder' $HOME", folder=tmp_path)

    assert done.returncode in (0, 1), done.stderr
    assert "are free for " + str(tmp_path / "a 'folder' $HOME") in done.stdout
    assert " pass" in done.stdout.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_an_older_python_can_read_it() -> None:
    for file in [*SOURCE.glob("*.py"), Path(kvm_probe.__file__), Path(probe_guest.__file__)]:
        ast.parse(file.read_text(), feature_version=(3, 8))


def test_a_port_that_is_listened_on_is_not_free() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        assert not ThisMachine().port_is_free(port)
    assert ThisMachine().port_is_free(port)


def test_a_socket_that_its_daemon_left_behind_is_not_listened_to(tmp_path: Path) -> None:
    path = str(tmp_path / "daemon.sock")
    assert not ThisMachine().is_listened_to(path)
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(path)
        daemon.listen()
        assert ThisMachine().is_listened_to(path)
    assert Path(path).is_socket()
    assert not ThisMachine().is_listened_to(path)


def test_the_closed_folder_on_the_way_is_named(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for parent in [*tmp_path.parents, tmp_path]:
        if not parent.stat().st_mode & stat.S_IXOTH:
            parent.chmod(parent.stat().st_mode | stat.S_IXOTH)
    machine = ThisMachine()

    assert machine.closed_folder(str(closed / "not" / "yet"), "nobody") == str(closed)
    closed.chmod(0o711)
    assert machine.closed_folder(str(closed / "not" / "yet"), "nobody") is None
    assert machine.closed_folder(str(closed), "a user that does not exist") is None


@pytest.mark.parametrize(
    ("argv", "code"),
    [(("true",), 0), (("false",), 1), (("no-such-program",), 127), (("sleep", "60"), 124)],
)
def test_a_program_always_gives_an_answer(argv: tuple[str, ...], code: int) -> None:
    assert ThisMachine().run(*argv, timeout_seconds=0.5).code == code


@pytest.mark.parametrize(
    ("behaviour", "works", "reason"),
    [
        ("echo 'SeaBIOS'; echo 'HOSTLER GUEST RAN'; exec sleep 60", True, "a test guest ran under it"),
        ("exec sleep 60", False, "a test guest hung for 1 s"),
        ("echo 'KVM internal error. Suberror: 1'; exec sleep 60", False, "failed to execute a test guest"),
        ("echo 'unhandled MSR 0x10a'; kill -ABRT $$", False, "ended by itself when it ran a test guest: unhandled MSR"),
        ("exit 1", False, "it said nothing"),
    ],
)
def test_kvm_is_believed_only_when_a_guest_ran(
    behaviour: str, works: bool, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    qemu = tmp_path / "qemu"
    qemu.write_text(f"#!/bin/sh\n{behaviour}\n")
    qemu.chmod(0o755)
    monkeypatch.setattr(kvm_probe, "QEMU", str(qemu))
    monkeypatch.setattr(kvm_probe, "DEVICE", tmp_path)

    verdict = probe_kvm(tmp_path, time_limit_seconds=1)

    assert (verdict.works, reason in verdict.reason) == (works, True), verdict
    shutil.copy("/bin/true", qemu.with_name("other"))
    monkeypatch.setattr(kvm_probe, "_run_guest", lambda *_: KvmVerdict(works=False, reason="asked anew"))
    assert probe_kvm(tmp_path) == verdict
    monkeypatch.setattr(kvm_probe, "QEMU", str(qemu.with_name("other")))
    assert probe_kvm(tmp_path).reason == "asked anew"
