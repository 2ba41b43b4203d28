"""The connection to libvirt: blocking calls in a bounded pool, keepalive, and a new connection after a broken one."""

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import libvirt

from hostler.providers.errors import HostNotResponding
from hostler.providers.kvm.errors import RESTART_LIBVIRTD, broken_wire, is_gone, is_unsupported, translate

T = TypeVar("T")

KEEPALIVE_SECONDS = 3
KEEPALIVE_COUNT = 3
OPEN_TIMEOUT_SECONDS = 10.0
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
    """Blocks until libvirtd answers; with keepalive, so that a hung libvirtd breaks it after about nine seconds."""
    ensure_event_loop()
    connection = libvirt.open(uri)
    try:
        connection.setKeepAlive(KEEPALIVE_SECONDS, KEEPALIVE_COUNT)
    except libvirt.libvirtError as error:
        if not is_unsupported(error):
            raise
    return connection


class Connection:
    """One libvirt connection, opened when needed and again after it broke, shared by a bounded pool of threads."""

    def __init__(self, uri: str, *, workers: int = 8) -> None:
        self.uri = uri
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="libvirt-call")
        self._lock = threading.Lock()
        self._opening: Future[libvirt.virConnect] | None = None
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
            raise HostNotResponding(f"{subject}: the connection to {self.uri} is closed", "connect to the host again")
        try:
            return await asyncio.wait_for(
                asyncio.get_running_loop().run_in_executor(self._pool, self.run, work, subject), timeout_seconds
            )
        except TimeoutError:
            said = f"{subject}: libvirt on the host gave no answer in {timeout_seconds:g} s"
            raise HostNotResponding(said, RESTART_LIBVIRTD) from None

    def run(self, work: Callable[[libvirt.virConnect], T], subject: str) -> T:
        """The same from a thread of the provider. Blocks."""
        connection = self._connected(subject)
        try:
            return work(connection)
        except libvirt.libvirtError as error:
            if broken_wire(error):
                self._drop(connection)
            raise translate(error, subject) from error

    def _connected(self, subject: str) -> libvirt.virConnect:
        """All callers wait for one opening: a hung libvirtd holds one thread, not one a call."""
        with self._lock:
            opening = self._opening
            if opening is None or self._is_broken(opening):
                opening = self._opening = Future()
                threading.Thread(target=self._open, args=(opening,), name="libvirt-open", daemon=True).start()
        try:
            return opening.result(OPEN_TIMEOUT_SECONDS)
        except TimeoutError:
            said = f"{subject}: libvirt on the host did not accept a connection in {OPEN_TIMEOUT_SECONDS:g} s"
            raise HostNotResponding(said, RESTART_LIBVIRTD) from None
        except libvirt.libvirtError as error:
            raise translate(error, subject) from error

    @staticmethod
    def _is_broken(opening: "Future[libvirt.virConnect]") -> bool:
        if not opening.done():
            return False
        if opening.exception() is not None:
            return True
        try:
            return bool(opening.result().isAlive() != 1)
        except libvirt.libvirtError:
            return True

    def _open(self, opening: "Future[libvirt.virConnect]") -> None:
        try:
            connection = open_connection(self.uri)
        except BaseException as error:  # noqa: BLE001 - handed to whoever waits for this opening
            opening.set_exception(error)
            return
        opening.set_result(connection)

    def _drop(self, connection: libvirt.virConnect) -> None:
        with self._lock:
            opening = self._opening
            if (
                opening is not None
                and opening.done()
                and opening.exception() is None
                and opening.result() is connection
            ):
                self._opening = None

    async def close(self) -> None:
        self._closed = True
        with self._lock:
            opening, self._opening = self._opening, None
        if opening is not None and opening.done() and opening.exception() is None:
            await asyncio.get_running_loop().run_in_executor(self._pool, close_quietly, opening.result())
        self._pool.shutdown(wait=False, cancel_futures=True)


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
