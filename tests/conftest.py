"""What tests of every room may ask for: a simulated hypervisor in a process of its own, empty for each test."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.authority import Authority

from hostler.domain.machines.spec import DiskFormat
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess, connect
from hostler.providers.simulated.knobs import GIB, SimulatedHost
from hostler.providers.simulated.provider import SimulatedProvider

pytest.register_assert_rewrite("tests.providers.suite", "tests.providers.workshop")

settings.register_profile("ci", deadline=None)
settings.register_profile("campaign", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

HOST_ID = "sim-1"
BASE_DISK = "/var/lib/vms/base.qcow2"


@pytest.fixture(scope="session")
def simulated_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedProcess]:
    folder = tmp_path_factory.mktemp("simulated")
    with SimulatedProcess(folder / "state.sqlite", Path(f"{folder}/socket")) as process:
        yield process


@pytest.fixture
def side_door(simulated_process: SimulatedProcess) -> Iterator[SideDoor]:
    """The simulation, holding one host `sim-1` with a base disk."""
    door = SideDoor(simulated_process.socket_path)
    door.reset()
    door.add_host(SimulatedHost(host_id=HOST_ID))
    door.add_file(HOST_ID, BASE_DISK, 2 * GIB, 10 * GIB, DiskFormat.QCOW2)
    yield door
    door.close()


@pytest.fixture
async def simulated(side_door: SideDoor, simulated_process: SimulatedProcess) -> AsyncIterator[SimulatedProvider]:
    provider = connect(simulated_process.socket_path, HOST_ID)
    yield provider
    await provider.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def other_authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("other-authority"), "other-ca")


COUNTED = ("borders", "converged", "lost", "duplicated", "leftovers that no job names")
"""What the crash tests say of themselves. The sum is printed here: a run in several processes loads no deeper file."""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The sum of the crash tests, from all workers of the run."""
    seen: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        seen.update({name: int(value) for name, value in report.user_properties if name in COUNTED})
    if seen["borders"]:
        told = ", ".join(f"{name} {seen[name]}" for name in COUNTED)
        terminalreporter.write_line(f"crash borders of operations: {told}")
