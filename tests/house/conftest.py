"""A small house to break: each rule is shown to see a planted violation."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def house() -> Path:
    """The real repository."""
    return ROOT


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[str, str], Path]:
    """Writes a file into an otherwise empty house, and returns that house."""

    def write(path: str, text: str) -> Path:
        file = tmp_path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return tmp_path

    return write
