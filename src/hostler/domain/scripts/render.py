"""A call in any of the languages that scripts come in."""

from collections.abc import Callable
from enum import StrEnum

from hostler.domain.scripts import cmdlet, curl, python, shell
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import OperationWords


class Language(StrEnum):
    PYTHON = "python"
    SHELL = "shell"
    CURL = "curl"
    CMDLET = "cmdlet"


_RENDER: dict[Language, Callable[[Call, OperationWords], str]] = {
    Language.PYTHON: python.render,
    Language.SHELL: shell.render,
    Language.CURL: curl.render,
    Language.CMDLET: cmdlet.render,
}


def render(call: Call, words: OperationWords, language: Language) -> str:
    """The script of the call. Running it makes the same call, except the cmdlet, which is there to be read."""
    return _RENDER[language](call, words)
