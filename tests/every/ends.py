"""What each operation comes to when nothing goes wrong."""

from tests.every.borders import case_of
from tests.every.stage import Stage
from tests.every.truth import Truth, truth

_clean: dict[str, Truth] = {}


async def end_of_clean_run(stage: Stage, operation: str) -> Truth:
    """Run once for all tests of the operation."""
    if operation not in _clean:
        subject, arguments = await case_of(operation).arrange(stage)
        await stage.run(operation, subject, arguments)
        _clean[operation] = await truth(stage)
    return _clean[operation]
