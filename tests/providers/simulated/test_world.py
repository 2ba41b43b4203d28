"""Whatever is asked of the simulation in whatever order, with whatever faults, its truth stays consistent."""

import contextlib
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hostler.domain.fabric.facts import HostFacts, Volume
from hostler.domain.machines.facts import VmsRead
from hostler.domain.machines.spec import CloneKind, CloudInitSeed, Disk, DiskFormat, VmSpec
from hostler.domain.machines.states import OBSERVABLE, VmState
from hostler.providers.contract import CloneDisk, Fence, PowerChange, ResetVm, SaveVm, TaskFacts, TaskWork
from hostler.providers.errors import ProviderError
from hostler.providers.simulated.knobs import GIB, Fault, FaultKind, Knobs, OutsideChange, SimulatedHost
from hostler.providers.simulated.outside import Outside
from hostler.providers.simulated.world import World

HOST = "sim-1"
BASE = "/vms/base.qcow2"
RUNNING = "SELECT 1 FROM tasks WHERE task_id = ? AND state = 'running'"
PATHS = tuple(f"/vms/{name}/disk" for name in ("a", "b", "c"))
SPECS = tuple(
    VmSpec(
        vm_id=str(uuid.UUID(int=number)),
        name=f"vm-{number}",
        cpu_count=1,
        memory_mib=64,
        disks=(Disk(path=path, format=DiskFormat.QCOW2),),
    )
    for number, path in enumerate(PATHS[:2])
)
CALLS = (
    "write_seed", "delete_file", "define_vm", "undefine_vm", "change_power", "start_task", "cancel_task", "task",
)  # fmt: skip
IDS = st.sampled_from([spec.vm_id for spec in SPECS])


