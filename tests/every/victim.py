"""A process to be killed: it accepts one call, runs it, and kills itself (SIGKILL) at the border it was given."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import msgspec
from tests.every.borders import At
from tests.every.stage import CALLER, Stage

from hostler.jobs.acceptance import Request
from hostler.providers.simulated.connect import SideDoor


async def main(document: bytes) -> None:
    order = msgspec.json.decode(document)
    at = At(*order["at"])
    stage = Stage(Path(order["folder"]), SideDoor(Path(order["socket"])), Path(order["socket"]))

    async def border(*here: str) -> None:
        if At(*here) == at:
            os.kill(os.getpid(), signal.SIGKILL)

    await stage.open(border)
    request = Request(
        job_id=order["job_id"],
        operation=at.operation,
        subject=order["subject"],
        arguments=order["arguments"],
        caller=CALLER,
    )
    await stage.engine.accept(request)
    await stage.ended(order["job_id"])
    await stage.worker.finish_attempts()


if __name__ == "__main__":
    asyncio.run(main(sys.stdin.buffer.read()))
