"""What is said about machines of every kind, in reviewed files."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from hostler.providers.kvm.kvm_probe import KvmVerdict
from hostler.service.prerequisites.checks import check_all
from hostler.service.prerequisites.machine import Machine, Ran
from hostler.service.prerequisites.table import render
from hostler.service.prerequisites.verdict import Status, failure, passed, warning

if TYPE_CHECKING:
    from tests.service.prerequisites.conftest import PaperMachine

DATA = "/srv/hostler/data"
HUNG = KvmVerdict(works=False, reason="/dev/kvm opens, but it failed to execute a test guest")
NO_ANSWER = Ran(1, "error: failed to connect to the hypervisor\nerror: no such socket\n")
NO_NETWORK = Ran(1, "error: Network not found: no network with matching name 'default'\n")
NOBODY: frozenset[str] = frozenset()
UBUNTU = 'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_ID="24.04"\nID=ubuntu\n'

Change = Callable[["PaperMachine"], "PaperMachine"]

MACHINES: dict[str, Change] = {
    "ready": lambda ready: ready,
    "fresh": lambda ready: replace(ready.without(*ready.packages), kvm=HUNG),
    "fresh_with_a_kernel_of_its_own": lambda ready: replace(
        ready.without(*ready.packages),
        files=frozenset({"/usr/bin/dpkg-query", "/boot/vmlinuz-6.1.0-18-amd64"}),
    ),
    "kvm_hangs": lambda ready: replace(ready, kvm=HUNG),
    "libvirt_stopped_without_systemd": lambda ready: replace(ready, answers={"version": NO_ANSWER}, listened_to=NOBODY),
    "libvirt_stopped_under_systemd": lambda ready: replace(
        ready, answers={"version": NO_ANSWER}, files=ready.files | {"/run/systemd/system"}
    ),
    "virtlogd_runs_already": lambda ready: replace(ready, answers={"version": NO_ANSWER}),
    "virtlogd_was_killed_and_left_its_socket": lambda ready: replace(
        ready, files=ready.files | {"/run/libvirt/virtlogd-sock"}, listened_to=NOBODY
    ),
    "virtlogd_stopped_under_systemd": lambda ready: replace(
        ready, files=ready.files | {"/run/systemd/system"}, listened_to=NOBODY
    ),
    "no_virtlogd_needed": lambda ready: replace(
        ready, texts={"/etc/libvirt/qemu.conf": 'stdio_handler = "file"\n'}, listened_to=NOBODY
    ),
    "no_network": lambda ready: replace(ready, answers={"net-info": NO_NETWORK}),
    "network_stopped": lambda ready: replace(
        ready, answers={"net-info": Ran(0, "Name:           default\nActive:         no\n")}
    ),
    "user_without_rights": lambda ready: replace(ready, user=(1000, "ada", frozenset({"ada"})), closed="/home/ada"),
    "user_in_libvirt_group": lambda ready: replace(ready, user=(1000, "ada", frozenset({"ada", "libvirt"}))),
    "port_taken": lambda ready: replace(ready, taken_ports=frozenset({8100})),
    "port_taken_and_the_pid_file_is_stale": lambda ready: replace(
        ready,
        taken_ports=frozenset({8100}),
        texts={f"{DATA}/hostler.pid": "41\n", "/proc/41/cmdline": "/usr/sbin/nginx\0"},
    ),
    "port_held_by_ourselves": lambda ready: replace(
        ready,
        taken_ports=frozenset({8100}),
        texts={f"{DATA}/hostler.pid": "41\n", "/proc/41/cmdline": "/srv/.venv/bin/hostler\0serve\0"},
    ),
    "old_small_and_foreign": lambda ready: replace(
        ready,
        architecture_name="aarch64",
        python=(3, 9, 18),
        free_mib=500,
        seconds=0,
        texts={"/etc/os-release": UBUNTU, "/proc/meminfo": "MemAvailable:     300000 kB\n"},
    ),
    "rather_small": lambda ready: replace(
        ready, free_mib=3000, texts={"/proc/meminfo": "MemAvailable:    1000000 kB\n"}
    ),
    "package_damaged": lambda ready: replace(ready, files=ready.files - {"/usr/bin/qemu-img"}),
    "busybox_is_another": lambda ready: replace(ready, packages=ready.packages - {"busybox-static"}),
    "no_dpkg": lambda ready: replace(
        ready,
        files=ready.files - {"/usr/bin/dpkg-query", "/usr/bin/mcopy"},
        texts={"/etc/os-release": "ID=arch\n"},
    ),
}


@pytest.mark.parametrize("name", MACHINES)
def test_table_of_a_machine(name: str, ready: "PaperMachine", golden: Callable[[str, str], None]) -> None:
    golden(name, render(check_all(MACHINES[name](ready), "run", DATA), coloured=False))


@pytest.mark.parametrize("purpose", ["test", "bench"])
def test_other_purposes_need_other_packages(purpose: str, fresh: Machine, golden: Callable[[str, str], None]) -> None:
    golden(f"fresh_for_{purpose}", render(check_all(fresh, purpose, DATA), coloured=False))


def test_every_failure_says_what_mends_it(ready: "PaperMachine") -> None:
    for change in MACHINES.values():
        for verdict in check_all(change(ready), "run", DATA):
            if verdict.status is Status.FAILURE:
                assert verdict.packages or verdict.commands or verdict.advice, verdict
            if verdict.status is Status.WARNING:
                assert verdict.advice, verdict


def test_colours_are_only_where_they_are_wanted() -> None:
    verdicts = [passed("a", "x"), warning("b", "y", "z"), failure("c", "w", advice="v")]
    plain, coloured = (render(verdicts, coloured=wanted) for wanted in (False, True))

    assert "\033" not in plain
    assert "\033[31mFAILURE\033[0m" in coloured
