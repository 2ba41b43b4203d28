"""Frames on the socket between the simulation and those who use it: four bytes of length, then JSON."""

from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw, Struct

from hostler.providers.wire import Problem

LONGEST_BYTES = 256 * 1024 * 1024
_LENGTH_BYTES = 4


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A call; `host_id` is empty for the side door."""

    number: int
    call: str
    host_id: str = ""
    body: Raw = Raw(b"{}")


class Answer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to the request of that number; a stream has many, a problem ends it."""

    number: int
    result: Raw = Raw(b"null")
    problem: Problem | None = None


def frame(message: Request | Answer) -> bytes:
    body = msgspec.json.encode(message)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class Frames:
    """Cuts a byte stream into frames."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The whole frames so far; `ValueError` when a length cannot be right."""
        self._held += data
        while len(self._held) >= _LENGTH_BYTES:
            length = int.from_bytes(self._held[:_LENGTH_BYTES], "big")
            if length > LONGEST_BYTES:
                raise ValueError(f"a frame of {length} bytes is longer than {LONGEST_BYTES}")
            end = _LENGTH_BYTES + length
            if len(self._held) < end:
                return
            body = bytes(self._held[_LENGTH_BYTES:end])
            del self._held[:end]
            yield body


decode_request: Callable[[bytes], Request] = msgspec.json.Decoder(Request).decode
decode_answer: Callable[[bytes], Answer] = msgspec.json.Decoder(Answer).decode
