"""KVM behind an agent owes the same: real libvirt and QEMU, over gRPC and mutual TLS on loopback."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.authority import Authority
from tests.providers.contract_suite import ContractSuite
from tests.providers.kvm.libvirt_host import LibvirtHost
from tests.providers.workshop import Subject

from hostler.agent.server import Agent
from hostler.domain.machines.spec import DiskFormat
from hostler.providers.certificates import SERVICE_NAME
from hostler.providers.contract import Provider
from hostler.providers.kvm.provider import KvmProvider
from hostler.providers.remote import RemoteProvider


@pytest.fixture(scope="session")
def agents_disk(libvirt_host: LibvirtHost) -> Path:
    path = libvirt_host.folder / "library" / "agents.raw"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(1024 * 1024))
    return path


@pytest.mark.xdist_group("libvirt")
class TestKvmThroughAgent(ContractSuite):
    @pytest.fixture
    async def subject(
        self, libvirt_host: LibvirtHost, state_dir: Path, agents_disk: Path, authority: Authority
    ) -> AsyncIterator[Subject]:
        kvm = KvmProvider(vm_paths=(libvirt_host.vm_path,), state_dir=state_dir, uri=libvirt_host.uri)
        agent = Agent(kvm, authority.sign("agent-1"))
        port = await agent.start("127.0.0.1:0")
        ours = authority.sign(SERVICE_NAME)

        def dial() -> RemoteProvider:
            return RemoteProvider(f"127.0.0.1:{port}", "agent-1", ours)

        async def reconnect() -> Provider:
            await subject.provider.close()
            return dial()

        subject = Subject(
            provider=dial(),
            source=str(agents_disk),
            source_format=DiskFormat.RAW,
            folder=str(libvirt_host.vm_path),
            network=libvirt_host.network,
            reconnect=reconnect,
        )
        yield subject
        await subject.provider.close()
        await agent.stop(0)
        await kvm.close()
