"""What every noun of the SDK can do: list, get, and call an operation."""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar

import msgspec
from msgspec import UNSET

from hostler.domain.references import parse_reference
from hostler.domain.scripts.address import ROOT, address, encoded
from hostler.sdk.errors import HostlerError, Problem
from hostler.sdk.jobs import DryRun, Job, Jobs
from hostler.sdk.pages import Record, pages
from hostler.sdk.transport import Query, Transport


class Noun:
    """The objects of one kind. An object is named by id, by exact name, or by `id:name` to have the name checked."""

    plural: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._jobs = Jobs(transport)

    def list(
        self,
        *,
        filters: Iterable[str] = (),
        sort: str | None = None,
        columns: Iterable[str] = (),
        limit: int | None = None,
    ) -> Iterator[Record]:
        """The objects, read page by page. A filter is `column:operator:value`, as `name:like:web-*`."""
        return pages(self._transport, f"/{self.plural}", filters, sort=sort, columns=columns, limit=limit)

    def get(self, reference: str) -> Record:
        """Everything that is known of one object."""
        asked = parse_reference(reference)
        identity = asked.id or self._id_of(reference)
        record: Record = self._transport.get(f"/{self.plural}/{encoded(identity)}")
        if asked.id is not None and asked.name is not None and record.get("name") != asked.name:
            raise self._unknown(f"The {self.title} {asked.id} is called {record.get('name')!r}, not {asked.name!r}.")
        return record

    def averages(self, reference: str, span: str = "minute") -> Sequence[Record]:
        """What a host or VM used, oldest first; `span`: minute (2 hours back), ten_minutes (2 days), six_hours (90)."""
        path = f"/{self.plural}/{encoded(self._addressable(reference))}/averages"
        items: Sequence[Record] = self._transport.get(path, {"span": span})["items"]
        return items

    def call(
        self, verb: str, subject: str | None, arguments: dict[str, Any], *, dry_run: bool = False, reason: str = ""
    ) -> Job:
        """Ask for an operation; arguments that are UNSET are left out. A lost answer is asked for again, same key."""
        body = {name: value for name, value in arguments.items() if value is not UNSET}
        path = address(self.plural, verb, None if subject is None else self._addressable(subject))
        query: Query = ({"dry_run": "true"} if dry_run else {}) | ({"reason": reason} if reason else {})
        answer = self._transport.post(path.removeprefix(ROOT), body, query=query, key=str(uuid.uuid4()))
        if not dry_run:
            return self._jobs.read(answer)
        tried = msgspec.convert(answer, DryRun)
        return Job(id="", state="dry_run", title=tried.title, dry_run=tried)

    def _addressable(self, reference: str) -> str:
        """The reference, or the object's id where its name cannot stand in an address."""
        name = parse_reference(reference).name
        if parse_reference(reference).id is None and (name in (None, "", ".", "..") or "/" in str(name)):
            return self._id_of(reference)
        return reference

    def _id_of(self, name: str) -> str:
        found = list(pages(self._transport, f"/{self.plural}", [f"name:eq:{name}"], columns=["id"], limit=11))
        if not found:
            raise self._unknown(f"There is no {self.title} with the name {name!r}.")
        if len(found) > 1:
            ids = ", ".join(str(one["id"]) for one in found)
            detail = f"{len(found)} {self.plural} have the name {name!r}: {ids}."
            raise HostlerError(Problem(status=409, code="ambiguous", detail=detail, remedy="Use an id."))
        return str(found[0]["id"])

    def _unknown(self, detail: str) -> HostlerError:
        return HostlerError(Problem(status=404, code="not_found", detail=detail, remedy=f"List the {self.plural}."))
