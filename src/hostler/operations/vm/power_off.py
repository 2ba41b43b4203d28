"""Power a VM off at once, without asking its guest."""

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.step import Result, Step, StepContext
from hostler.operations.on_vm import SimplePowerOperation, VmPlan, change_power, in_state, record_vm
from hostler.providers.contract import PowerChange


async def is_done(at: StepContext[VmPlan]) -> Result | None:
    return await in_state(at, VmState.POWER_OFF, VmState.SAVED)


async def change(at: StepContext[VmPlan]) -> Result:
    return await change_power(at, PowerChange.POWER_OFF)


class PowerOffVm(SimplePowerOperation):
    """Power a VM off at once, without asking its guest."""

    privilege = "Stop"
    cmdlet = "Stop-SCVirtualMachine"
    action = VmAction.POWER_OFF
    title = "Power off"
    steps = (
        Step(
            name="power",
            title="Power off",
            look=is_done,
            do=change,
            record=record_vm,
            why_no_undo="memory that is lost cannot be brought back",
        ),
    )
