"""Operations in words: read from the registry for scripts, the SDK and the command line."""

import re
from inspect import cleandoc
from typing import Any

from hostler.domain.references import RefersTo
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.render import Language, render
from hostler.domain.scripts.words import Kind, OperationWords, Option
from hostler.jobs.operation import Operation
from hostler.store.queries.nouns import NOUNS

RESERVED_OPTIONS = frozenset(
    {"arguments", "dry_run", "expect_name", "help", "null", "output", "reason", "self", "version", "wait"}
)
"""Words that every command or method has already, so that no parameter may be called so."""
RESERVED_VERBS = frozenset({"get", "list", "show"})
_SCALARS = {"string": Kind.TEXT, "integer": Kind.INTEGER, "number": Kind.NUMBER, "boolean": Kind.FLAG}
_NAME = re.compile(r"[a-z][a-z0-9_]*")

AnyOperation = Operation[Any, Any]


def script(call: Call, language: Language) -> str:
    """The script of a call that a job keeps."""
    return render(call, describe(Operation.registry[call.operation]), language)


def describe(operation: AnyOperation) -> OperationWords:
    """The words of an operation. TypeError when one of them is taken or cannot be written in a shell."""
    if operation.verb in RESERVED_VERBS:
        raise TypeError(f"operation {operation.name()!r}: {operation.verb!r} is a read that every noun has")
    noun = NOUNS[operation.noun]
    return OperationWords(
        noun=operation.noun,
        plural=noun.plural,
        title=noun.title,
        verb=operation.verb,
        cmdlet=operation.cmdlet,
        help="\n\n".join(" ".join(part.split()) for part in cleandoc(operation.__doc__ or "").split("\n\n")),
        makes_new=operation.makes_new,
        options=_options(operation, {operation.noun.replace("-", "_")}),
    )


def _options(operation: AnyOperation, taken: set[str]) -> tuple[Option, ...]:
    schema = operation.Params.model_json_schema()
    required = set(schema.get("required", ()))
    names = list(schema.get("properties", {}))
    for name in names:
        if not _NAME.fullmatch(name) or name in RESERVED_OPTIONS or name.startswith(("no_", "empty_")) or name in taken:
            raise TypeError(f"operation {operation.name()!r}: a parameter cannot be called {name!r}")
    return tuple(
        _option(operation, name, schema["properties"][name], schema.get("$defs", {}), required=name in required)
        for name in names
    )


def _option(
    operation: AnyOperation, name: str, schema: dict[str, Any], definitions: dict[str, Any], *, required: bool
) -> Option:
    plain, nullable = _without_null(_resolved(schema, definitions), definitions)
    metadata = operation.Params.model_fields[name].metadata
    kind = _kind(plain, definitions)
    choices = plain.get("enum", ()) if kind is Kind.TEXT else ()
    return Option(
        name=name,
        kind=kind,
        required=required,
        nullable=nullable,
        default=schema.get("default"),
        choices=tuple(str(choice) for choice in choices),
        refers_to=next((mark.noun for mark in metadata if isinstance(mark, RefersTo)), None),
        help=" ".join(str(schema.get("description", "")).split()),
    )


def _resolved(schema: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    reference = schema.get("$ref")
    return schema if reference is None else definitions[str(reference).rpartition("/")[2]]


def _without_null(schema: dict[str, Any], definitions: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of `X | None` as that of X, and whether null was allowed."""
    choices = [_resolved(choice, definitions) for choice in schema.get("anyOf", ())]
    others = [choice for choice in choices if choice.get("type") != "null"]
    if len(others) == 1 and len(choices) == 2:
        return others[0], True
    return schema, len(others) < len(choices)


def _kind(schema: dict[str, Any], definitions: dict[str, Any]) -> Kind:
    written = schema.get("type")
    if written == "array":
        inner = _resolved(schema.get("items") or {}, definitions)
        return Kind.TEXTS if inner.get("type") == "string" else Kind.JSON
    return _SCALARS.get(str(written), Kind.JSON)
