import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.providers.kvm.libvirt_host import LibvirtHost

from hostler.domain.machines.facts import VmEvent
from hostler.providers.errors import AccessDenied, HostNotResponding
from hostler.providers.kvm.provider import KvmProvider

pytestmark = pytest.mark.xdist_group("libvirt")


@pytest.fixture
def breakable_host(libvirt_host: LibvirtHost) -> Iterator[LibvirtHost]:
    """libvirtd answers again after the test, whatever the test did to it."""
    yield libvirt_host
    libvirt_host.signal_libvirtd(signal.SIGCONT)
    libvirt_host.stop_libvirtd()
    libvirt_host.start_libvirtd()


async def test_stopped_libvirtd_is_said_at_once_and_heals(kvm: KvmProvider, breakable_host: LibvirtHost) -> None:
    assert (await kvm.read_vms()).complete
    breakable_host.stop_libvirtd()
    for read in (kvm.read_vms, kvm.read_load, lambda: kvm.read_vm("x"), lambda: kvm.read_guest("x")):
        async with asyncio.timeout(5):
            with pytest.raises(HostNotResponding) as silence:
                await read()
        assert "libvirtd" in silence.value.remedy
    breakable_host.start_libvirtd()
    assert (await kvm.read_vms()).complete


async def test_restarted_libvirtd_is_found_again_in_the_second_call_at_latest(
    kvm: KvmProvider, breakable_host: LibvirtHost
) -> None:
    assert (await kvm.read_vms()).complete
    breakable_host.stop_libvirtd()
    breakable_host.start_libvirtd()
    with contextlib.suppress(HostNotResponding):
        await kvm.read_vms()
    assert (await kvm.read_vms()).complete


async def test_hung_libvirtd_does_not_hang_its_callers(kvm: KvmProvider, breakable_host: LibvirtHost) -> None:
    assert (await kvm.read_vms()).complete
    breakable_host.signal_libvirtd(signal.SIGSTOP)
    reading = asyncio.gather(*(kvm.read_vms() for _ in range(20)), return_exceptions=True)
    longest, before = 0.0, time.monotonic()
    async with asyncio.timeout(25):
        while not reading.done():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            longest, before = max(longest, now - before), now
    assert {type(answer) for answer in await reading} == {HostNotResponding}
    assert longest < 2, "the event loop was blocked"
    breakable_host.signal_libvirtd(signal.SIGCONT)
    assert (await kvm.read_vms()).complete


async def next_event(events: AsyncIterator[VmEvent]) -> VmEvent:
    return await anext(events)


async def test_listener_is_told_that_the_connection_broke(kvm: KvmProvider, breakable_host: LibvirtHost) -> None:
    events = kvm.events()
    waiting = asyncio.create_task(next_event(events))
    await kvm.read_vms()
    await asyncio.sleep(0)
    breakable_host.stop_libvirtd()
    with pytest.raises(HostNotResponding):
        async with asyncio.timeout(10):
            await waiting


async def test_closed_provider_says_so(libvirt_host: LibvirtHost, tmp_path: Path) -> None:
    provider = KvmProvider(vm_paths=(tmp_path,), state_dir=tmp_path / "state", uri=libvirt_host.uri)
    await provider.close()
    with pytest.raises(HostNotResponding):
        await provider.read_vms()


@pytest.mark.parametrize("uri", ["qemu+unix:///system?socket=/nonexistent/socket", "nonsense:///x"])
async def test_nobody_there(tmp_path: Path, uri: str) -> None:
    provider = KvmProvider(vm_paths=(tmp_path,), state_dir=tmp_path / "state", uri=uri)
    with pytest.raises((HostNotResponding, AccessDenied)) as failure:
        await provider.read_vms()
    assert failure.value.remedy
    await provider.close()
