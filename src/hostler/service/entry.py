"""The console script: entry points of the service are run here, everything else is the command line."""

import sys
from importlib import import_module
from importlib.util import find_spec

ENTRY_POINTS = {
    "agent": "Run the agent of a KVM or library host.",
    "backup": "Write a backup of the database and the keys.",
    "dev": "Tools for those who change Hostler.",
    "quickstart": "Set up this machine and create a first virtual machine.",
    "restore": "Read a backup back.",
    "serve": "Run the service.",
    "sign-in-link": "Make a one-time sign-in link, on the machine that runs the service.",
    "simulate": "Run a simulated hypervisor.",
}
"""Each is `hostler.service.<name>:command(arguments) -> int`; those that this installation lacks are not offered."""


def main() -> None:
    """Exit with the status of the command."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in offered():
        module = import_module(_module(arguments[0]))
        sys.exit(module.command(arguments[1:]))
    from hostler.cli.main import run

    sys.exit(run(arguments, entry_points={name: ENTRY_POINTS[name] for name in offered()}))


def offered() -> list[str]:
    return [name for name in ENTRY_POINTS if find_spec(_module(name)) is not None]


def _module(name: str) -> str:
    return f"hostler.service.{name.replace('-', '_')}"
