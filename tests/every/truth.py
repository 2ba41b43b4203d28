"""What is really there: the simulated hypervisor's own word, without the ids that differ from run to run."""

from pathlib import PurePosixPath

from tests.every.stage import Stage

Truth = tuple[tuple[str, ...], ...]


async def truth(stage: Stage) -> Truth:
    """VMs with their states, and files by their last names, of what jobs made on the simulated host."""
    hosts = await stage.simulated_vms()
    files = [path for path in stage.door.leftovers(()) if "/" in path]
    seen: list[tuple[str, ...]] = [
        ("vm", vm.name, vm.state.value, str(vm.cpu_count), str(vm.memory_mib)) for vm in hosts
    ]
    seen += [("file", PurePosixPath(path).name) for path in files]
    return tuple(sorted(seen))


async def unnamed(stage: Stage) -> tuple[str, ...]:
    """What jobs made and left that neither a VM of ours nor an undecided job names."""
    named: list[str] = []
    for vm in await stage.vms():
        if vm.deleted_at is None:
            named += [vm.id, f"{vm.folder}/disk0.qcow2", f"{vm.folder}/seed.iso"]
    return stage.door.leftovers(tuple(named))
