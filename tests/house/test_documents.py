"""What people read stays true: links lead somewhere, commands exist, decisions are numbered, checklists are short."""

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from cyclopts import App, CycloptsError

from hostler.cli.generated import OPERATIONS
from hostler.cli.main import build
from hostler.cli.session import Session
from hostler.service.entry import offered

CHECKLIST_LINES, DECISION_LINES = 9, 40

FENCE = re.compile(r"^ {0,3}(```|~~~)")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|//")
PROMPT = re.compile(r"^\s*(?:\$ )?(?:\.venv/bin/)?(hostler .*)$")
TARGET = re.compile(r"(?:^\s*|`)(?:sudo )?make ([a-z]+)\b")
FILE = re.compile(r"`(\w[\w./-]*/[\w.-]+\.(?:py|json|yaml|toml|md))`")
QUOTE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
DECISION = re.compile(r"(\d{4})-[a-z0-9-]+\.md")

Plant = Callable[[str, str], Path]


def documents(house: Path) -> list[Path]:
    return sorted([*house.glob("*.md"), *(house / "docs").rglob("*.md")])


def prose_and_blocks(text: str) -> tuple[list[str], list[str]]:
    """The lines outside and inside code blocks, fenced or indented."""
    prose: list[str] = []
    blocks: list[str] = []
    fenced = False
    for line in text.splitlines():
        if FENCE.match(line):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            blocks.append(line)
        else:
            prose.append(line)
    return prose, blocks


