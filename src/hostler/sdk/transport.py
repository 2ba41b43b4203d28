"""Requests to the service: signed, retried where that is safe, refusals raised as errors."""

import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
import msgspec

from hostler.domain.scripts.address import ROOT
from hostler.sdk.errors import HostlerError, NotReachableError, Problem
from hostler.sdk.settings import Settings

_PAUSES_SECONDS = (0.2, 0.5, 1.0)
_TIMEOUT = httpx2.Timeout(60.0, connect=10.0)
_EVENTS_TIMEOUT = httpx2.Timeout(60.0, connect=10.0, read=45.0)
Query = Mapping[str, str | list[str]]

_TRANSIENT = frozenset({502, 503, 504})


class Transport:
    """A connection to one service. `network` stands in for the real one in tests."""

    def __init__(self, settings: Settings, network: httpx2.BaseTransport | None = None) -> None:
        self.settings = settings
        headers = {"User-Agent": "hostler"}
        if settings.token:
            headers["Authorization"] = f"Bearer {settings.token}"
        self._http = httpx2.Client(
            base_url=settings.url,
            headers=headers,
            timeout=_TIMEOUT,
            transport=network,
            verify=_trust(settings),
        )

    def close(self) -> None:
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> Any:
        """The answer's JSON. `path` begins below /api/v1."""
        return _decoded(self._send("GET", ROOT + path, query=query))

    def get_text(self, path: str, query: Query | None = None) -> str:
        return self._send("GET", ROOT + path, query=query).text

    def post(self, path: str, body: Any, *, query: Query | None = None, key: str | None = None) -> Any:
        """The answer's JSON. With an idempotency key a lost answer is asked for again; without one it is not."""
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        content = msgspec.json.encode(body)
        return _decoded(
            self._send("POST", ROOT + path, query=query, content=content, headers=headers, again=key is not None)
        )

    @contextmanager
    def events(self, query: Mapping[str, str], last_id: str | None) -> Iterator[Iterator[httpx2.ServerSentEvent]]:
        """Live events after `last_id`. Raises NotReachableError when they cannot be had, or are cut off."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        url = httpx2.URL(ROOT + "/events", params=dict(query))
        try:
            with self._http.sse(url, headers=headers, timeout=_EVENTS_TIMEOUT) as source:
                yield iter(source)
        except httpx2.HTTPError as error:
            raise self._not_reachable(error) from error

    def _send(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        again: bool = True,
    ) -> httpx2.Response:
        pauses = iter(_PAUSES_SECONDS if again else ())
        url = httpx2.URL(path)
        if query:
            url = url.copy_merge_params(dict(query))
        while True:
            pause = next(pauses, None)
            try:
                response = self._http.request(method, url, content=content, headers=dict(headers or {}))
            except httpx2.RequestError as error:
                if pause is None or isinstance(error, httpx2.UnsupportedProtocol):
                    raise self._not_reachable(error) from error
            else:
                if response.status_code not in _TRANSIENT or pause is None:
                    return _checked(response)
            time.sleep(pause)

    def _not_reachable(self, error: Exception) -> NotReachableError:
        return NotReachableError(
            Problem(
                code="not_reachable",
                detail=f"No answer from {self.settings.url}: {error or type(error).__name__}.",
                remedy="Is the service running there? Another address is given with HOSTLER_URL.",
            )
        )


def _trust(settings: Settings) -> ssl.SSLContext | bool:
    if settings.ca is None:
        return True
    return ssl.create_default_context(cafile=settings.ca)


def _checked(response: httpx2.Response) -> httpx2.Response:
    if response.is_success:
        return response
    try:
        told = msgspec.json.decode(response.content)
    except (msgspec.DecodeError, UnicodeDecodeError):
        told = None
    if not isinstance(told, dict) or not (told.get("detail") or told.get("title")):
        raise NotReachableError(
            Problem(
                status=response.status_code,
                code="not_hostler",
                detail=f"{response.url} answered {response.status_code} {response.reason_phrase}, not as Hostler does.",
                remedy="Is that the address of a Hostler service, of this version?",
            )
        )
    raise HostlerError(_problem(response.status_code, told))


def _problem(status: int, told: dict[str, Any]) -> Problem:
    texts = {name: str(told[name]) for name in ("code", "title", "detail", "remedy", "next") if told.get(name)}
    job = told.get("job")
    more = {name: value for name, value in told.items() if name not in {*texts, "job", "status", "type"}}
    return Problem(status=status, job=None if job is None else str(job), more=more, **texts)


def _decoded(response: httpx2.Response) -> Any:
    return msgspec.json.decode(response.content) if response.content else None
