"""Resume a paused VM."""

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.step import Result, Step, StepContext
from hostler.operations.on_vm import SimplePowerOperation, VmPlan, change_power, in_state, record_vm
from hostler.providers.contract import PowerChange


async def is_done(at: StepContext[VmPlan]) -> Result | None:
    return await in_state(at, VmState.RUNNING)


async def change(at: StepContext[VmPlan]) -> Result:
    return await change_power(at, PowerChange.RESUME)


class ResumeVm(SimplePowerOperation):
    """Resume a paused VM."""

    privilege = "PauseAndResume"
    cmdlet = "Resume-SCVirtualMachine"
    action = VmAction.RESUME
    title = "Resume"
    steps = (Step(name="power", title="Resume", look=is_done, do=change, record=record_vm, why_no_undo="pause the VM"),)
