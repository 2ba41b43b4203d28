"""Every job names what it changes, old and new, in its audit trail; an operation that names nothing says why not."""

import pytest
from tests.every.borders import case_of, operations
from tests.every.stage import Stage

from hostler.jobs.operation import Operation


@pytest.mark.parametrize("operation", operations())
async def test_a_job_names_what_it_changes(stage: Stage, operation: str) -> None:
    subject, arguments = await case_of(operation).arrange(stage)
    row = await stage.ended(await stage.accept(operation, subject, arguments))
    assert bool(row.changes) is not bool(Operation.registry[operation].why_no_changes)
    for change in row.changes:
        noun, _, identity = change["object"].partition("/")
        assert (bool(noun), bool(identity), bool(change["property"])) == (True, True, True)
        assert change["old"] != change["new"]