class Anything(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.world = World(self.folder / "state.sqlite", lambda _host, _event: None)
        self.outside = Outside(self.world)
        self.tasks: list[tuple[str, TaskWork]] = []
        self.jobs = 0
        self.halves_of_files = False

    @initialize(free_gib=st.integers(2, 8))
    def begin(self, free_gib: int) -> None:
        room = (free_gib + 1) * GIB
        self.outside.add_host(
            SimulatedHost(
                host_id=HOST, volumes=(Volume(path="/vms", capacity_bytes=room, free_bytes=room),), networks=()
            )
        )
        self.outside.add_file(HOST, BASE, GIB, 4 * GIB, DiskFormat.QCOW2)
        self.free = self.read_free()

    def read_free(self) -> int:
        facts = self.world.call(HOST, "read_host", ())
        assert isinstance(facts, HostFacts)
        return facts.volumes[0].free_bytes

    def ask(self, name: str, *arguments: Any) -> object:
        """Ask; when it went well, asking again by the same job changes nothing more."""
        self.jobs += 1
        fence = Fence(job_id=str(self.jobs), attempt=1)
        try:
            result = self.world.call(HOST, name, (fence, *arguments))
        except ProviderError:
            return None
        before = self.outside.effects()
        with contextlib.suppress(ProviderError):
            self.world.call(HOST, name, (fence, *arguments))
        assert self.outside.effects() == before
        return result

    @rule(
        call=st.sampled_from(
            [
                "write_seed",
                "delete_file",
                "define_vm",
                "undefine_vm",
                "change_power",
                "start_task",
                "cancel_task",
                "task",
            ]
        ),
        kind=st.sampled_from(FaultKind),
        skip=st.integers(0, 2),
    )
    def plant(self, call: str, kind: FaultKind, skip: int) -> None:
        self.halves_of_files |= kind is FaultKind.HALF and call in {"write_seed", "delete_file"}
        knobs = self.outside.knobs(HOST)
        fault = Fault(call=call, kind=kind, skip=skip)
        self.outside.set_knobs(HOST, Knobs(task_steps=knobs.task_steps, faults=(*knobs.faults, fault)))

    @rule(steps=st.integers(0, 3))
    def pace(self, steps: int) -> None:
        self.outside.set_knobs(HOST, Knobs(task_steps=steps, faults=self.outside.knobs(HOST).faults))

    @rule(path=st.sampled_from(PATHS), host_name=st.sampled_from(["x", "y"]))
    def write_seed(self, path: str, host_name: str) -> None:
        self.ask("write_seed", path, CloudInitSeed(instance_id="i", host_name=host_name, user_data={}))

    @rule(path=st.sampled_from(PATHS))
    def delete_file(self, path: str) -> None:
        self.ask("delete_file", path)

    @rule(spec=st.sampled_from(SPECS))
    def define(self, spec: VmSpec) -> None:
        self.ask("define_vm", spec)

    @rule(vm_id=IDS)
    def undefine(self, vm_id: str) -> None:
        self.ask("undefine_vm", vm_id)

    @rule(vm_id=IDS, change=st.sampled_from(PowerChange))
    def power(self, vm_id: str, change: PowerChange) -> None:
        self.ask("change_power", vm_id, change)

    @rule(path=st.sampled_from(PATHS), kind=st.sampled_from(CloneKind))
    def clone_base(self, path: str, kind: CloneKind) -> None:
        self.begin_task(CloneDisk(source=BASE, source_format=DiskFormat.QCOW2, target=path, kind=kind))

    @rule(source=st.sampled_from(PATHS), path=st.sampled_from(PATHS), kind=st.sampled_from(CloneKind))
    def clone_another(self, source: str, path: str, kind: CloneKind) -> None:
        self.begin_task(CloneDisk(source=source, source_format=DiskFormat.QCOW2, target=path, kind=kind))

    @rule(vm_id=IDS)
    def save(self, vm_id: str) -> None:
        self.begin_task(SaveVm(native_id=vm_id))

    @rule(vm_id=IDS)
    def reset_vm(self, vm_id: str) -> None:
        self.begin_task(ResetVm(native_id=vm_id))

    def begin_task(self, work: TaskWork) -> None:
        task_id = f"t-{len(self.tasks)}"
        self.tasks.append((task_id, work))
        self.ask("start_task", task_id, work)

    @rule(back=st.integers(1, 3))
    def look_at_task(self, back: int) -> None:
        for task_id, _ in self.tasks[-back:]:
            task = self.world.call(HOST, "read_task", (task_id,))
            assert task is None or (isinstance(task, TaskFacts) and 0 <= task.percent <= 100)

    @rule(back=st.integers(1, 3))
    def cancel_tasks(self, back: int) -> None:
        for task_id, _ in self.tasks[-back:]:
            self.ask("cancel_task", task_id)

    @rule(vm_id=IDS, state=st.sampled_from([VmState.RUNNING, VmState.POWER_OFF, VmState.PAUSED, VmState.CRASHED]))
    def drift(self, vm_id: str, state: VmState) -> None:
        with contextlib.suppress(ProviderError):
            self.outside.vm_changes(HOST, vm_id, OutsideChange(state=state))

    @rule()
    def restart_the_process(self) -> None:
        self.world.close()
        self.world = World(self.folder / "state.sqlite", lambda _host, _event: None)
        self.outside = Outside(self.world)

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert self.outside.duplicates() == ()

    @invariant()
    def a_half_made_file_has_a_task_that_makes_it(self) -> None:
        running = {
            work.target
            for task_id, work in self.tasks
            if isinstance(work, CloneDisk) and self.world.db.execute(RUNNING, (task_id,)).fetchone()
        }
        halves = {row["path"] for row in self.world.db.execute("SELECT path FROM files WHERE NOT whole")}
        assert self.halves_of_files or halves <= running

    @invariant()
    def every_state_is_one_that_a_hypervisor_reports(self) -> None:
        if self.outside.hosts():
            read = self.world.call(HOST, "read_vms", ())
            assert isinstance(read, VmsRead)
            assert {vm.state for vm in read.vms} <= OBSERVABLE
            assert 0 <= self.read_free() <= self.free

    def teardown(self) -> None:
        """Everything can be taken back, and then nothing is left."""
        if self.outside.hosts():
            self.outside.set_knobs(HOST, Knobs())
            for task_id, _ in self.tasks:
                self.ask("cancel_task", task_id)
            for spec in SPECS:
                with contextlib.suppress(ProviderError):
                    self.outside.vm_changes(HOST, spec.vm_id, OutsideChange(state=VmState.POWER_OFF))
                self.ask("undefine_vm", spec.vm_id)
            for path in PATHS:
                self.ask("delete_file", path)
            assert self.outside.leftovers(()) == ()
            assert self.read_free() == self.free
        self.world.close()
        shutil.rmtree(self.folder)


Anything.TestCase.settings = settings(max_examples=120, stateful_step_count=40, deadline=None)
TestAnything = Anything.TestCase


def test_a_fleet_of_the_largest_size_is_made_in_one_go(tmp_path: Path) -> None:
    world = World(tmp_path / "state.sqlite", lambda _host, _event: None)
    outside = Outside(world)
    outside.populate(1, 1000, 25_000)
    hosts = outside.hosts()
    reads = [world.call(host_id, "read_vms", ()) for host_id in hosts]
    assert len(hosts) == 1000
    assert sum(len(read.vms) for read in reads if isinstance(read, VmsRead)) == 25_000
    world.close()
