"""`hostler dev`: writes what people import and read from the registry of operations, and starts a new operation."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import hostler.operations
from hostler.domain.scripts.words import OperationWords
from hostler.jobs.operation import Operation
from hostler.jobs.words import describe
from hostler.service import new_migration, new_operation
from hostler.service.generating import cli_table, sdk_methods
from hostler.store.queries.nouns import NOUNS

_PACKAGE = Path(hostler.operations.__file__).parent.parent  # importing the operations fills the registry
_USAGE = """usage: hostler dev generate [--check]      write the SDK's methods and the CLI's table
       hostler dev new-operation NOUN VERB   make an operation's file and its test
       hostler dev new-migration TEXT        make the migration for what the tables changed
       hostler dev new-migration initial     until the first release: make the first migration anew
"""


def command(arguments: Sequence[str]) -> int:
    """The exit code: 0 well, 1 stale or refused, 2 not understood."""
    match list(arguments):
        case ["generate"]:
            return _write(generated())
        case ["generate", "--check"]:
            return _check(generated())
        case ["new-operation", noun, verb]:
            return new_operation.make(_PACKAGE.parent.parent, noun, verb)
        case ["new-migration", text]:
            return new_migration.make(text)
        case _:
            sys.stderr.write(_USAGE)
            return 2


def generated() -> Mapping[Path, str]:
    """Each generated file and what it should hold."""
    words = [describe(operation) for operation in Operation.registry.values()]
    return {
        _PACKAGE / "cli" / "generated.py": cli_table.text_of(words),
        **{_PACKAGE / "sdk" / name: text for name, text in sdk_files(words).items()},
    }


def sdk_files(words: Iterable[OperationWords]) -> Mapping[str, str]:
    nouns = [(noun.name, noun.plural, noun.title) for noun in NOUNS.values()]
    return sdk_methods.files(nouns, list(words))


def _write(files: Mapping[Path, str]) -> int:
    for path, text in files.items():
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            sys.stdout.write(f"wrote {path}\n")
    return 0


def _check(files: Mapping[Path, str]) -> int:
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        sys.stderr.write(f"{path} is stale: run `hostler dev generate` and commit what it writes\n")
    return 1 if stale else 0
