"""The stage for the standing tests, and the sum of what they saw, printed at the end of the run."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from tempfile import mkdtemp

import pytest
from tests.every.stage import Stage, new_host

from hostler.providers.simulated.connect import SideDoor, SimulatedProcess

MakeStage = Callable[[], Awaitable[Stage]]


@pytest.fixture
async def fresh_stage(tmp_path: Path, simulated_process: SimulatedProcess) -> AsyncIterator[MakeStage]:
    """Makes open stages, each on an empty database and a simulation with one empty host; the newest one counts."""
    door = SideDoor(simulated_process.socket_path)
    made: list[Stage] = []

    async def make() -> Stage:
        if made:
            await made.pop().close()
        new_host(door)
        folder = Path(mkdtemp(dir=tmp_path))
        made.append(Stage(folder, door, simulated_process.socket_path))
        await made[0].open()
        return made[0]

    yield make
    for stage in made:
        await stage.close()
    door.close()


@pytest.fixture
async def stage(fresh_stage: MakeStage) -> Stage:
    return await fresh_stage()
