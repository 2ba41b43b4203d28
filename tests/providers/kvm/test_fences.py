from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.providers.contract import Fence
from hostler.providers.errors import Fenced
from hostler.providers.kvm.fences import Fences


@given(calls=st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 4), st.booleans()), max_size=15))
def test_only_the_latest_attempt_of_a_job_passes(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[str, int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("fences") / "fences.sqlite"
    fences, latest = Fences(path), dict[str, int]()
    for job_id, attempt, restarted in calls:
        if restarted:
            fences = Fences(path)
        fence = Fence(job_id=job_id, attempt=attempt)
        if attempt < latest.get(job_id, 0):
            with pytest.raises(Fenced):
                fences.pass_or_raise(fence)
        else:
            fences.pass_or_raise(fence)
            latest[job_id] = attempt


def test_two_processes_share_the_fence(tmp_path: Path) -> None:
    one, other = Fences(tmp_path / "f"), Fences(tmp_path / "f")
    other.pass_or_raise(Fence(job_id="j", attempt=2))
    with pytest.raises(Fenced):
        one.pass_or_raise(Fence(job_id="j", attempt=1))
