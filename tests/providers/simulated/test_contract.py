"""The simulated provider owes what every provider owes."""

from collections.abc import AsyncIterator

import pytest
from tests.providers.contract_suite import ContractSuite
from tests.providers.workshop import Subject

from hostler.domain.machines.spec import DiskFormat
from hostler.providers.contract import Provider
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess, connect


class TestSimulated(ContractSuite):
    @pytest.fixture
    async def subject(self, side_door: SideDoor, simulated_process: SimulatedProcess) -> AsyncIterator[Subject]:
        async def reconnect() -> Provider:
            await subject.provider.close()
            return connect(simulated_process.socket_path, "sim-1")

        subject = Subject(
            provider=connect(simulated_process.socket_path, "sim-1"),
            source="/var/lib/vms/base.qcow2",
            source_format=DiskFormat.QCOW2,
            folder="/var/lib/vms",
            network="default",
            reconnect=reconnect,
        )
        yield subject
        await subject.provider.close()
