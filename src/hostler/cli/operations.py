"""Commands from the table of operations: the parser learns each from its words."""

import inspect
import json
import operator
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from hostler.cli import progress
from hostler.cli.exits import UsageError
from hostler.cli.session import Output, Session
from hostler.domain.scripts.words import Kind, OperationWords, Option, python_name

_TYPES: Mapping[Kind, Any] = {
    Kind.TEXT: str | None,
    Kind.INTEGER: int | None,
    Kind.NUMBER: float | None,
    Kind.FLAG: bool | None,
    Kind.TEXTS: list[str] | None,
    Kind.JSON: str | None,
}
_HELP = {
    "arguments": "A JSON object of parameters: a file, or - for standard input.",
    "null": "Set this option to no value at all.",
    "dry_run": "Check everything, change nothing, show what would be done.",
    "reason": "Why, for the job and the audit trail.",
    "wait": "Wait for the job and show its steps.",
    "output": "How the result is shown.",
}
_COMMON: Mapping[str, tuple[Any, Any]] = {
    "arguments": (Annotated[str | None, Parameter(help=_HELP["arguments"])], None),
    "null": (Annotated[list[str] | None, Parameter(help=_HELP["null"], negative=())], None),
    "dry_run": (Annotated[bool, Parameter(help=_HELP["dry_run"], negative=())], False),
    "reason": (Annotated[str, Parameter(help=_HELP["reason"], allow_leading_hyphen=True)], ""),
    "wait": (Annotated[bool, Parameter(help=_HELP["wait"])], True),
    "output": (Annotated[Output, Parameter(name=["--output", "-o"], help=_HELP["output"])], "table"),
}
"""What every operation's command takes besides its own parameters."""


def add(app: App, words: OperationWords, session: Session) -> None:
    """Add the operation's command to its noun's app."""
    app.command(_command(words, session), name=words.verb, help=words.help)


def _command(words: OperationWords, session: Session) -> Callable[..., int]:
    def command(*positional: str, **given: Any) -> int:
        own = {option.name: given[option.name] for option in words.options if given.get(option.name) is not None}
        arguments = _arguments(words, own, given.get("arguments"), given.get("null") or ())
        subject = positional[0] if positional else None
        _refuse_unwritable([subject, arguments, given.get("reason")])
        noun = getattr(session.client, python_name(words.plural))
        dry_run, reason = bool(given.get("dry_run")), str(given.get("reason") or "")
        job = noun.call(words.verb, subject, arguments, dry_run=dry_run, reason=reason)
        return progress.finish(session, job, given.get("output") or "table", wait=given.get("wait", True))

    parameters = [*_subject(words), *(_parameter(option) for option in words.options), *_common()]
    command.__name__ = python_name(words.verb)
    command.__doc__ = words.help
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # read by inspect.signature
    return command


def _subject(words: OperationWords) -> list[inspect.Parameter]:
    if words.makes_new:
        return []
    about = f"The {words.title}: its id, its exact name, or id:name to have the name checked."
    annotation = Annotated[str, Parameter(help=about, allow_leading_hyphen=True)]
    return [inspect.Parameter(words.noun.replace("-", "_"), inspect.Parameter.POSITIONAL_ONLY, annotation=annotation)]


def _parameter(option: Option) -> inspect.Parameter:
    negative = f"--no-{option.flag[2:]}" if option.kind is Kind.FLAG else f"--empty-{option.flag[2:]}"
    parameter = Parameter(
        name=option.flag,
        negative=negative if option.kind in (Kind.FLAG, Kind.TEXTS) else (),
        help=_help(option),
        allow_leading_hyphen=option.kind is not Kind.FLAG,
        choices=option.choices or None,
        show_default=False,
    )
    # Annotated in its run-time form: the type comes from the table.
    annotation = operator.getitem(Annotated, (_TYPES[option.kind], parameter))
    return inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _help(option: Option) -> str:
    parts = [option.help]
    if option.refers_to:
        parts.append(f"A {option.refers_to.replace('-', ' ')}, by id or exact name.")
    if option.kind is Kind.JSON:
        parts.append("As JSON.")
    if option.required:
        parts.append("(required)")
    elif option.default not in (None, "", []):
        parts.append(f"(default: {json.dumps(option.default)})")
    return " ".join(part for part in parts if part)


def _common() -> list[inspect.Parameter]:
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in _COMMON.items()
    ]


def _arguments(
    words: OperationWords, own: Mapping[str, Any], source: str | None, nulls: list[str] | tuple[str, ...]
) -> dict[str, Any]:
    """What the command says; an option wins over the same name in `--arguments`."""
    arguments = {} if source is None else _read(source)
    by_flag = {option.flag[2:]: option.name for option in words.options}
    for null in nulls:
        if null not in by_flag:
            raise UsageError(f"--null={null}: there is no option --{null}. There are: {', '.join(by_flag)}.")
        arguments[by_flag[null]] = None
    for option in words.options:
        if option.name in own:
            arguments[option.name] = _value(option, own[option.name])
    missing = [option.flag for option in words.options if option.required and option.name not in arguments]
    if missing:
        raise UsageError(f"hostler {words.noun} {words.verb} needs {', '.join(missing)}.")
    return arguments


def _value(option: Option, value: Any) -> Any:
    if option.kind is not Kind.JSON:
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise UsageError(f"{option.flag} takes JSON, and this is none: {error}.") from error


def _read(source: str) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
        document = json.loads(text)
    except (OSError, ValueError) as error:
        raise UsageError(f"--arguments={source}: {error}.") from error
    if not isinstance(document, dict):
        raise UsageError(f"--arguments={source}: it holds no JSON object.")
    return document


def _refuse_unwritable(value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise UsageError("The command line has bytes that are not text in this terminal's encoding.") from error
