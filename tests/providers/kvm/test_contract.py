"""The KVM provider owes what every provider owes: on real libvirt and QEMU."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.providers.contract_suite import ContractSuite
from tests.providers.kvm.libvirt_host import LibvirtHost
from tests.providers.workshop import Subject

from hostler.domain.machines.spec import DiskFormat
from hostler.providers.contract import Provider
from hostler.providers.kvm.provider import KvmProvider


@pytest.fixture(scope="session")
def small_disk(libvirt_host: LibvirtHost) -> Path:
    """What the suite clones and starts: no system, so that nothing is waited for."""
    path = libvirt_host.folder / "library" / "small.raw"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(1024 * 1024))
    return path


@pytest.mark.xdist_group("libvirt")
class TestKvm(ContractSuite):
    @pytest.fixture
    async def subject(self, libvirt_host: LibvirtHost, state_dir: Path, small_disk: Path) -> AsyncIterator[Subject]:
        def connect() -> KvmProvider:
            return KvmProvider(vm_paths=(libvirt_host.vm_path,), state_dir=state_dir, uri=libvirt_host.uri)

        async def reconnect() -> Provider:
            await subject.provider.close()
            return connect()

        subject = Subject(
            provider=connect(),
            source=str(small_disk),
            source_format=DiskFormat.RAW,
            folder=str(libvirt_host.vm_path),
            network=libvirt_host.network,
            reconnect=reconnect,
        )
        yield subject
        await subject.provider.close()
