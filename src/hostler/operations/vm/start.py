"""Start a VM; a saved one goes on where it was."""

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.step import Result, Step, StepContext
from hostler.operations.on_vm import SimplePowerOperation, VmPlan, change_power, in_state, record_vm
from hostler.providers.contract import PowerChange


async def is_done(at: StepContext[VmPlan]) -> Result | None:
    return await in_state(at, VmState.RUNNING)


async def change(at: StepContext[VmPlan]) -> Result:
    return await change_power(at, PowerChange.START)


class StartVm(SimplePowerOperation):
    """Start a VM; a saved one goes on where it was."""

    privilege = "Start"
    cmdlet = "Start-SCVirtualMachine"
    action = VmAction.START
    title = "Start"
    steps = (
        Step(
            name="power",
            title="Start",
            look=is_done,
            do=change,
            record=record_vm,
            why_no_undo="what ran meanwhile cannot be taken back; power the VM off",
        ),
    )
