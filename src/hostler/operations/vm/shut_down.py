"""Shut a VM down."""

from typing import Annotated

import msgspec
from pydantic import Field

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.operation import Params
from hostler.jobs.step import LongStep, Progress, Result, StepContext
from hostler.operations.on_vm import PowerOperation, VmPlan, host_of, in_state, record_vm
from hostler.providers.contract import PowerChange
from hostler.providers.errors import Refused


class ShutDownVmParams(Params):
    timeout_seconds: Annotated[int, Field(ge=1, le=86_400)] = 300


class ShutDownPlan(VmPlan, frozen=True, kw_only=True):
    timeout_seconds: int


async def is_off(at: StepContext[ShutDownPlan]) -> Result | None:
    return await in_state(at, VmState.POWER_OFF, VmState.SAVED)


async def ask(at: StepContext[ShutDownPlan]) -> str:
    """The handle is the moment, in microseconds, until which the guest has time."""
    await (await host_of(at)).change_power(at.fence, at.plan.native_id, PowerChange.SHUT_DOWN)
    return str(at.now() + at.plan.timeout_seconds * 1_000_000)


async def watch(at: StepContext[ShutDownPlan], handle: str) -> Progress | Result:
    off = await is_off(at)
    if off is not None:
        return off
    if at.now() > int(handle):
        raise Refused(
            f"The guest of {at.plan.name!r} did not shut down within {at.plan.timeout_seconds} s.",
            "Restart this job to ask it again, or dismiss it and power the VM off.",
        )
    return Progress(0)


class ShutDownVm(PowerOperation[ShutDownVmParams, ShutDownPlan]):
    """Ask the guest of a VM to shut down, and wait until it has."""

    privilege = "Shutdown"
    cmdlet = "Stop-SCVirtualMachine -Shutdown"
    action = VmAction.SHUT_DOWN
    title = "Shut down"
    Params = ShutDownVmParams
    Plan = ShutDownPlan
    steps = (
        LongStep(
            name="power",
            title="Shut down",
            look=is_off,
            start=ask,
            follow=watch,
            record=record_vm,
            why_no_undo="a guest that has begun to shut down cannot be stopped; start the VM again",
        ),
    )

    def plan(self, located: VmPlan, params: ShutDownVmParams) -> ShutDownPlan:
        return ShutDownPlan(**msgspec.structs.asdict(located), timeout_seconds=params.timeout_seconds)
