"""`hostler serve` as a process: how it ends says why."""

import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

HOSTLER = str(Path(sys.executable).with_name("hostler"))
LIMIT_SECONDS = 60.0


class Service:
    """The process, from the line that says it serves."""

    def __init__(self, data: Path) -> None:
        self.data = data
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        command = [HOSTLER, "serve", "--data", str(data), "--port", str(port)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        assert self.process.stderr is not None
        assert any("running on" in line for line in self.process.stderr)

    def end(self) -> tuple[int, str]:
        _, told = self.process.communicate(timeout=LIMIT_SECONDS)
        return self.process.returncode, told


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    made = Service(tmp_path / "data")
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.end()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_ends_well(service: Service, number: signal.Signals) -> None:
    service.process.send_signal(number)
    code, _ = service.end()
    assert code == -number  # as who waits for it expects of one that was told to by a signal


def test_one_that_lost_its_lease_ends_itself_and_says_so(service: Service) -> None:
    (database,) = service.data.glob("*.sqlite")
    with closing(sqlite3.connect(database, timeout=LIMIT_SECONDS)) as outside, outside:
        assert outside.execute("DELETE FROM replica").rowcount == 1
    code, told = service.end()
    assert code == 1
    assert told.splitlines()[-1].startswith("This service lost its lease and ended itself")
