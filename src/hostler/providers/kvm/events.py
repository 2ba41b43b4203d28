"""libvirt's lifecycle events as an asynchronous stream, on a connection of their own that is closed with it."""

import asyncio
from collections.abc import AsyncIterator

import libvirt

from hostler.domain.machines.facts import VmEvent
from hostler.domain.machines.states import VmState
from hostler.providers.errors import HostNotResponding, ProviderError
from hostler.providers.kvm.acceleration import PROBE_PREFIX
from hostler.providers.kvm.connect import OPEN_TIMEOUT_SECONDS, close_quietly, find_domain, open_connection
from hostler.providers.kvm.errors import RESTART_LIBVIRTD, translate

QUEUE_LENGTH = 10_000
_STATES = {
    libvirt.VIR_DOMAIN_EVENT_STARTED: VmState.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_SUSPENDED: VmState.PAUSED,
    libvirt.VIR_DOMAIN_EVENT_RESUMED: VmState.RUNNING,
    libvirt.VIR_DOMAIN_EVENT_SHUTDOWN: VmState.POWERING_OFF,
    libvirt.VIR_DOMAIN_EVENT_PMSUSPENDED: VmState.PAUSED,
    libvirt.VIR_DOMAIN_EVENT_CRASHED: VmState.CRASHED,
}
_STOPPED_AS = {
    libvirt.VIR_DOMAIN_EVENT_STOPPED_SAVED: VmState.SAVED,
    libvirt.VIR_DOMAIN_EVENT_STOPPED_CRASHED: VmState.CRASHED,
}


def as_vm_event(native_id: str, name: str, event: int, detail: int) -> VmEvent:
    """A definition, or what libvirt may add later, only says that the VM must be read again."""
    if event == libvirt.VIR_DOMAIN_EVENT_UNDEFINED:
        return VmEvent(native_id=native_id, name=name, gone=True)
    if event == libvirt.VIR_DOMAIN_EVENT_STOPPED:
        return VmEvent(native_id=native_id, name=name, state=_STOPPED_AS.get(detail, VmState.POWER_OFF))
    return VmEvent(native_id=native_id, name=name, state=_STATES.get(event))


class _Subscription:
    """Calls from libvirt's thread, handed to the loop of whoever listens."""

    def __init__(self, uri: str, loop: asyncio.AbstractEventLoop) -> None:
        self._uri = uri
        self._loop = loop
        self.queue: asyncio.Queue[VmEvent | ProviderError] = asyncio.Queue(QUEUE_LENGTH)
        self._connection: libvirt.virConnect | None = None
        self._callback_id = -1

    def open(self) -> None:
        try:
            connection = open_connection(self._uri)
            self._connection = connection
            connection.registerCloseCallback(self._closed, None)
            self._callback_id = connection.domainEventRegisterAny(
                None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._happened, None
            )
        except libvirt.libvirtError as error:
            self.close()
            raise translate(error, "listening to the host's events") from error

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            if self._callback_id >= 0:
                connection.domainEventDeregisterAny(self._callback_id)
            connection.unregisterCloseCallback()
        except libvirt.libvirtError:
            pass  # A broken connection has forgotten them already.
        close_quietly(connection)

    def is_gone(self, native_id: str) -> bool:
        """A transient VM vanishes when it stops."""
        try:
            return self._connection is not None and find_domain(self._connection, native_id) is None
        except libvirt.libvirtError as error:
            raise translate(error, "reading what an event told") from error

    def _happened(
        self, _connection: libvirt.virConnect, domain: libvirt.virDomain, event: int, detail: int, _opaque: object
    ) -> None:
        if not domain.name().startswith(PROBE_PREFIX):
            self._tell(as_vm_event(domain.UUIDString(), domain.name(), event, detail))

    def _closed(self, _connection: libvirt.virConnect, _reason: int, _opaque: object) -> None:
        self._tell(HostNotResponding("the connection to libvirt on the host broke", RESTART_LIBVIRTD))

    def _tell(self, news: VmEvent | ProviderError) -> None:
        try:
            self._loop.call_soon_threadsafe(self._put, news)
        except RuntimeError:
            return  # The loop is closed: nobody listens any more.

    def _put(self, news: VmEvent | ProviderError) -> None:
        if not self.queue.full():
            self.queue.put_nowait(news)
            return
        while not self.queue.empty():
            self.queue.get_nowait()
        self.queue.put_nowait(HostNotResponding("events came faster than they were read", "read all VMs again"))


async def listen(uri: str) -> AsyncIterator[VmEvent]:
    """Events from the first turn on. Raises HostNotResponding when the connection breaks."""
    subscription = _Subscription(uri, asyncio.get_running_loop())
    try:
        async with asyncio.timeout(OPEN_TIMEOUT_SECONDS):
            await asyncio.to_thread(subscription.open)
    except TimeoutError:
        raise HostNotResponding("libvirt on the host did not accept a listener in time", RESTART_LIBVIRTD) from None
    try:
        while True:
            news = await subscription.queue.get()
            if isinstance(news, ProviderError):
                raise news
            if news.state in {VmState.POWER_OFF, VmState.CRASHED} and await asyncio.to_thread(
                subscription.is_gone, news.native_id
            ):
                news = VmEvent(native_id=news.native_id, name=news.name, gone=True)
            yield news
    finally:
        await asyncio.to_thread(subscription.close)
