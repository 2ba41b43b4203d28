"""A call as a Python script for the SDK."""

from typing import Any

from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import OperationWords, python_name


def render(call: Call, words: OperationWords) -> str:
    """A whole script: it connects, calls, and waits for the job."""
    arguments = [] if call.subject is None else [literal(call.subject)]
    arguments += [f"{python_name(name)}={literal(value)}" for name, value in call.arguments.items()]
    method = f"client.{python_name(words.plural)}.{python_name(call.verb)}"
    lines = "".join(f"    {argument},\n" for argument in arguments)
    called = f"{method}(\n{lines})" if lines else f"{method}()"
    return f"import hostler\n\nclient = hostler.connect()\njob = {called}\njob.wait()\n"


def literal(value: Any) -> str:
    """A JSON value as Python. `repr` escapes whatever does not print, so nothing can hide in the text."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(key)}: {literal(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(literal(inner) for inner in value) + "]"
    return repr(value)