def anchors(text: str) -> set[str]:
    """The names by which headings are linked to."""
    headings = [line.lstrip("#").strip() for line in prose_and_blocks(text)[0] if re.match(r"#{1,6} ", line)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(house: Path) -> list[str]:
    broken = []
    for file in documents(house):
        for target in LINK.findall("\n".join(prose_and_blocks(file.read_text())[0])):
            if OUTSIDE.match(target):
                continue
            path, _, fragment = target.partition("#")
            aim = file.parent / path if path else file
            if not aim.exists() or (fragment and fragment not in anchors(aim.read_text())):
                broken.append(f"{file.relative_to(house)}: {target}")
    return broken


def commands(text: str) -> Iterator[list[str]]:
    """The `hostler …` lines of code blocks, as words; a backslash at the end of a line continues it."""
    blocks = "\n".join(prose_and_blocks(text)[1]).replace("\\\n", " ")
    for line in blocks.splitlines():
        if found := PROMPT.match(line):
            yield shlex.split(found[1], comments=True)[1:]


def wrong_commands(house: Path) -> list[str]:
    return [
        f"{file.relative_to(house)}: hostler {shlex.join(words)}: {why}"
        for file in documents(house)
        for words in commands(file.read_text())
        if (why := _why_wrong(words)) is not None
    ]


def _why_wrong(words: list[str]) -> str | None:
    """Why the real parser would not take the command; nothing is run."""
    if words[0] in offered():
        return _why_wrong_entry_point(words)
    try:
        _parser().parse_args(words, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return str(error) or type(error).__name__
    return None


@cache
def _parser() -> App:
    return build(Session(), {}, OPERATIONS)


@cache
def _help_of(entry_point: str) -> str:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told), contextlib.suppress(SystemExit):
        import_module(f"hostler.service.{entry_point.replace('-', '_')}").command(["--help"])
    return told.getvalue()


def _why_wrong_entry_point(words: list[str]) -> str | None:
    """Entry points of the service: each option, and each word of `dev`, is in their help."""
    name, *rest = words
    known = set(re.findall(r"--?[a-z][a-z-]*", _help_of(name)))
    options = [word.partition("=")[0] for word in rest if word.startswith("-")]
    unknown = [option for option in options if option not in known]
    if name == "dev" and f"hostler dev {rest[0]}" not in _help_of(name):
        unknown.append(rest[0])
    return f"it has no {', '.join(unknown)}" if unknown else None


def unknown_targets(house: Path, makefile: str) -> list[str]:
    known = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    return [
        f"{file.relative_to(house)}: make {target}"
        for file in documents(house)
        for line in file.read_text().splitlines()
        for target in TARGET.findall(line)
        if target not in known
    ]


def gone_files(house: Path) -> list[str]:
    """Files that pages name and that are not there. A decision tells of its day, and may name what is gone."""
    known = {
        f"/{path.relative_to(house)}" for folder in ("src", "tests", "bench", "docs") for path in _files(house, folder)
    }
    return [
        f"{file.relative_to(house)}: {name}"
        for file in documents(house)
        if file.parent.name != "decisions"
        for name in FILE.findall(file.read_text())
        if not any(path.endswith(f"/{name}") for path in known)
    ]


def _files(house: Path, folder: str) -> Iterator[Path]:
    return (path for path in (house / folder).rglob("*") if path.suffix in {".py", ".json", ".yaml", ".md", ".toml"})


def changed_quotes(house: Path) -> list[str]:
    """Python that ARCHITECTURE.md quotes stands in the product word for word, paragraph by paragraph."""
    page = house / "ARCHITECTURE.md"
    sources = [path.read_text() for path in (house / "src").rglob("*.py")]
    quoted = [part.strip("\n") for block in QUOTE.findall(page.read_text()) for part in block.split("\n\n")]
    return [part.splitlines()[0] for part in quoted if part and not any(part in source for source in sources)]


def ill_numbered_decisions(house: Path) -> list[str]:
    """Decisions go 0001, 0002 … without a gap; the page that lists them is the README."""
    names = sorted(path.name for path in (house / "docs" / "decisions").glob("*.md") if path.name != "README.md")
    expected = [f"{number:04}" for number in range(1, len(names) + 1)]
    numbers = [found[1] if (found := DECISION.fullmatch(name)) else "" for name in names]
    return [name for name, number, wanted in zip(names, numbers, expected, strict=True) if number != wanted]


def unlisted(house: Path, folder: str) -> list[str]:
    index = house / "docs" / folder / "README.md"
    text = index.read_text() if index.exists() else ""
    pages = sorted(path.name for path in index.parent.glob("*.md") if path != index)
    return [name for name in pages if f"({name})" not in text]


def too_long(house: Path) -> list[str]:
    limits = (("decisions", DECISION_LINES), ("checklists", CHECKLIST_LINES))
    long = []
    for folder, limit in limits:
        for file in sorted((house / "docs" / folder).glob("*.md")):
            if file.name == "README.md":
                continue
            lines = file.read_text().splitlines()
            counted = len(lines) if folder == "decisions" else sum(bool(line.strip()) for line in lines[1:])
            if counted > limit:
                long.append(f"{folder}/{file.name}: {counted} lines")
    return long


def test_every_link_leads_somewhere(house: Path) -> None:
    assert broken_links(house) == []


def test_every_command_is_understood(house: Path) -> None:
    assert wrong_commands(house) == []


def test_every_make_target_exists(house: Path) -> None:
    assert unknown_targets(house, (house / "Makefile").read_text()) == []


def test_every_named_file_exists(house: Path) -> None:
    assert gone_files(house) == []


def test_quoted_code_is_the_code(house: Path) -> None:
    assert changed_quotes(house) == []


def test_decisions_are_numbered(house: Path) -> None:
    assert ill_numbered_decisions(house) == []


@pytest.mark.parametrize("folder", ["decisions", "checklists", "operators"])
def test_every_page_is_listed(house: Path, folder: str) -> None:
    assert unlisted(house, folder) == []


def test_decisions_and_checklists_are_short(house: Path) -> None:
    assert too_long(house) == []


@pytest.mark.parametrize("target", ["docs/gone.md", "README.md#gone", "#gone"])
def test_a_broken_link_is_seen(plant: Plant, target: str) -> None:
    house = plant("README.md", f"# Here\n\nSee [this]({target}) and [that](#here).\n")
    assert broken_links(house) == [f"README.md: {target}"]


@pytest.mark.parametrize(
    "command",
    [
        "hostler vm fly web-01",
        "hostler vm start",
        "hostler vm create --name a --template b --colour red",
        "hostler vm create --name a --template b --cpu-count many",
        "hostler serve --nowhere",
        "hostler dev sing",
    ],
)
def test_a_command_that_does_not_exist_is_seen(plant: Plant, command: str) -> None:
    assert len(wrong_commands(plant("README.md", f"Try:\n\n    $ {command}\n"))) == 1
    assert len(wrong_commands(plant("README.md", f"```sh\n{command}  # why not\n```\n"))) == 1


def test_commands_are_read_over_lines_and_not_from_prose() -> None:
    text = "hostler gone\n\n```\n.venv/bin/hostler vm \\\n  start web-01\n```\n"
    assert list(commands(text)) == [["vm", "start", "web-01"]]


def test_an_unknown_target_is_seen(plant: Plant) -> None:
    assert unknown_targets(plant("README.md", "Call `make tea`.\n"), "run:\n") == ["README.md: make tea"]


def test_a_file_that_is_gone_is_seen(plant: Plant) -> None:
    plant("src/hostler/jobs/worker.py", "")
    house = plant("README.md", "See `jobs/worker.py`, `hostler/jobs/worker.py` and `jobs/driver.py`.\n")
    assert gone_files(house) == ["README.md: jobs/driver.py"]


def test_a_quote_that_is_not_the_code_any_more_is_seen(plant: Plant) -> None:
    plant("src/hostler/jobs/worker.py", "def work():\n    return 1\n\n\ndef rest():\n    return 2\n")
    house = plant("ARCHITECTURE.md", "```python\ndef work():\n    return 1\n\n\ndef rest():\n    return 3\n```\n")
    assert changed_quotes(house) == ["def rest():"]


def test_a_gap_between_decisions_is_seen(plant: Plant) -> None:
    plant("docs/decisions/0001-first.md", "# First\n")
    assert ill_numbered_decisions(plant("docs/decisions/0003-third.md", "# Third\n")) == ["0003-third.md"]


def test_a_long_checklist_and_an_unlisted_one_are_seen(plant: Plant) -> None:
    house = plant("docs/checklists/tea.md", "# Tea\n" + "1. Stir.\n" * 10)
    assert too_long(house) == ["checklists/tea.md: 10 lines"]
    assert unlisted(house, "checklists") == ["tea.md"]
