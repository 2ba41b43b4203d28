"""Differences of counters, resets, and shares of minutes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.fabric.averages import SECOND, Averages, Counters, averages_between, minute_shares

MINUTE = 60 * SECOND


def test_host_cpu_is_of_the_time_there_was() -> None:
    before = Counters(at=0, cpu_time_ns=10, cpu_total_ns=1_000, disk_requests=5, net_bytes=100)
    after = Counters(at=MINUTE, cpu_time_ns=260, cpu_total_ns=2_000, disk_requests=125, net_bytes=700)
    assert averages_between(before, after) == Averages(cpu_percent=25.0, disk_iops=2.0, net_bytes_per_second=10.0)


def test_vm_cpu_is_of_its_own_processors() -> None:
    before = Counters(at=0, cpu_time_ns=0, processors=4, disk_bytes=0)
    after = Counters(at=MINUTE, cpu_time_ns=120 * 10**9, processors=4, disk_bytes=6_000, memory_used_mib=512)
    used = averages_between(before, after)
    assert (used.cpu_percent, used.disk_bytes_per_second, used.memory_used_mib) == (50.0, 100.0, 512)


@pytest.mark.parametrize("fallen", ["cpu_time_ns", "disk_requests", "net_bytes", "disk_bytes"])
def test_after_a_reset_only_memory_is_known(fallen: str) -> None:
    counters = {"cpu_time_ns": 10, "disk_requests": 10, "net_bytes": 10, "disk_bytes": 10}
    before = Counters(at=0, **counters)
    after = Counters(at=MINUTE, memory_used_mib=7, **counters | {fallen: 9})
    assert averages_between(before, after) == Averages(memory_used_mib=7)


def test_clock_that_went_back_gives_no_rates() -> None:
    at_five = Counters(at=5, cpu_time_ns=1)
    assert averages_between(at_five, Counters(at=5, cpu_time_ns=2)) == Averages()


@given(begun=st.integers(0, 10**15), length=st.integers(1, 10 * MINUTE))
def test_shares_cover_the_while_and_no_more(begun: int, length: int) -> None:
    shares = list(minute_shares(begun, begun + length))
    assert sum(round(share.covered_seconds * SECOND) for share in shares) == length
    assert all(0 < share.covered_seconds <= 60 and share.slot_at % MINUTE == 0 for share in shares)
    assert [share.slot_at for share in shares] == sorted({share.slot_at for share in shares})
