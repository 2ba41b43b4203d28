"""A call as a command for a POSIX shell."""

import json
import re
import shlex
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import Kind, OperationWords

_ONE_LINE = 100
_LONGEST_ARGUMENT = 100_000
"""In bytes. Linux refuses an argument of more than 128 KiB; longer ones go by standard input."""
_FLAG_SAFE = re.compile(r"[a-z0-9_]+")


def render(call: Call, words: OperationWords) -> str:
    """One command, which waits for its job. Its text prints as it is: control characters are written as octal."""
    command = ["hostler", call.noun, call.verb]
    texts = _options(call, words)
    tail = ""
    if any(len(text.encode()) > _LONGEST_ARGUMENT for text in texts):
        texts = ["--arguments=-"]
        tail = f" <<'ARGUMENTS'\n{json.dumps(call.arguments)}\nARGUMENTS"
    if call.subject is not None:
        subject = quoted(call.subject)
        texts = [*texts, "--", subject] if call.subject.startswith("-") else [subject, *texts]
    written = [*command, *texts]
    line = " ".join(written)
    if len(line) > _ONE_LINE:
        line = " ".join(written[:3]) + "".join(f" \\\n  {word}" for word in written[3:])
    return f"{line}{tail}\n"


def _options(call: Call, words: OperationWords) -> list[str]:
    """The options, each quoted."""
    return [text for name, value in call.arguments.items() for text in _option(name, value, words.kind(name))]


def _option(name: str, value: Any, kind: Kind) -> Iterator[str]:
    if not _FLAG_SAFE.fullmatch(name):
        raise ValueError(f"{name!r} cannot be the name of an option")
    flag = name.replace("_", "-")
    if value is None:
        yield f"--null={flag}"
    elif kind is Kind.FLAG:
        yield f"--{flag}" if value else f"--no-{flag}"
    elif kind is Kind.TEXTS:
        yield from [f"--{flag}={quoted(text)}" for text in value] or [f"--empty-{flag}"]
    elif kind is Kind.TEXT:
        yield f"--{flag}={quoted(value)}"
    else:
        yield f"--{flag}={quoted(json.dumps(value))}"


def quoted(text: str) -> str:
    """One word of a shell, equal to `text`. A NUL or a lone surrogate, which no word can have, is a ValueError."""
    if "\0" in text:
        raise ValueError("a shell word cannot hold a NUL")
    if _plain(text):
        return shlex.quote(text)
    runs = ((plain, "".join(characters)) for plain, characters in groupby(text, _plain))
    return "".join(shlex.quote(run) if plain else _octal(run) for plain, run in runs)


def _plain(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def _octal(run: str) -> str:
    # Command substitution drops newlines at the end: a run never has any, as they count as plain.
    return "\"$(printf '" + "".join(f"\\{byte:03o}" for byte in run.encode()) + "')\""
