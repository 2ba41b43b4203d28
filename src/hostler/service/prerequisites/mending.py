"""Mends what can be mended: installs packages with consent, starts libvirt and its network."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from typing import Callable, Protocol  # noqa: UP035 - an older Python reads this file to say that it is too old

from hostler.service.prerequisites.table import install_command, packages_of
from hostler.service.prerequisites.verdict import Command, Status, Verdict

ROUNDS = 4
"""Packages, then the daemons they bring, then the network these know, and one to see that all is well."""

LINES_SHOWN_OF_A_FAILURE = 30


class Hands(Protocol):
    """What mending may do to a machine."""

    def ask(self, question: str) -> bool: ...
    def say(self, text: str) -> None: ...
    def run_as_root(self, command: Command) -> bool: ...
    def can_be_root(self) -> bool: ...


class CannotMendError(Exception):
    """Nothing was changed (further), and the text says what the reader can do; the program ends with 2."""


def mend(look: Callable[[], list[Verdict]], verdicts: list[Verdict], hands: Hands) -> list[Verdict]:
    """Carries out the mends of failures, looking again after each round; returns the last verdicts.

    Raises CannotMendError when consent or rights are lacking.
    """
    for _ in range(ROUNDS):
        failures = [verdict for verdict in verdicts if verdict.status is Status.FAILURE]
        packages = packages_of(failures)
        commands = tuple(dict.fromkeys(command for verdict in failures for command in verdict.commands))
        if not packages and not commands:
            break
        _be_allowed(packages, commands, hands)
        if packages:
            commands = (("apt-get", "update"), install_command(packages), *commands)
        for command in commands:
            hands.say(f"$ {shlex.join(command)}")
            if not hands.run_as_root(command):
                raise CannotMendError(f"This command failed; see what it said above: {shlex.join(command)}")
        verdicts = look()
    return verdicts


def _be_allowed(packages: tuple[str, ...], commands: tuple[Command, ...], hands: Hands) -> None:
    """Installing needs consent; starting what is installed is what the reader asked for."""
    if not hands.can_be_root():
        wanted = [install_command(packages)] if packages else []
        lines = "\n".join(f"  {shlex.join(command)}" for command in [*wanted, *commands])
        raise CannotMendError(f"You are not root and there is no sudo. Have an administrator run:\n{lines}")
    if packages and not hands.ask(f"Install {len(packages)} Debian packages ({' '.join(packages)})?"):
        command = shlex.join(install_command(packages))
        raise CannotMendError(f"Nothing was installed. Say YES=1 (make run YES=1), or run as root: {command}")


class OurHands:
    """Root's or sudo's hands, with a person at the terminal or consent given beforehand."""

    def __init__(self, *, consented: bool, at_terminal: bool) -> None:
        self._consented = consented
        self._at_terminal = at_terminal

    def ask(self, question: str) -> bool:
        if self._consented:
            return True
        if not self._at_terminal:
            return False
        try:
            return input(f"{question} [Y/n] ").strip().lower() in ("", "y", "yes")
        except EOFError:
            return False

    def say(self, text: str) -> None:
        print(text, flush=True)

    def can_be_root(self) -> bool:
        if os.geteuid() == 0:
            return True
        if shutil.which("sudo") is None:
            return False
        return self._at_terminal or subprocess.run(["sudo", "-n", "true"], check=False).returncode == 0  # noqa: S607

    def run_as_root(self, command: Command) -> bool:
        prefix = [] if os.geteuid() == 0 else ["sudo"]
        # Debconf asks nothing and needrestart restarts nothing by itself: nobody may be there to answer.
        quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_MODE=l", f"PATH={_path()}"]
        argv = [*prefix, *quiet, *command]
        try:
            done = subprocess.run(  # noqa: S603 - an argument list, no shell
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                # sudo's question for a password must be seen.
                stderr=subprocess.STDOUT if os.geteuid() == 0 else None,
                check=False,
            )
        except OSError as reason:
            self.say(str(reason))
            return False
        if done.returncode != 0:
            said = done.stdout.decode(errors="replace").splitlines()
            self.say("\n".join(said[-LINES_SHOWN_OF_A_FAILURE:]))
        return done.returncode == 0


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"
