"""The CLI's table: every operation with its words."""

from collections.abc import Iterable

from hostler.domain.scripts.words import OperationWords, Option
from hostler.service.generating.source import HEADER, WIDTH, call, literal, text


def text_of(operations: Iterable[OperationWords]) -> str:
    rows = sorted(operations, key=lambda words: (words.noun, words.verb))
    head = f'"""The operations as the command line offers them. {HEADER}"""\n\n'
    kinds = "Kind, OperationWords, Option" if any(words.options for words in rows) else "OperationWords"
    head += f"from hostler.domain.scripts.words import {kinds}\n\n"
    return head + "OPERATIONS: tuple[OperationWords, ...] = (\n" + "".join(_row(words) for words in rows) + ")\n"


def _row(words: OperationWords) -> str:
    fixed = "".join(
        f"        {name}={literal(value)},\n"
        for name, value in (
            ("noun", words.noun),
            ("plural", words.plural),
            ("title", words.title),
            ("verb", words.verb),
            ("cmdlet", words.cmdlet),
            ("help", words.help),
            ("makes_new", words.makes_new),
        )
    )
    options = "".join(call("Option", _fields(option), 12) + "\n" for option in words.options)
    one_line = call("Option", _fields(words.options[0]), 0) if len(words.options) == 1 else ""
    listed = f"        options=(\n{options}        ),\n" if options else "        options=(),\n"
    if one_line and len(one_line) + 19 <= WIDTH and "\n" not in one_line:
        listed = f"        options=({one_line}),\n"
    return f"    OperationWords(\n{fixed}{listed}    ),\n"


def _fields(option: Option) -> list[str]:
    fields = [f"name={text(option.name)}", f"kind=Kind.{option.kind.name}"]
    fields += ["required=True"] if option.required else []
    fields += ["nullable=True"] if option.nullable else []
    fields += [f"default={literal(option.default)}"] if option.default is not None else []
    fields += [f"choices={literal(option.choices)}"] if option.choices else []
    fields += [f"refers_to={text(option.refers_to)}"] if option.refers_to else []
    fields += [f"help={text(option.help)}"] if option.help else []
    return fields
