"""`hostler dev`: what it writes is current and clean, and a new operation starts as a failing test."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.domain.scripts.laboratory import WORDS

from hostler.domain.scripts.words import python_name
from hostler.jobs.operation import Operation
from hostler.sdk import Client
from hostler.sdk.settings import Settings
from hostler.service import dev, new_operation
from hostler.service.generating import cli_table, sdk_methods
from hostler.store.queries.nouns import NOUNS

ROOT = Path(__file__).parents[2]


def ruff(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ruff", *arguments, "--config", str(ROOT / "pyproject.toml")]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def test_what_is_committed_is_current() -> None:
    assert dev.command(["generate", "--check"]) == 0


def test_a_stale_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "generated.py"
    stale.write_text("old")
    monkeypatch.setattr(dev, "generated", lambda: {stale: "new", tmp_path / "missing.py": "x"})
    assert dev.command(["generate", "--check"]) == 1
    told = capsys.readouterr().err
    assert str(stale) in told
    assert "missing.py" in told
    assert dev.command(["generate"]) == 0
    assert stale.read_text() == "new"
    assert dev.command(["generate", "--check"]) == 0


def test_every_operation_is_a_method() -> None:
    client = Client(Settings())
    for operation in Operation.registry.values():
        noun = getattr(client, python_name(NOUNS[operation.noun].plural))
        assert callable(getattr(noun, python_name(operation.verb)))


def test_generated_code_is_clean_whatever_the_words(tmp_path: Path) -> None:
    words = list(WORDS.values())
    files = {"generated.py": cli_table.text_of(words), **sdk_methods.files([("vm", "vms", "virtual machine")], words)}
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert ruff("check", "--ignore", "E501", str(tmp_path)).stdout.strip() == "All checks passed!"
    assert ruff("format", "--check", str(tmp_path)).returncode == 0


def test_a_new_operation_is_clean_and_its_test_fails_until_it_is_written(tmp_path: Path) -> None:
    assert new_operation.make(tmp_path, "vm", "take-apart") == 0
    operation = tmp_path / "src/hostler/operations/vm/take_apart.py"
    test = tmp_path / "tests/operations/vm/test_take_apart.py"
    for path in (operation, test):
        assert ruff("check", str(path)).stdout.strip() == "All checks passed!"
        assert ruff("format", "--check", str(path)).returncode == 0
    code = (
        "import importlib.util as u, runpy; import sys\n"
        f"s = u.spec_from_file_location('hostler.operations.vm.take_apart', {str(operation)!r})\n"
        "m = u.module_from_spec(s); sys.modules[s.name] = m; s.loader.exec_module(m)\n"
        f"runpy.run_path({str(test)!r})['test_each_step_is_undone_or_says_why_not']()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "vm take-apart: write these steps" in done.stderr


@pytest.mark.parametrize(("noun", "verb"), [("nonsense", "start"), ("vm", "Bad Verb"), ("vm", "../x"), ("vm", "")])
def test_what_can_be_no_operation_is_refused(tmp_path: Path, noun: str, verb: str) -> None:
    assert new_operation.make(tmp_path, noun, verb) == 1
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    assert new_operation.make(tmp_path, "vm", "take-apart") == 0
    assert new_operation.make(tmp_path, "vm", "take-apart") == 1
