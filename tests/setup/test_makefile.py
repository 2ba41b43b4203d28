"""The make targets, with stand-ins for what they start: what reaches those, and in which order."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STAND_INS = ("dev/setup", "dev/check", ".venv/bin/hostler", ".venv/bin/pytest")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone whose programs only note how they were called."""
    for path in STAND_INS:
        program = tmp_path / "clone" / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text('#!/bin/sh\nprintf "%s|" "${0##*/}" "$HOSTLER_DATA" "$@" >>"$NOTES"; echo >>"$NOTES"\n')
        program.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path / "clone")
    return tmp_path / "clone"


def make(clone: Path, *arguments: str) -> list[list[str]]:
    """The calls that were made: program, data folder, arguments."""
    notes = clone / "notes"
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "DATA", "CI")}
    subprocess.run(["make", "-s", *arguments], cwd=clone, env={**environment, "NOTES": str(notes)}, check=True)
    return [line.split("|")[:-1] for line in notes.read_text().splitlines()]


@pytest.mark.parametrize(
    "data",
    [
        "plain",
        "with spaces",
        "it's",
        'double"quote',
        "$HOME",
        "$(touch made)",
        "`touch made`",
        "a;b&c",
        "#no",
        "%x",
        "日本",
    ],
)
def test_a_data_folder_of_any_name_arrives_as_it_is(clone: Path, data: str) -> None:
    assert make(clone, "run", f"DATA={data}") == [
        ["setup", data, "run"],
        ["hostler", data, "quickstart", "--data", data],
    ]
    assert not (clone / "made").exists()


def test_test_sets_up_then_checks_then_tests(clone: Path) -> None:
    called = make(clone, "test", "YES=1")

    assert [call[0] for call in called] == ["setup", "check", "pytest"]
    assert "loadgroup" in called[2]


def test_a_failed_step_ends_the_target(clone: Path) -> None:
    (clone / "dev" / "setup").write_text("#!/bin/sh\nexit 2\n")

    with pytest.raises(subprocess.CalledProcessError):
        make(clone, "demo")

    assert not (clone / "notes").exists()


def test_every_target_is_in_the_help() -> None:
    text = (ROOT / "Makefile").read_text()
    declared = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert declared is not None

    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert re.findall(r"^  make (\S+)", shown, re.MULTILINE) == declared[1].split()
