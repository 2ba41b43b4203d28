"""All checks of a purpose, in the order in which the table shows them."""

from __future__ import annotations

from hostler.service.prerequisites.machine import Machine
from hostler.service.prerequisites.packages import check_packages
from hostler.service.prerequisites.system import (
    check_clock,
    check_debian,
    check_disk,
    check_memory,
    check_port,
    check_processor,
    check_python,
)
from hostler.service.prerequisites.verdict import Verdict
from hostler.service.prerequisites.virtualization import check_kvm, check_libvirt, check_way_to_disks

PURPOSES = ("run", "demo", "test", "bench")


def check_all(machine: Machine, purpose: str, data: str) -> list[Verdict]:
    """Every verdict, the good ones too; nothing is changed on the machine."""
    verdicts = [
        check_debian(machine),
        check_python(machine),
        check_processor(machine),
        check_memory(machine),
        check_disk(machine, data),
        check_clock(machine),
    ]
    if purpose == "run":
        verdicts += [check_port(machine, data), check_way_to_disks(machine, data)]
    verdicts += check_packages(machine, purpose)
    verdicts += check_libvirt(machine)
    verdicts.append(check_kvm(machine))
    return verdicts
