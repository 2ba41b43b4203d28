"""Create a virtual machine from a template."""

from typing import Any

import pytest
from sqlalchemy import update
from tests.every.stage import HOST, Case, Stage

from hostler.jobs.errors import ConflictError
from hostler.store.tables import host


async def arrange(stage: Stage) -> tuple[str | None, dict[str, Any]]:
    await stage.host()
    return None, {"name": "web-01", "template": await stage.template(), "wait_for_guest": True}


CASE = Case(arrange)


async def test_a_host_that_was_never_read_is_refused_with_the_reason(stage: Stage) -> None:
    await stage.host()
    template = await stage.template()
    await stage.database.write(lambda c: c.execute(update(host).values(facts=None)))
    with pytest.raises(ConflictError, match="never been read") as refusal:
        await stage.accept("vm.create", None, {"name": "web-01", "template": template, "host": HOST})
    assert "hostler host show" in refusal.value.remedy
