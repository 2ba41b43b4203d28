"""`hostler placement rate --fleet`: a fleet in a file is rated here, and the service is not asked."""

import json
from io import StringIO
from pathlib import Path
from typing import NoReturn

import pytest
from rich.console import Console

from hostler.cli.main import run
from hostler.cli.session import Session
from hostler.domain.placement.fleet import Fleet, encode
from hostler.domain.placement.model import HostSnapshot, Volume


def never() -> NoReturn:
    raise AssertionError("the service was asked")


def rate(*arguments: str) -> tuple[int, str, str]:
    out, err = StringIO(), StringIO()
    session = Session(never, Console(file=out, width=200, markup=False), Console(file=err, width=200, markup=False))
    return run(["placement", "rate", *arguments], session), out.getvalue(), err.getvalue()


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    volumes = (Volume(id="v", path="/v", capacity_mib=100_000, free_mib=90_000),)
    hosts = (
        HostSnapshot(id="1", name="roomy", cpu_count=16, memory_total_mib=65536, volumes=volumes),
        HostSnapshot(id="2", name="small\u202e", cpu_count=2, memory_total_mib=1024, volumes=volumes),
    )
    path = tmp_path / "fleet.json"
    path.write_bytes(encode(Fleet(hosts=hosts)))
    return path


def test_the_table_has_stars_bars_and_reasons(fleet: Path) -> None:
    code, out, err = rate("--fleet", str(fleet), "--memory-mib=4096", "--cpu-count=4", "--disk-mib=1000")
    assert code == 0, err
    roomy = next(line for line in out.splitlines() if "roomy" in line)
    small = next(line for line in out.splitlines() if "small" in line)
    assert "★" in roomy
    assert "█" in roomy
    assert "%" in roomy
    assert "★" not in small
    assert r"small\u202e" in small
    assert "Suggested: roomy" in out


def test_the_numbers_for_programs(fleet: Path) -> None:
    code, out, err = rate("--fleet", str(fleet), "--memory-mib=4096", "--output=json", "--limit=1")
    assert code == 0, err
    (best,) = json.loads(out)
    assert best["host_name"] == "roomy"
    assert sum(term["share"] for term in best["terms"]) == pytest.approx(best["score"])


def test_a_file_that_is_no_fleet_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    code, _, err = rate("--fleet", str(tmp_path / "bad.json"))
    assert code == 2
    assert "hostler fleet export" in err


def test_no_host_that_fits_is_an_exit_code_and_names_what_would_help(fleet: Path) -> None:
    code, out, _ = rate("--fleet", str(fleet), "--memory-mib=70000", "--cpu-count=1", "--disk-mib=1000")
    assert code == 3
    assert "No host fits." in out
    (told,) = (line for line in out.splitlines() if "then roomy fits" in line)
    assert "1 more hosts" in told
