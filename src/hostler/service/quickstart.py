"""`hostler quickstart`: this machine becomes the first host, and a first virtual machine runs on it.

It does what a person would: every change is a command that it shows and then runs. What is there already stays.
"""

import argparse
import shlex
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import chain, count
from pathlib import Path
from typing import Any

import hostler
from hostler.cli import main as cli
from hostler.cli.session import Session
from hostler.providers.kvm.guest_image import GuestImageError, build_micro_guest
from hostler.sdk import Client, HostlerError
from hostler.sdk.settings import Settings, save
from hostler.service.alone import Alone, AlreadyRunningError
from hostler.service.child import ServiceChild, ServiceNotStartedError
from hostler.service.settings import DEFAULT_PORT, ServiceSettings
from hostler.service.sign_in_link import make_link

GUEST_FILE = "micro-guest.qcow2"
FIRST_VM = "first-vm"
COMPUTER_NAME = "first-guest"
LIBRARY, DISK, HARDWARE, GUEST, TEMPLATE = "library", "micro-guest", "small", "first-guest", "first-template"


class QuickstartError(Exception):
    """A step of the quickstart failed; its command has already said why."""


class Quickstart:
    """The steps, each of which leaves alone what is already there."""

    def __init__(self, settings: ServiceSettings, client: Client) -> None:
        self._settings = settings
        self._client = client
        self._session = Session(connect=lambda: client)

    def first_vm(self) -> dict[str, Any]:
        """Everything up to a guest that answers; the VM as the service knows it."""
        self._settings.vms.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._host()
        self._library()
        self._profiles()
        vm = self._ours()
        if vm is None:
            self._say("Which host suits it? Intelligent Placement rates them:")
            self._run("placement", "rate", f"--template={TEMPLATE}")
            self._run("vm", "create", f"--name={self._free_name()}", f"--template={TEMPLATE}", "--wait-for-guest")
        elif vm["state"] in ("power_off", "saved"):
            self._run("vm", "start", str(vm["id"]))
        return self._ours() or {}

    def remove_vm(self) -> None:
        """Leave nothing of ours on the host, and touch nothing else."""
        vm = self._ours()
        if vm is not None and self._end_jobs_of(str(vm["id"])):
            vm = self._ours()
        if vm is not None:
            if vm["state"] != "power_off":
                self._run("vm", "power-off", str(vm["id"]))
            self._run("vm", "delete", str(vm["id"]))

    def _end_jobs_of(self, vm_id: str) -> bool:
        """Undo what an interrupted quickstart left running or failed; whether there was such a job."""
        jobs = self._client.jobs
        known = [jobs.get(str(row["id"])) for row in jobs.list(filters=[f"subject_id:eq:{vm_id}"])]
        held = [job for job in known if not job.succeeded and job.resolution is None]
        for job in held:
            self._say(f"Taking back: {job.title}")
            for _ in (jobs.undo(job.id) if job.ended else jobs.cancel(job.id)).follow():
                pass
        return bool(held)

    def _ours(self) -> dict[str, Any] | None:
        """The VM that this quickstart made. A VM found on the host is somebody else's, whatever its name."""
        template = self._named("templates", TEMPLATE)
        if template is None:
            return None
        found = [vm["id"] for vm in self._client.vms.list(filters=[f"name:like:{FIRST_VM}*"])]
        known = (self._client.vms.get(str(vm_id)) for vm_id in found)
        return next((vm for vm in known if vm["template_id"] == template["id"] and vm["state"] != "missing"), None)

    def _free_name(self) -> str:
        """Another Hostler, or somebody else, may have a VM of this name on this machine."""
        taken = {vm["name"] for vm in self._client.vms.list(filters=[f"name:like:{FIRST_VM}*"])}
        numbered = (f"{FIRST_VM}-{n}" for n in count(2))
        return next(name for name in chain([FIRST_VM], numbered) if name not in taken)

    def _host(self) -> None:
        name = socket.gethostname()
        if self._named("hosts", name) is None:
            self._say("This machine becomes the first host (its acceleration is proven by running a guest):")
            self._run("host", "add", f"--name={name}", f"--vm-path={self._settings.vms}")
            self._run("host", "refresh", name)

    def _library(self) -> None:
        library = self._settings.library
        library.mkdir(mode=0o755, parents=True, exist_ok=True)
        if self._named("library-shares", LIBRARY) is None:
            self._run("library-share", "create", f"--name={LIBRARY}", f"--path={library}")
        if not (library / GUEST_FILE).exists():
            self._say("A small real guest is built from Debian packages …")
            build_micro_guest(library / GUEST_FILE)
        if self._named("library-objects", DISK) is None:
            self._run("library-object", "create", f"--name={DISK}", f"--share={LIBRARY}", f"--file={GUEST_FILE}")

    def _profiles(self) -> None:
        if self._named("hardware-profiles", HARDWARE) is None:
            self._run("hardware-profile", "create", f"--name={HARDWARE}", "--cpu-count=1", "--memory-mib=256")
        if self._named("guest-os-profiles", GUEST) is None:
            self._run("guest-os-profile", "create", f"--name={GUEST}", f"--computer-name={COMPUTER_NAME}")
        if self._named("templates", TEMPLATE) is None:
            parts = (f"--disk={DISK}", f"--hardware-profile={HARDWARE}", f"--guest-os-profile={GUEST}")
            self._run("template", "create", f"--name={TEMPLATE}", *parts)

    def _named(self, plural: str, name: str) -> dict[str, Any] | None:
        nouns = getattr(self._client, plural.replace("-", "_"))
        found = next(iter(nouns.list(filters=[f"name:eq:{name}"])), None)
        return None if found is None else dict(found)

    def _run(self, *arguments: str) -> None:
        self._say(f"$ hostler {shlex.join(arguments)}", style="bold")
        if cli.run(arguments, self._session) != 0:
            raise QuickstartError(f"hostler {shlex.join(arguments)}")

    def _say(self, text: str, style: str | None = None) -> None:
        self._session.err.print(text, style=style)


