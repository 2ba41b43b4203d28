"""Lists: read page by page, as far as the reader goes."""

from collections.abc import Iterable, Iterator
from typing import Any

from hostler.sdk.transport import Transport

Record = dict[str, Any]
"""An object as lists show it."""

PAGE = 100


def pages(
    transport: Transport,
    path: str,
    filters: Iterable[str] = (),
    *,
    sort: str | None = None,
    columns: Iterable[str] = (),
    limit: int | None = None,
) -> Iterator[Record]:
    """Every object of a list, or the first `limit`. The next page is read when the one before is used up.

    A filter is `column:operator:value`, as `state:eq:running` or `name:like:web-*`; all of them hold.
    """
    query: dict[str, str | list[str]] = {}
    if filters:
        query["filter"] = list(filters)
    if sort:
        query["sort"] = sort
    if columns:
        query["columns"] = ",".join(columns)
    left = limit
    after: str | None = None
    while left is None or left > 0:
        size = PAGE if left is None else min(PAGE, left)
        page = transport.get(path, query | {"limit": str(size)} | ({"after": after} if after else {}))
        items: list[Record] = page["items"]
        yield from items
        after = page.get("next")
        if not after or not items:
            return
        if left is not None:
            left -= len(items)
