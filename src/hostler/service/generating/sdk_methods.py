"""The SDK's typed methods: a class a noun, a method an operation."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence

from hostler.domain.scripts.words import Kind, OperationWords, Option, python_name
from hostler.service.generating.source import HEADER, literal, text

_TYPES = {
    Kind.TEXT: "str",
    Kind.INTEGER: "int",
    Kind.NUMBER: "float",
    Kind.FLAG: "bool",
    Kind.TEXTS: "Sequence[str]",
    Kind.JSON: "Any",
}
_WIDTH = 112

NounWords = tuple[str, str, str]
"""Name, plural, title."""


def files(nouns: Sequence[NounWords], operations: Sequence[OperationWords]) -> Mapping[str, str]:
    """The generated files of the SDK by name: one a noun, and the one that joins them."""
    written = {"methods/__init__.py": f'"""The nouns of the SDK. {HEADER}"""\n'}
    for name, plural, title in nouns:
        own = sorted((words for words in operations if words.noun == name), key=lambda words: words.verb)
        written[f"methods/{python_name(plural)}.py"] = _noun_file(plural, title, own)
    written["generated.py"] = _joined(nouns)
    return written


def class_name(plural: str) -> str:
    return "".join(part.capitalize() for part in plural.split("-"))


def _joined(nouns: Sequence[NounWords]) -> str:
    plurals = [plural for _, plural, _ in nouns]
    modules = sorted((python_name(plural), class_name(plural)) for plural in plurals)
    imports = "".join(f"from hostler.sdk.methods.{module} import {name}\n" for module, name in modules)
    members = "".join(f"        self.{python_name(plural)} = {class_name(plural)}(transport)\n" for plural in plurals)
    return (
        f'"""The nouns of a client. {HEADER}"""\n\n{imports}from hostler.sdk.transport import Transport\n\n\n'
        f'class Nouns:\n    """A member for each noun."""\n\n'
        f"    def __init__(self, transport: Transport) -> None:\n{members}"
    )


def _noun_file(plural: str, title: str, operations: Sequence[OperationWords]) -> str:
    methods = "\n".join(_method(words) for words in operations)
    body = f'class {class_name(plural)}(Noun):\n    """The {title} objects of the service."""\n\n'
    body += f"    plural = {text(plural)}\n    title = {text(title)}\n"
    body += f"\n{methods}" if methods else ""
    return f'"""Methods of `client.{python_name(plural)}`. {HEADER}"""\n\n{_imports(operations)}\n\n{body}'


def _imports(operations: Iterable[OperationWords]) -> str:
    options = [option for words in operations for option in words.options]
    typing = [
        name
        for name, used in (
            ("Any", any(option.kind is Kind.JSON for option in options)),
            ("Literal", any(option.choices for option in options)),
        )
        if used
    ]
    standard = "from collections.abc import Sequence\n" if any(o.kind is Kind.TEXTS for o in options) else ""
    standard += f"from typing import {', '.join(typing)}\n" if typing else ""
    third = "from msgspec import UNSET, UnsetType\n" if any(not option.required for option in options) else ""
    ours = ("from hostler.sdk.jobs import Job\n" if operations else "") + "from hostler.sdk.nouns import Noun\n"
    return "\n".join(block for block in (standard, third, ours) if block)


def _method(words: OperationWords) -> str:
    subject = [] if words.makes_new else [f"{_subject(words)}: str"]
    required = [f"{option.name}: {_type(option)}" for option in words.options if option.required]
    optional = [f"{option.name}: {_type(option)} = UNSET" for option in words.options if not option.required]
    signature = ["self", *subject, "*", *required, *optional, "dry_run: bool = False", 'reason: str = ""']
    lines = _signature(python_name(words.verb), signature)
    lines += _docstring(words)
    given = ", ".join(f"{text(option.name)}: {option.name}" for option in words.options)
    lines += _body(words, given)
    return "\n".join(lines) + "\n"


def _signature(name: str, parameters: Sequence[str]) -> list[str]:
    one_line = f"    def {name}({', '.join(parameters)}) -> Job:"
    if len(one_line) <= 120:
        return [one_line]
    return [f"    def {name}(", *(f"        {parameter}," for parameter in parameters), "    ) -> Job:"]


def _body(words: OperationWords, given: str) -> list[str]:
    subject = "None" if words.makes_new else _subject(words)
    one_line = f"        arguments = {{{given}}}"
    if len(one_line) <= 120:
        lines = [one_line]
    else:
        entries = (f"            {text(option.name)}: {option.name}," for option in words.options)
        lines = ["        arguments = {", *entries, "        }"]
    if not words.options:
        call = f"        return self.call({text(words.verb)}, {subject}, {{}}, dry_run=dry_run, reason=reason)"
        return [call]
    call = f"        return self.call({text(words.verb)}, {subject}, arguments, dry_run=dry_run, reason=reason)"
    return [*lines, call]


def _docstring(words: OperationWords) -> list[str]:
    paragraphs = words.help.split("\n\n")
    told = [line for option in words.options if (line := _told(option))]
    summary = textwrap.wrap(_escaped(paragraphs[0]), _WIDTH - 3)
    lines = [f'        """{summary[0]}', *(f"        {line}" for line in summary[1:])]
    for paragraph in paragraphs[1:]:
        lines += ["", *(f"        {line}" for line in textwrap.wrap(_escaped(paragraph), _WIDTH))]
    if told:
        lines += [""]
        for line in told:
            wrapped = textwrap.wrap(_escaped(line), _WIDTH - 4)
            lines += [f"        {wrapped[0]}", *(f"            {more}" for more in wrapped[1:])]
    if len(lines) == 1 and len(lines[0]) <= 117:
        return [lines[0] + '"""']
    return [*lines, '        """']


def _told(option: Option) -> str:
    default = "" if option.required or option.default is None else f"Default: {literal(option.default)}."
    about = " ".join(part for part in (option.help, default) if part)
    return f"{option.name}: {about}" if about else ""


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace('"""', "'''")


def _subject(words: OperationWords) -> str:
    return words.noun.replace("-", "_")


def _type(option: Option) -> str:
    choices = f"Literal[{', '.join(text(choice) for choice in option.choices)}]"
    written = choices if option.choices else _TYPES[option.kind]
    unset = "" if option.required else " | UnsetType"
    return written + unset + (" | None" if option.nullable and option.kind is not Kind.JSON else "")
