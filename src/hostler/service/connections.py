"""The providers that the service is connected to: one a host, made when first asked for and kept."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import select

from hostler.providers.contract import Provider
from hostler.providers.errors import NotThere
from hostler.store.database import AnyRow, Database
from hostler.store.tables import host

Factory = Callable[[AnyRow, Path], Provider]
"""Makes a provider from a host's row and a folder of its own for what it must remember."""


def kvm(row: AnyRow, state_dir: Path) -> Provider:
    from hostler.providers.kvm.provider import KvmProvider  # libvirt is loaded only where a KVM host is

    return KvmProvider(uri=row.address, vm_paths=(Path(row.vm_path),), state_dir=state_dir)


def simulated(row: AnyRow, state_dir: Path) -> Provider:
    """The address is `SOCKET#HOST`: the simulation's socket, and the host in it."""
    from hostler.providers.simulated.connect import connect  # a service without simulations never loads it

    socket, _, host_id = row.address.rpartition("#")
    return connect(Path(socket), host_id)


FACTORIES: Mapping[str, Factory] = {"kvm": kvm, "simulated": simulated}


class Connections:
    """Implements the steps' `Services`. A provider reconnects by itself.

    That of a host which is gone is closed when the next host is connected.
    """

    def __init__(self, database: Database, data: Path, factories: Mapping[str, Factory] = FACTORIES) -> None:
        self._database = database
        self._data = data
        self._factories = factories
        self._providers: dict[str, Provider] = {}
        self._making = asyncio.Lock()

    async def provider(self, host_id: str) -> Provider:
        """The host's provider; NotThere when no such host is managed."""
        async with self._making:
            known = self._providers.get(host_id)
            if known is None:
                row = await self._database.read(
                    lambda c: c.execute(select(host).where(host.c.id == host_id)).one_or_none()
                )
                if row is None:
                    raise NotThere(f"There is no host {host_id} any more.", "Add it again: hostler host add")
                await self._forget_gone()
                known = self._factories[row.provider](row, self._data / "hosts" / host_id)
                self._providers[host_id] = known
            return known

    async def _forget_gone(self) -> None:
        """Close what leads to hosts that are managed no more; whoever undoes a job there connects anew."""
        managed = select(host.c.id).where(host.c.deleted_at.is_(None))
        here = await self._database.read(lambda c: set(c.execute(managed).scalars()))
        for host_id in [known for known in self._providers if known not in here]:
            await self._providers.pop(host_id).close()

    async def close(self) -> None:
        for provider in self._providers.values():
            await provider.close()
        self._providers.clear()
