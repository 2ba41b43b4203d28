"""The seam as bytes: requests, replies and their schema, derived from a protocol's type hints and from nothing else."""

import collections.abc
import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw, Struct

from hostler.providers.errors import ProviderError, Refused

_LOCAL = frozenset({"close"})
"""Methods that end at the caller's side and are never sent."""


class Problem(Struct, frozen=True, kw_only=True):
    """A `ProviderError` on its way to the caller."""

    code: str
    message: str
    remedy: str = ""


class Reply(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes back: the result's JSON, or a problem."""

    result: Raw = msgspec.field(default_factory=lambda: Raw(b"null"))
    problem: Problem | None = None


class Method(Struct, frozen=True, kw_only=True):
    """One method of a protocol: its parameters as a struct, its answer's type, and whether it answers many times."""

    name: str
    request: type[Struct]
    returns: Any
    streams: bool
    changes: bool

    def encode(self, *arguments: object) -> bytes:
        """The request of a call; `Refused` when an argument cannot be written as JSON."""
        try:
            return msgspec.json.encode(self.request(*arguments))
        except (UnicodeEncodeError, TypeError, ValueError, RecursionError) as error:
            raise Refused(
                f"{self.name}: an argument cannot be sent: {error}",
                "Use text that is valid Unicode, and plain values only.",
            ) from error

    def decode(self, body: bytes | Raw) -> Struct:
        """The request as this side knows it; `Refused` when it is not one."""
        try:
            return msgspec.json.decode(body, type=self.request)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Refused(
                f"{self.name}: the request is not understood: {error}",
                "Bring both sides to the same version of Hostler.",
            ) from error


def _method(name: str, function: FunctionType) -> Method:
    hints = get_type_hints(function)
    returns = hints.pop("return")
    fields: list[Any] = []
    for parameter in list(inspect.signature(function).parameters.values())[1:]:
        field = (parameter.name, hints[parameter.name])
        fields.append(field if parameter.default is parameter.empty else (*field, parameter.default))
    streams = get_origin(returns) is collections.abc.AsyncIterator
    title = "".join(word.capitalize() for word in name.split("_"))
    return Method(
        name=name,
        request=msgspec.defstruct(f"{title}Request", fields, frozen=True),
        returns=get_args(returns)[0] if streams else returns,
        streams=streams,
        changes="fence" in hints,
    )


def methods_of(protocol: type) -> Mapping[str, Method]:
    """Every method of a protocol that travels, by name."""
    return {
        name: _method(name, member)
        for name, member in vars(protocol).items()
        if isinstance(member, FunctionType) and not name.startswith("_") and name not in _LOCAL
    }


def arguments_of(request: Struct) -> tuple[object, ...]:
    return tuple(getattr(request, field) for field in request.__struct_fields__)


def _with_heirs(kind: type[ProviderError]) -> list[type[ProviderError]]:
    return [kind, *(heir for child in kind.__subclasses__() for heir in _with_heirs(child))]


def error_codes() -> Mapping[str, type[ProviderError]]:
    """The classes of errors that a reply can carry, by code."""
    return {kind.code: kind for kind in _with_heirs(ProviderError) if kind.__module__ == ProviderError.__module__}


def problem_of(error: ProviderError) -> Problem:
    return Problem(code=error.code, message=error.message, remedy=error.remedy)


def error_of(problem: Problem) -> ProviderError:
    """The same error again; a code that only a newer peer knows becomes a plain `ProviderError`."""
    return error_codes().get(problem.code, ProviderError)(problem.message, problem.remedy)


def reply_of(result: object) -> bytes:
    return msgspec.json.encode(Reply(result=Raw(msgspec.json.encode(result))))


def reply_of_error(error: ProviderError) -> bytes:
    return msgspec.json.encode(Reply(problem=problem_of(error)))


def result_of(method: Method, reply: Reply) -> Any:
    """The result in a reply, or its error raised."""
    if reply.problem is not None:
        raise error_of(reply.problem)
    try:
        return msgspec.json.decode(reply.result, type=method.returns)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProviderError(
            f"{method.name}: the answer is not understood: {error}",
            "Bring both sides to the same version of Hostler.",
        ) from error


decode_reply: Callable[[bytes], Reply] = msgspec.json.Decoder(Reply).decode

SERVICE = "hostler.Provider"


def path_of(name: str) -> str:
    """The gRPC path of a method."""
    return f"/{SERVICE}/{name}"
