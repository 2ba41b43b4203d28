"""The same with a real process and a real SIGKILL: nothing of it is left but the database and the hypervisor.

Every border of creating and deleting a VM, and one border of each other operation, chosen by a seed.
"""

import asyncio
import random
import signal
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.every.borders import At, case_of, every_border, operations
from tests.every.conftest import MakeStage
from tests.every.ends import end_of_clean_run
from tests.every.stage import Stage
from tests.every.truth import truth, unnamed

from hostler.jobs.states import JobState

SEED = 20261122
IN_FULL = ("vm.create", "vm.delete")
ROOT = Path(__file__).parents[2]


def chosen() -> list[At]:
    borders = list(every_border())
    in_full = [at for at in borders if at.operation in IN_FULL]
    dice = random.Random(SEED)
    others = [name for name in operations() if name not in IN_FULL]
    return in_full + [dice.choice([at for at in borders if at.operation == name]) for name in others]


async def kill_at(stage: Stage, at: At) -> str:
    """Run the operation in a process that dies at the border; the job's id."""
    subject, arguments = await case_of(at.operation).arrange(stage)
    await stage.close()
    order = {
        "at": at,
        "folder": str(stage.folder),
        "socket": str(stage.socket),
        "job_id": str(uuid.uuid4()),
        "subject": subject,
        "arguments": arguments,
    }
    victim = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.every.victim", stdin=asyncio.subprocess.PIPE, cwd=ROOT
    )
    await victim.communicate(msgspec.json.encode(order))
    assert victim.returncode == -signal.SIGKILL, f"the border {at} was never reached"
    await stage.open()
    return str(order["job_id"])


@pytest.mark.parametrize("at", chosen(), ids=str)
async def test_a_killed_service_loses_nothing_and_does_nothing_twice(
    fresh_stage: MakeStage, record_property: Callable[[str, object], None], at: At
) -> None:
    clean = await end_of_clean_run(await fresh_stage(), at.operation)
    stage = await fresh_stage()
    row = await stage.ended(await kill_at(stage, at))
    duplicated, left, seen = stage.door.duplicates(), await unnamed(stage), await truth(stage)
    record_property("borders", 1)
    record_property("converged", int(row.state == JobState.COMPLETED and seen == clean))
    record_property("lost", int(row.state != JobState.COMPLETED))
    record_property("duplicated", len(duplicated))
    record_property("leftovers that no job names", len(left))
    assert row.state == JobState.COMPLETED, row.error
    assert seen == clean
    assert duplicated == ()
    assert left == ()
