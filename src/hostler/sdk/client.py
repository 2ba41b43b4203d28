"""The client: one object for one service, with a member for each noun."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import httpx2

from hostler.sdk.generated import Nouns
from hostler.sdk.jobs import Jobs
from hostler.sdk.pages import Record
from hostler.sdk.settings import Settings, load
from hostler.sdk.transport import Transport


class Client(Nouns):
    """A service, as one user. `with` closes its connections; so does the end of the program."""

    def __init__(self, settings: Settings, network: httpx2.BaseTransport | None = None) -> None:
        self._transport = Transport(settings, network)
        super().__init__(self._transport)
        self.jobs = Jobs(self._transport)
        self.tokens = Tokens(self._transport)

    @property
    def settings(self) -> Settings:
        return self._transport.settings

    def rate_placement(self, request: Mapping[str, Any]) -> Any:
        """Ask Intelligent Placement; see POST /api/v1/placement/rate for the request."""
        return self._transport.post("/placement/rate", dict(request))

    def export_fleet(self) -> bytes:
        """The fleet as a file for offline rating."""
        return self._transport.get_text("/fleet/export").encode()

    def sign_in(self, link: str) -> Record:
        """Use a one-time link: the record of a new API token, its text in `secret`. The link works only once."""
        record: Record = self._transport.post("/sign-in", {"link": link})
        return record

    def close(self) -> None:
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Tokens:
    """The caller's API tokens. Their rights are never wider than the caller's."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Sequence[Record]:
        items: Sequence[Record] = self._transport.get("/tokens")["items"]
        return items

    def create(self, name: str, *, privileges: Sequence[str] | None = None, expires_at: str | None = None) -> Record:
        """A new token; its text is in `secret`, and told only now. `expires_at` is RFC 3339."""
        body = {"name": name, "privileges": privileges, "expires_at": expires_at}
        record: Record = self._transport.post("/tokens", body)
        return record

    def revoke(self, token_id: str) -> None:
        self._transport.post(f"/tokens/{token_id}/revoke", {})


def connect(url: str | None = None, token: str | None = None, *, ca: str | None = None) -> Client:
    """A client of the service at `url`. What is not given comes from HOSTLER_URL, HOSTLER_TOKEN and HOSTLER_CA, then
    from the user's file that `hostler login` writes, then it is http://127.0.0.1:8100.
    """
    return Client(load(url=url, token=token, ca=ca))
