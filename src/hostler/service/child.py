"""The service as a child process: started, waited for, stopped."""

import os
import subprocess
import sys
import time
from pathlib import Path

import httpx2

from hostler.service.settings import ServiceSettings

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServiceNotStartedError(Exception):
    """The service ended, or did not answer in time; the message says where its log is."""


class ServiceChild:
    """`hostler serve` as a process of its own, logging to a file in the data folder."""

    def __init__(self, settings: ServiceSettings) -> None:
        self.settings = settings
        self.url = f"http://127.0.0.1:{settings.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.settings.data / "service.log"

    def answers(self) -> bool:
        """Whether a Hostler answers at the address."""
        try:
            return httpx2.get(f"{self.url}/healthz", timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False

    def start(self) -> None:
        """Return once it answers. A session of its own: Ctrl-C reaches us, and we stop it in order."""
        self.settings.data.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "hostler.service", "serve"]
        command += ["--data", str(self.settings.data), "--port", str(self.settings.port)]
        with open(os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program, with our own arguments
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            ended = self._process.poll()
            if ended is not None or time.monotonic() > deadline:
                what = f"ended with {ended}" if ended is not None else f"did not answer within {START_SECONDS:.0f} s"
                self.stop()
                raise ServiceNotStartedError(f"The service {what}. Its log: {self.log}\n{self._last_lines()}")
            time.sleep(0.05)

    def wait(self) -> int:
        """Until it ends by itself; its exit code."""
        return 0 if self._process is None else self._process.wait()

    def stop(self) -> None:
        """Ask it to stop, and end it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-10:])
