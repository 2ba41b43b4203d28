"""`hostler simulate`: run a simulated hypervisor, for training, tests and demonstrations."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from hostler.providers.simulated.connect import SideDoor, SimulatedProcess


def command(arguments: Sequence[str]) -> int:
    """Serve until Ctrl-C. Prints an address for each host, which `hostler host add --provider=simulated` takes."""
    parser = argparse.ArgumentParser(prog="hostler simulate", description="Run a simulated hypervisor.")
    parser.add_argument("--state", type=Path, default=Path("simulated.sqlite"), help="where its truth is kept")
    parser.add_argument("--socket", type=Path, default=Path("simulated.sock"), help="where it answers")
    parser.add_argument("--hosts", type=int, default=0, help="add this many hosts first")
    parser.add_argument("--vms", type=int, default=0, help="and this many VMs over them")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the simulation's process ends with ours
    with SimulatedProcess(given.state.resolve(), given.socket.resolve()) as process:
        door = SideDoor(process.socket_path)
        if given.hosts:
            door.populate(1, given.hosts, given.vms)
        for host_id in door.hosts()[:10]:
            sys.stdout.write(f"{process.socket_path}#{host_id}\n")
        sys.stdout.flush()
        try:
            process.wait()
        except KeyboardInterrupt:
            return 0
    return 0