def command(arguments: Sequence[str]) -> int:
    """The exit code: 0 when the guest answered with the name that its profile gave it."""
    parser = argparse.ArgumentParser(prog="hostler quickstart", description="Set up and create a first VM.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the data folder (default: ./data)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT)
    parser.add_argument("--demo", action="store_true", help="in a temporary folder, cleaned up at the end")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if given.demo:
            return _demo()
        return _stay(ServiceSettings(data=given.data.resolve(), port=given.port))
    except (QuickstartError, ServiceNotStartedError, GuestImageError, HostlerError) as failure:
        sys.stderr.write(f"quickstart: {failure}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _stay(settings: ServiceSettings) -> int:
    with _service(settings) as (child, started):
        link = make_link(settings, child.url)
        client = hostler.connect(child.url)
        if not _may_read(client):
            client = _signed_in(settings, child.url)
        vm = Quickstart(settings, client).first_vm()
        _tell(vm, link, child.url)
        if not started:
            return _verdict(vm)
        sys.stderr.write("Hostler runs until Ctrl-C; its virtual machines go on without it.\n")
        try:
            return child.wait()
        except KeyboardInterrupt:
            sys.stderr.write("\nHostler stops.\n")
            return _verdict(vm)


def _demo() -> int:
    folder = Path(tempfile.mkdtemp(prefix="hostler-demo-"))
    folder.chmod(0o711)  # QEMU's own user must be able to pass
    settings = ServiceSettings(data=folder, port=_free_port())
    try:
        with _service(settings) as (child, _):
            token = str(hostler.connect(child.url).sign_in(make_link(settings, child.url))["secret"])
            quickstart = Quickstart(settings, hostler.connect(child.url, token))
            try:
                vm = quickstart.first_vm()
                _tell(vm, None, child.url)
            finally:
                _hear_no_interrupt()
                quickstart.remove_vm()
            return _verdict(vm)
    finally:
        shutil.rmtree(folder)


@contextmanager
def _service(settings: ServiceSettings) -> Iterator[tuple[ServiceChild, bool]]:
    """A service on these data: the one that runs already, or a new one that ends with us (True)."""
    child = ServiceChild(settings)
    if child.answers():
        if not _is_served(settings):
            raise ServiceNotStartedError(
                f"Another service answers at {child.url}, one that does not keep its data in {settings.data}. "
                "Stop it, name its data folder (--data), or choose another port (--port)."
            )
        yield child, False
        return
    child.start()
    try:
        yield child, True
    finally:
        child.stop()


def _is_served(settings: ServiceSettings) -> bool:
    """Whether a service holds the lock of these data."""
    try:
        with Alone(settings.pid_file):
            return False
    except AlreadyRunningError:
        return True


def _signed_in(settings: ServiceSettings, url: str) -> Client:
    """Sign this user in, and keep the token where `hostler` looks for it."""
    token = str(hostler.connect(url).sign_in(make_link(settings, url))["secret"])
    save(Settings(url=url, token=token))
    return hostler.connect(url, token)


def _may_read(client: Client) -> bool:
    try:
        next(iter(client.hosts.list(limit=1)), None)
    except HostlerError:
        return False
    return True


def _verdict(vm: dict[str, Any]) -> int:
    guest = vm.get("guest") or {}
    return 0 if guest.get("host_name") == COMPUTER_NAME else 1


def _tell(vm: dict[str, Any], link: str | None, url: str) -> None:
    guest = vm.get("guest") or {}
    lines = ["", f"The guest of {vm['name']} answers: I am {guest.get('host_name')}, at {_addresses(guest)}."]
    if link is not None:
        lines += [
            f"Hostler: {url}",
            f"Sign in (works once, within the hour): {link}",
            "",
            "Try next:",
            "  .venv/bin/hostler vm list",
            f"  .venv/bin/hostler vm create --name web-01 --template {TEMPLATE} --dry-run",
            f"  .venv/bin/hostler placement rate --template {TEMPLATE}",
            "  .venv/bin/hostler job list",
            "",
        ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.stdout.flush()


def _addresses(guest: dict[str, Any]) -> str:
    return ", ".join(guest.get("addresses") or ["no address"])


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _hear_no_interrupt() -> None:
    """Half a clean-up would leave a VM whose service is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
