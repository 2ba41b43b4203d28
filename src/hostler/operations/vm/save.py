"""Save a VM's state."""

from hostler.domain.machines.states import VmAction, VmState
from hostler.jobs.step import LongStep, Result, StepContext
from hostler.operations.on_vm import SimplePowerOperation, VmPlan, in_state, record_vm
from hostler.operations.tasks import follow_task, start_task, stop_task
from hostler.providers.contract import SaveVm as SaveVmWork


async def is_saved(at: StepContext[VmPlan]) -> Result | None:
    return await in_state(at, VmState.SAVED)


class SaveVm(SimplePowerOperation):
    """Write a VM's memory to disk and stop it; the next start goes on where it was."""

    privilege = "Save"
    cmdlet = "Save-SCVirtualMachine -SaveState"
    action = VmAction.SAVE
    title = "Save state of"
    steps = (
        LongStep(
            name="save",
            title="Save its memory",
            look=is_saved,
            start=start_task("save", lambda plan: SaveVmWork(native_id=plan.native_id)),
            follow=follow_task(is_saved),
            stop=stop_task("save"),
            record=record_vm,
            why_no_undo="start the VM: it goes on where it was",
        ),
    )
