"""Reset a VM."""

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.step import LongStep, Result, StepContext
from hostler.operations.on_vm import SimplePowerOperation, VmPlan, in_state, record_vm
from hostler.operations.tasks import follow_task, start_task
from hostler.providers.contract import ResetVm as ResetVmWork


async def cannot_tell(at: StepContext[VmPlan]) -> Result | None:
    """A reset leaves nothing to look at: only the host's own record of the task says whether it was done."""
    return None


async def is_running(at: StepContext[VmPlan]) -> Result | None:
    return await in_state(at, VmState.RUNNING)


class ResetVm(SimplePowerOperation):
    """Reset a VM, as by its reset button: the guest is not asked."""

    privilege = "Stop"
    cmdlet = "Reset-SCVirtualMachine"
    action = VmAction.RESET
    title = "Reset"
    steps = (
        LongStep(
            name="reset",
            title="Reset",
            look=cannot_tell,
            start=start_task("reset", lambda plan: ResetVmWork(native_id=plan.native_id)),
            follow=follow_task(is_running),
            record=record_vm,
            why_no_undo="memory that is lost cannot be brought back",
        ),
    )
