"""Every module says what it is for, under a name that says the same, in a room that is known."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest

NAMES_THAT_SAY_NOTHING = re.compile(r"(^|_)(utils?|helpers?|common|misc|stuff)(_|$)")

ROOMS = {
    "agent", "api", "cli", "domain", "integrations", "jobs", "operations",
    "providers", "sdk", "service", "store", "watchers",
}  # fmt: skip

Plant = Callable[[str, str], Path]


def product(house: Path) -> list[Path]:
    return sorted((house / "src" / "hostler").rglob("*.py"))


def without_docstring(house: Path) -> list[str]:
    files = [*product(house), *sorted((house / "bench").rglob("*.py"))]
    return [str(file.relative_to(house)) for file in files if not ast.get_docstring(ast.parse(file.read_text()))]


def names_that_say_nothing(house: Path) -> list[str]:
    parts = {part for file in product(house) for part in [file, *file.relative_to(house).parents]}
    return sorted(str(part.name) for part in parts if NAMES_THAT_SAY_NOTHING.search(part.stem))


def unknown_rooms(house: Path) -> list[str]:
    entries = [path for path in (house / "src" / "hostler").iterdir() if not path.name.startswith("__")]
    known_files = {"py.typed"}
    return sorted(path.name for path in entries if path.name not in ROOMS | known_files)


def folders_without_docstring_file(house: Path) -> list[str]:
    folders = {file.parent for file in product(house)}
    return sorted(str(folder.relative_to(house)) for folder in folders if not (folder / "__init__.py").exists())


def test_every_module_says_what_it_is_for(house: Path) -> None:
    assert without_docstring(house) == []


def test_every_name_says_something(house: Path) -> None:
    assert names_that_say_nothing(house) == []


def test_every_room_is_known(house: Path) -> None:
    assert unknown_rooms(house) == []


def test_every_folder_is_a_package(house: Path) -> None:
    assert folders_without_docstring_file(house) == []


def test_a_module_without_docstring_is_seen(plant: Plant) -> None:
    assert without_docstring(plant("src/hostler/jobs/worker.py", "x = 1\n")) == ["src/hostler/jobs/worker.py"]


@pytest.mark.parametrize("name", ["utils", "helper", "common", "string_utils", "test_helpers"])
def test_a_name_that_says_nothing_is_seen(plant: Plant, name: str) -> None:
    assert names_that_say_nothing(plant(f"src/hostler/jobs/{name}.py", "")) == [f"{name}.py"]


def test_a_folder_that_says_nothing_is_seen(plant: Plant) -> None:
    assert names_that_say_nothing(plant("src/hostler/common/x.py", "")) == ["common"]


def test_an_unknown_room_is_seen(plant: Plant) -> None:
    house = plant("src/hostler/attic/__init__.py", '"""Old things."""\n')
    assert unknown_rooms(house) == ["attic"]


def test_a_folder_that_is_no_package_is_seen(plant: Plant) -> None:
    assert folders_without_docstring_file(plant("src/hostler/jobs/x.py", "")) == ["src/hostler/jobs"]
