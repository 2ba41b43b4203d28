"""Explained placement against `hail` of Debian's ganeti-htools, CPU time on one fleet of 1,000 × 20,000.

Ours is warm: the snapshot is made, as in a running service. hail starts anew each time, so its reading and
its building of the cluster are taken off: the same call with the allocation restricted to one node does all
of that and rates one node. Both choose a host for one VM; ours also gives every term, reason and remedy.
Each time is the least of several interleaved runs, since what disturbs a run only ever adds to it.
"""

import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench.row import Row, YardstickMissingError
from hostler.domain.placement.model import DiskNeed, HostSnapshot, Request, VmLoad, Volume
from hostler.domain.placement.rank import rank
from hostler.domain.placement.snapshot import Snapshot

HAIL = Path("/usr/lib/ganeti/iallocators/hail")
GROUP = "11111111-1111-1111-1111-111111111111"
HOST_MEMORY_MIB = 256 * 1024
HOST_SYSTEM_MIB = 1024
HOST_DISK_MIB = 4 * 1024 * 1024
HOST_PROCESSORS = 64
VM_DISK_MIB = 20 * 1024
REQUEST = Request(
    vcpus=2,
    memory_mib=4096,
    disks=(DiskNeed(size_mib=VM_DISK_MIB),),
    hypervisor="kvm",
    firmware="uefi",
    networks=frozenset({"lan"}),
)


class Node(NamedTuple):
    """A host of the fleet, as both programs are told of it."""

    name: str
    vms_mib: tuple[int, ...]
    in_maintenance: bool

    @property
    def used_mib(self) -> int:
        return HOST_SYSTEM_MIB + sum(self.vms_mib)


def rows(*, hosts: int = 1_000, vms: int = 20_000) -> Iterator[Row]:
    """The two figures of placement, the second on five times as many. Raises YardstickMissingError without hail."""
    small, large = _fleet(hosts, vms), _fleet(5 * hosts, 5 * vms)
    ours_small, ours_large = _ours(_snapshot(small), _snapshot(large))
    hail = _hail(small)
    yield Row(
        what=f"explained placement, {hosts:,} hosts × {vms:,} VMs",
        ours=ours_small * 1000,
        unit="ms of CPU",
        yardstick="hail --no-capacity-checks less its reading",
        yardstick_value=hail * 1000,
        ratio=ours_small / hail,
        reach=1 / 400,
        higher_is_better=False,
    )
    yield Row(
        what=f"explained placement, {5 * hosts:,} hosts × {5 * vms:,} VMs",
        ours=ours_large * 1000,
        unit="ms of CPU",
        yardstick=f"our own {hosts:,} × {vms:,}",
        yardstick_value=ours_small * 1000,
        ratio=ours_large / ours_small,
        reach=6,
        higher_is_better=False,
    )


