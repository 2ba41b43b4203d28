"""The connection to libvirt: blocking calls in a bounded pool, keepalive, and a new connection after a broken one."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import libvirt

from hostler.providers.errors import HostNotResponding
from hostler.providers.kvm.errors import RESTART_LIBVIRTD, is_gone, is_unsupported, translate

T = TypeVar("T")

KEEPALIVE_SECONDS = 2
KEEPALIVE_COUNT = 3
OPEN_TIMEOUT_SECONDS = 10.0
GRACE_SECONDS = 0.5
CALL_TIMEOUT_SECONDS = 30.0

_event_loop_lock = threading.Lock()
_event_loop_thread: threading.Thread | None = None


def _quiet(_context: object, _error: object) -> None:
    """libvirt prints every error to stderr unless told otherwise; ours are raised."""


def _run_event_loop() -> None:
    while True:
        # An error of one turn (a callback's socket died) must not end events and keepalive for the whole process.
        with contextlib.suppress(libvirt.libvirtError):
            libvirt.virEventRunDefaultImpl()


def ensure_event_loop() -> None:
    """libvirt's event loop, once a process and before the first connection: keepalive and events stand on it."""
    global _event_loop_thread
    with _event_loop_lock:
        if _event_loop_thread is None:
            libvirt.registerErrorHandler(_quiet, None)
            libvirt.virEventRegisterDefaultImpl()
            _event_loop_thread = threading.Thread(target=_run_event_loop, name="libvirt-events", daemon=True)
            _event_loop_thread.start()


def open_connection(uri: str) -> libvirt.virConnect:
    """Blocks until libvirtd answers; with keepalive, so that a hung libvirtd breaks it after about eight seconds."""
    ensure_event_loop()
    connection = libvirt.open(uri)
    try:
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        if not is_unsupported(error):
            raise
    return connection


class _Opening:
    """An attempt to connect, which all callers wait for: a hung libvirtd holds one thread, not one a call."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.error: libvirt.libvirtError | None = None
        self._ends = time.monotonic() + OPEN_TIMEOUT_SECONDS

    def wait(self) -> bool:
        """False when it has not ended in its time; who comes after that waits only a moment."""
        return self.ended.wait(max(GRACE_SECONDS, self._ends - time.monotonic()))


class Connection:
    """Connections to one libvirtd, one a call at a time, kept for the next; opened when needed and after they broke.

    One shared by several threads would be cheaper, but libvirt 9.0 crashes the process when such a one times out.
    """

    def __init__(self, uri: str, *, workers: int = 8) -> None:
        self.uri = uri
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="libvirt-call")
        self._lock = threading.Lock()
        self._idle: list[libvirt.virConnect] = []
        self._opening: _Opening | None = None
        self._closed = False

    async def call(
        self,
        work: Callable[[libvirt.virConnect], T],
        subject: str,
        *,
        timeout_seconds: float = CALL_TIMEOUT_SECONDS,
    ) -> T:
        """Run `work` in the pool. Raises ProviderErrors only: HostNotResponding when no answer came in time.

        A time-out leaves the call to its thread: keepalive ends it when libvirtd hangs.
        """
        if self._closed:
            raise self._is_closed(subject)
        try:
            return await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(self._pool, self.run, work, subject), timeout_seconds
            )
        except TimeoutError:
            said = f"{subject}: libvirt on the host gave no answer in {timeout_seconds:g} s"
            raise HostNotResponding(said, RESTART_LIBVIRTD) from None

    def run(self, work: Callable[[libvirt.virConnect], T], subject: str) -> T:
        """The same from a thread of the provider. Blocks."""
        connection = self._take(subject)
        try:
            return work(connection)
        except libvirt.libvirtError as error:
            raise translate(error, subject) from error
        finally:
            self._give(connection)

    def _take(self, subject: str) -> libvirt.virConnect:
        while True:
            with self._lock:
                if self._closed:
                    raise self._is_closed(subject)
                while self._idle:
                    connection = self._idle.pop()
                    if _is_alive(connection):
                        return connection
                    close_quietly(connection)
                opening = self._opening = self._opening or self._begin_opening()
            if not opening.wait():
                said = f"{subject}: libvirt on the host did not accept a connection in {OPEN_TIMEOUT_SECONDS:g} s"
                raise HostNotResponding(said, RESTART_LIBVIRTD)
            if opening.error is not None:
                raise translate(opening.error, subject) from opening.error

    def _give(self, connection: libvirt.virConnect) -> None:
        with self._lock:
            if not self._closed and _is_alive(connection):
                self._idle.append(connection)
                return
        close_quietly(connection)

    def _begin_opening(self) -> _Opening:
        opening = _Opening()
        threading.Thread(target=self._open, args=(opening,), name="libvirt-open", daemon=True).start()
        return opening

    def _open(self, opening: _Opening) -> None:
        connection: libvirt.virConnect | None = None
        try:
            connection = open_connection(self.uri)
        except libvirt.libvirtError as error:
            opening.error = error
        finally:
            with self._lock:
                self._opening = None
            if connection is not None:
                self._give(connection)
            opening.ended.set()

    def _is_closed(self, subject: str) -> HostNotResponding:
        return HostNotResponding(f"{subject}: the connection to {self.uri} is closed", "connect to the host again")

    async def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            await asyncio.to_thread(close_quietly, connection)
        self._pool.shutdown(wait=False, cancel_futures=True)


def _is_alive(connection: libvirt.virConnect) -> bool:
    """Asks the socket, not libvirtd: microseconds."""
    try:
        return bool(connection.isAlive() == 1)
    except libvirt.libvirtError:
        return False


def close_quietly(connection: libvirt.virConnect) -> None:
    """Close; what a broken connection says to that is of no use to anyone."""
    with contextlib.suppress(libvirt.libvirtError):
        connection.close()


def find_domain(connection: libvirt.virConnect, native_id: str) -> libvirt.virDomain | None:
    """None only when libvirt answered that there is no such domain."""
    try:
        return connection.lookupByUUIDString(native_id)
    except libvirt.libvirtError as error:
        if is_gone(error) or error.get_error_code() == libvirt.VIR_ERR_INVALID_ARG:
            return None
        raise
