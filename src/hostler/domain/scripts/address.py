"""Where a call is sent: the path and query of its request."""

from urllib.parse import quote

from hostler.domain.references import parse_reference

ROOT = "/api/v1"
_PLAIN_VERBS = frozenset({"create", "add"})
"""Making a new one of a collection needs no verb beside the POST."""


def address(plural: str, verb: str, subject: str | None) -> str:
    """`/api/v1/vms/{id}/start?expect_name=…`, with everything encoded that is not plain."""
    collection = f"{ROOT}/{plural}"
    if subject is None:
        return collection if verb in _PLAIN_VERBS else f"{collection}/{verb}"
    reference = parse_reference(subject)
    if reference.id is None:
        return f"{collection}/{encoded(reference.name or '')}/{verb}"
    check = "" if reference.name is None else f"?expect_name={encoded(reference.name)}"
    return f"{collection}/{reference.id}/{verb}{check}"


def encoded(text: str) -> str:
    return quote(text, safe="")