def _fleet(hosts: int, vms: int) -> list[Node]:
    dice = random.Random(1)
    return [
        Node(
            name=f"node-{index:05d}",
            vms_mib=tuple(dice.choice((1024, 2048, 4096, 16384)) for _ in range(vms // hosts)),
            in_maintenance=dice.random() < 0.02,
        )
        for index in range(hosts)
    ]


def _snapshot(fleet: list[Node]) -> Snapshot:
    dice = random.Random(2)
    hosts = [
        HostSnapshot(
            id=node.name,
            name=node.name,
            maintenance=node.in_maintenance,
            cpu_count=HOST_PROCESSORS,
            cpu_used_percent=dice.uniform(5, 95),
            memory_total_mib=HOST_MEMORY_MIB,
            memory_used_mib=node.used_mib,
            volumes=(
                Volume(
                    id="images",
                    path="/srv/images",
                    capacity_mib=HOST_DISK_MIB,
                    free_mib=HOST_DISK_MIB - len(node.vms_mib) * VM_DISK_MIB,
                ),
                Volume(id="scratch", path="/srv/scratch", capacity_mib=102_400, free_mib=dice.randrange(102_400)),
            ),
            disk_iops_used=dice.uniform(0, 9_000),
            network_capacity_mbps=10_000,
            network_used_percent=dice.uniform(0, 80),
            networks=frozenset({"lan"} if dice.random() < 0.95 else {"dmz"}),
        )
        for node in fleet
    ]
    vms = (VmLoad(host_id=node.name, vcpus=2, memory_mib=mib) for node in fleet for mib in node.vms_mib)
    return Snapshot.of(hosts, vms)


def _ours(small: Snapshot, large: Snapshot) -> tuple[float, float]:
    """Seconds of CPU to rank each snapshot and to read what every rating is made of."""
    times: tuple[list[float], list[float]] = ([], [])
    for seed in range(50):
        for snapshot, spent in zip((small, large), times, strict=True):
            start = time.process_time()
            for rating in rank(snapshot, REQUEST, seed=seed).ratings:
                _ = rating.terms
            spent.append(time.process_time() - start)
    return min(times[0]), min(times[1])


def _hail(fleet: list[Node]) -> float:
    """Seconds of CPU in which hail chooses among all nodes, less those of the same call for a single node."""
    if not HAIL.exists():
        raise YardstickMissingError(f"{HAIL} is not here: install Debian's ganeti-htools")
    with tempfile.TemporaryDirectory() as folder:
        cluster, question = Path(folder, "cluster.txt"), Path(folder, "question.json")
        cluster.write_text(_cluster_text(fleet), encoding="utf-8")
        question.write_text(json.dumps(_question()), encoding="utf-8")
        command = [str(HAIL), "--no-capacity-checks", "-t", str(cluster)]
        one_node = next(node.name for node in fleet if not node.in_maintenance)
        whole, reading = [], []
        for _ in range(3):
            whole.append(_cpu_seconds([*command, str(question)]))
            reading.append(_cpu_seconds([*command, "--restrict-allocation-to", one_node, str(question)]))
        return min(whole) - min(reading)


def _cpu_seconds(command: list[str]) -> float:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    with process.stdout:
        answer = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0 or not json.loads(answer)["success"]:
        raise RuntimeError(f"hail placed nothing, so it is no yardstick: {answer.decode()[:500]}")
    return usage.ru_utime + usage.ru_stime


def _cluster_text(fleet: list[Node]) -> str:
    """The fleet in the text format of htools(1): groups, nodes, instances, tags, policies."""
    nodes, instances = [], []
    for node in fleet:
        free_mib = HOST_MEMORY_MIB - node.used_mib
        free_disk = HOST_DISK_MIB - len(node.vms_mib) * VM_DISK_MIB
        nodes.append(
            f"{node.name}|{HOST_MEMORY_MIB}|{HOST_SYSTEM_MIB}|{free_mib}|{HOST_DISK_MIB}|{free_disk}"
            f"|{HOST_PROCESSORS}|{'Y' if node.in_maintenance else 'N'}|{GROUP}|10||N|10|1|1.0"
        )
        instances += [
            f"{node.name}-vm{index}|{mib}|{VM_DISK_MIB}|2|running|Y|{node.name}||plain||1|-"
            for index, mib in enumerate(node.vms_mib)
        ]
    limits = "4096,2,10240,1,1,1|128,1,1024,1,0,1;262144,64,4194304,16,8,8|plain|64.0|64.0"
    groups, tags, policies = [f"default|{GROUP}|preferred||"], "", [f"|{limits}", f"default|{limits}"]
    sections = ("\n".join(groups), "\n".join(nodes), "\n".join(instances), tags, "\n".join(policies))
    return "\n\n".join(sections) + "\n"


def _question() -> dict[str, Any]:
    """The same VM as REQUEST, as a Ganeti allocation request."""
    keys = ("memory-size", "cpu-count", "disk-size", "disk-count", "nic-count", "spindle-use")
    policy = {
        "minmax": [
            {
                "min": dict(zip(keys, (128, 1, 1024, 1, 0, 1), strict=True)),
                "max": dict(zip(keys, (262144, 64, 4194304, 16, 8, 8), strict=True)),
            }
        ],
        "std": dict(zip(keys, (4096, 2, 10240, 1, 1, 1), strict=True)),
        "disk-templates": ["plain"],
        "vcpu-ratio": 64.0,
        "spindle-ratio": 64.0,
    }
    group = {"name": "default", "alloc_policy": "preferred", "networks": [], "tags": [], "ipolicy": policy}
    return {
        "version": 2,
        "cluster_name": "bench",
        "cluster_tags": [],
        "enabled_hypervisors": ["kvm"],
        "ipolicy": policy,
        "nodegroups": {GROUP: group},
        "nodes": {},
        "instances": {},
        "request": {
            "type": "allocate",
            "name": "new",
            "memory": REQUEST.memory_mib,
            "vcpus": REQUEST.vcpus,
            "disks": [{"size": VM_DISK_MIB, "mode": "w", "spindles": 1}],
            "disk_space_total": VM_DISK_MIB,
            "disk_template": "plain",
            "required_nodes": 1,
            "spindle_use": 1,
            "hypervisor": "kvm",
            "os": "any",
            "nics": [],
            "tags": [],
            "hail_size": 0,
        },
    }


if __name__ == "__main__":
    for row in rows():
        print(
            f"{row.what}: {row.ours:.2f} {row.unit}; {row.yardstick}: {row.yardstick_value:.2f};"
            f" ratio {row.ratio:.5f}, reach {row.reach:.5f}"
        )
