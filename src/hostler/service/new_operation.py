"""`hostler dev new-operation`: an operation's file and its test, to be filled in."""

import re
import sys
from pathlib import Path

from hostler.store.queries.nouns import NOUNS

_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

_OPERATION = '''\
"""{sentence}."""

from collections.abc import Sequence

from msgspec import Struct

from hostler.jobs.operation import Acceptance, Operation, Params, Prepared, Subject
from hostler.jobs.step import AnyStep, RecordStep
from hostler.store.database import AnyRow


class {name}Params(Params):
    """What the caller says; each field becomes an option of the command."""


class {name}Plan(Struct, frozen=True, kw_only=True):
    """Everything that acceptance fixes: ids, names, random values."""

    id: str
    name: str


class {name}(Operation[{name}Params, {name}Plan]):
    """{sentence}: say here, for the user, what it does."""

    privilege = "{privilege}"
    cmdlet = "{cmdlet}"
    Params = {name}Params
    Plan = {name}Plan
    steps: Sequence[AnyStep[{name}Plan]] = (
        RecordStep(name="record", title="Record it", why_no_undo="Not written yet."),
    )

    def prepare(self, at: Acceptance, subject: AnyRow | None, params: {name}Params) -> Prepared[{name}Plan]:
        if subject is None:
            raise TypeError("{verb} is asked of a {title}")
        return Prepared(
            plan={name}Plan(id=subject.id, name=subject.name),
            subject=Subject(kind=self.noun, id=subject.id, name=subject.name),
            title=f"{sentence} {{subject.name}}",
            exclusive=[f"{{self.noun}}/{{subject.id}}"],
        )
'''

_TEST = '''\
"""What {noun} {verb} promises, beside the standing tests of every operation."""

from hostler.jobs.operation import Operation


def test_each_step_is_undone_or_says_why_not() -> None:
    operation = Operation.registry["{noun}.{verb}"]
    unwritten = [step.name for step in operation.steps if step.why_no_undo == "Not written yet."]
    assert not unwritten, f"{noun} {verb}: write these steps and test what they do: {{unwritten}}"
'''


def make(root: Path, noun: str, verb: str) -> int:
    """Write the two files below the project's root; the exit code."""
    if noun not in NOUNS:
        return _refuse(f"{noun!r} is no noun; there are {', '.join(NOUNS)}")
    if not _WORD.fullmatch(verb):
        return _refuse(f"{verb!r} is no verb: small letters and digits, words joined by '-'")
    module, folder = verb.replace("-", "_"), noun.replace("-", "_")
    path = root / "src" / "hostler" / "operations" / folder / f"{module}.py"
    test = root / "tests" / "operations" / folder / f"test_{module}.py"
    if path.exists() or test.exists():
        return _refuse(f"{path if path.exists() else test} is already there")
    words = [*verb.split("-"), *noun.split("-")]
    values = {
        "noun": noun,
        "verb": verb,
        "title": NOUNS[noun].title,
        "name": "".join(word.capitalize() for word in words),
        "sentence": " ".join([words[0].capitalize(), *verb.split("-")[1:], "a", NOUNS[noun].title]),
        "privilege": "Author",
        "cmdlet": f"{words[0].capitalize()}-SC{''.join(word.capitalize() for word in noun.split('-'))}",
    }
    for file, template in ((path, _OPERATION), (test, _TEST)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(template.format(**values), encoding="utf-8")
        sys.stdout.write(f"wrote {file}\n")
    init = path.parent / "__init__.py"
    if not init.exists():
        init.write_text(f'"""What can be done to a {NOUNS[noun].title}."""\n', encoding="utf-8")
    sys.stdout.write("Next: fill both in, then `hostler dev generate`.\n")
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"hostler dev new-operation: {why}\n")
    return 1
