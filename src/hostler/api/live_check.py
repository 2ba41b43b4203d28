"""The live check of a host that is rated alone: it is read now, and where it does not answer that is told."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from msgspec import Struct

from hostler.jobs.step import Services
from hostler.providers.errors import ProviderError
from hostler.store.database import Database
from hostler.store.queries.columns import moment
from hostler.store.queries.observations import observe_host, observe_vms

LIMIT_SECONDS = 10.0


class LiveCheck(Struct, frozen=True, kw_only=True):
    """`read_at` is when the read began that the rating is of; without one, `problem` says why not."""

    host_id: str
    read_at: datetime | None = None
    problem: str | None = None


async def read_live(services: Services, database: Database, host_id: str, clock: Callable[[], int]) -> LiveCheck:
    """Read the host's facts and VMs, and keep them."""
    begun = clock()
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            provider = await services.provider(host_id)
            facts, vms = await provider.read_host(), await provider.read_vms()
    except TimeoutError:
        return LiveCheck(host_id=host_id, problem=f"It did not answer within {LIMIT_SECONDS:.0f} s.")
    except ProviderError as silent:
        return LiveCheck(host_id=host_id, problem=silent.message)
    await database.write(lambda connection: observe_host(connection, host_id, facts, begun))
    await database.write(lambda connection: observe_vms(connection, host_id, vms, begun, clock()))
    return LiveCheck(host_id=host_id, read_at=moment(begun))
