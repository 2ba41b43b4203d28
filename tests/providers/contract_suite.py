"""What every provider owes. A provider's test inherits `ContractSuite` and gives it a `subject`."""

from collections.abc import AsyncIterator

import pytest
from tests.providers.suite.files import Files
from tests.providers.suite.links import Links
from tests.providers.suite.machines import Machines
from tests.providers.suite.power import Power
from tests.providers.suite.reading import Reading
from tests.providers.suite.tasks import Tasks
from tests.providers.workshop import Subject, Workshop


class ContractSuite(Reading, Machines, Power, Files, Tasks, Links):
    """Override `subject`. Each test takes back what it made, so a real host stays clean."""

    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        raise NotImplementedError
        yield  # noqa: PT022 - it shows what overriders write: a generator

    @pytest.fixture
    async def shop(self, subject: Subject) -> AsyncIterator[Workshop]:
        shop = Workshop(subject)
        yield shop
        await shop.clean()
