"""Where a call is sent: the path and query of its request."""

from urllib.parse import quote

from hostler.domain.references import parse_reference
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import OperationWords

ROOT = "/api/v1"


def address(call: Call, words: OperationWords) -> str:
    """`/api/v1/vms/{id}/start?expect_name=…`, with everything encoded that is not plain."""
    collection = f"{ROOT}/{words.plural}"
    if call.subject is None:
        return collection
    reference = parse_reference(call.subject)
    if reference.id is None:
        return f"{collection}/{encoded(reference.name or '')}/{call.verb}"
    check = "" if reference.name is None else f"?expect_name={encoded(reference.name)}"
    return f"{collection}/{reference.id}/{call.verb}{check}"


def encoded(text: str) -> str:
    return quote(text, safe="")
