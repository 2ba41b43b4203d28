"""A provider behind an agent owes what every provider owes: the same suite, over gRPC and mTLS on loopback."""

from collections.abc import AsyncIterator

import pytest
from tests.authority import Authority
from tests.providers.contract_suite import ContractSuite
from tests.providers.workshop import Subject

from hostler.agent.server import Agent
from hostler.domain.machines.spec import DiskFormat
from hostler.providers.certificates import SERVICE_NAME
from hostler.providers.contract import Provider
from hostler.providers.remote import RemoteProvider
from hostler.providers.simulated.provider import SimulatedProvider


class TestRemote(ContractSuite):
    @pytest.fixture
    async def subject(self, simulated: SimulatedProvider, authority: Authority) -> AsyncIterator[Subject]:
        agent = Agent(simulated, authority.sign("agent-1"))
        port = await agent.start("127.0.0.1:0")
        ours = authority.sign(SERVICE_NAME)

        def dial() -> RemoteProvider:
            return RemoteProvider(f"127.0.0.1:{port}", "agent-1", ours)

        async def reconnect() -> Provider:
            await subject.provider.close()
            return dial()

        subject = Subject(
            provider=dial(),
            source="/var/lib/vms/base.qcow2",
            source_format=DiskFormat.QCOW2,
            folder="/var/lib/vms",
            network="default",
            reconnect=reconnect,
        )
        yield subject
        await subject.provider.close()
        await agent.stop(0)
