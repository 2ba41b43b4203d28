"""Forgets what is too old: ended jobs, news, averages. The audit trail stays."""

from collections.abc import Callable

from hostler.store.database import Database
from hostler.store.queries.pruning import Retention, prune


class PruneHistory:
    def __init__(self, database: Database, keep: Retention, clock: Callable[[], int]) -> None:
        self._database, self._keep, self._clock = database, keep, clock

    async def round(self) -> None:
        """Forget in small units of work, so that jobs are not held up."""
        now = self._clock()
        while await self._database.write(lambda connection: prune(connection, self._keep, now)):
            pass
