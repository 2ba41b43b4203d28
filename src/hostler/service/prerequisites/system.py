"""Checks of the machine itself: Debian, Python, processor, memory, disk, clock and port."""

from __future__ import annotations

import re

from hostler.service.prerequisites.machine import Machine
from hostler.service.prerequisites.verdict import Verdict, failure, passed, warning

SERVICE_PORT = 8100
PID_FILE = "hostler.pid"
OLDEST_DEBIAN = 12
OLDEST_PYTHON = (3, 11)
MEMORY_NEEDED_MIB, MEMORY_WANTED_MIB = 700, 1500
DISK_NEEDED_MIB, DISK_WANTED_MIB = 1024, 5120
DAY_SECONDS = 86400


def check_debian(machine: Machine) -> Verdict:
    facts = dict(re.findall(r'^(\w+)="?([^"\n]*)"?$', machine.read("/etc/os-release"), re.MULTILINE))
    name = facts.get("PRETTY_NAME", "an unknown system")
    version = facts.get("VERSION_ID", "").partition(".")[0]
    if facts.get("ID") == "debian" and version.isdigit() and int(version) >= OLDEST_DEBIAN:
        return passed("system", name)
    return warning("system", name, f"Hostler is tried on Debian {OLDEST_DEBIAN} and later; here it may fail")


def check_python(machine: Machine) -> Verdict:
    version = machine.python_version()
    shown = ".".join(map(str, version))
    if version >= OLDEST_PYTHON:
        return passed("Python", shown)
    advice = "use Debian 12 or later, or name a newer one: make run PYTHON=/path/to/python3.11"
    return failure("Python", f"{shown} is too old: Hostler needs 3.11", advice=advice)


def check_processor(machine: Machine) -> Verdict:
    architecture = machine.architecture()
    if architecture == "x86_64":
        return passed("processor", architecture)
    return failure("processor", f"{architecture}: hosts and guests are x86_64 so far", advice="use an x86_64 machine")


def check_memory(machine: Machine) -> Verdict:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", machine.read("/proc/meminfo"), re.MULTILINE)
    if found is None:
        return warning("memory", "unknown", "guests may fail to start for want of it")
    available_mib = int(found[1]) // 1024
    finding = f"{available_mib} MiB are available"
    if available_mib < MEMORY_NEEDED_MIB:
        return failure("memory", finding, advice=f"free some: {MEMORY_NEEDED_MIB} MiB run Hostler and a first guest")
    if available_mib < MEMORY_WANTED_MIB:
        return warning("memory", finding, "enough for Hostler and one small guest only")
    return passed("memory", finding)


def check_disk(machine: Machine, data: str) -> Verdict:
    free_mib = machine.free_disk_mib(data)
    finding = f"{free_mib} MiB are free for {data}"
    if free_mib < DISK_NEEDED_MIB:
        return failure(
            "disk", finding, advice=f"free {DISK_NEEDED_MIB} MiB, or use another folder: make run DATA=folder"
        )
    if free_mib < DISK_WANTED_MIB:
        return warning("disk", finding, "enough for small guests only")
    return passed("disk", finding)


def check_clock(machine: Machine) -> Verdict:
    newest = machine.modified_seconds(__file__)
    if machine.now_seconds() < newest - DAY_SECONDS:
        advice = "set it (date --set, or install systemd-timesyncd): a wrong clock breaks downloads and TLS"
        return warning("clock", "it is earlier than Hostler's own files", advice)
    return passed("clock", "later than Hostler's own files")


def check_port(machine: Machine, data: str) -> Verdict:
    if machine.port_is_free(SERVICE_PORT):
        return passed("port", f"{SERVICE_PORT} is free")
    pid = machine.read(f"{data}/{PID_FILE}").strip()
    if pid.isdigit() and "hostler" in machine.read(f"/proc/{pid}/cmdline"):
        return passed("port", f"{SERVICE_PORT} is held by the Hostler of {data} (process {pid})")
    return failure("port", f"{SERVICE_PORT} is taken", advice=f"end what holds it: ss -ltnp 'sport = :{SERVICE_PORT}'")
