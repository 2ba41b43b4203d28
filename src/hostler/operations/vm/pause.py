"""Pause a VM: its processors stop, its memory stays."""

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.step import Result, Step, StepContext
from hostler.operations.on_vm import SimplePowerOperation, VmPlan, change_power, in_state, record_vm
from hostler.providers.contract import PowerChange


async def is_done(at: StepContext[VmPlan]) -> Result | None:
    return await in_state(at, VmState.PAUSED)


async def change(at: StepContext[VmPlan]) -> Result:
    return await change_power(at, PowerChange.PAUSE)


class PauseVm(SimplePowerOperation):
    """Pause a VM: its processors stop, its memory stays."""

    privilege = "PauseAndResume"
    cmdlet = "Suspend-SCVirtualMachine"
    action = VmAction.PAUSE
    title = "Pause"
    steps = (Step(name="power", title="Pause", look=is_done, do=change, record=record_vm, why_no_undo="resume the VM"),)
