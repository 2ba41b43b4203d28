"""One service to a data folder: a lock that ends with the process, and its id for people and checks to read."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class AlreadyRunningError(Exception):
    """Another process serves this data folder; `pid` is its id, if it could be read."""

    def __init__(self, path: Path, pid: str) -> None:
        super().__init__(
            f"Another Hostler (process {pid or 'unknown'}) already serves {path.parent}. "
            "Use it, stop it, or give another data folder."
        )
        self.pid = pid


class Alone:
    """Holds the lock of a data folder from `__enter__` on. The kernel frees it, however the process ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as held:
            pid = os.read(self._file, 32).decode(errors="replace").strip()
            os.close(self._file)
            raise AlreadyRunningError(self._path, pid) from held
        os.truncate(self._file, 0)
        os.write(self._file, f"{os.getpid()}\n".encode())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.truncate(self._file, 0)
        os.close(self._file)
