"""Minutes that merge, and longer spans made of them, against the same sums in plain Python."""

from collections import defaultdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, select

from hostler.domain.fabric.averages import MINUTE, SECOND, TEN_MINUTES, Averages, MinuteShare, slot_of
from hostler.store.queries.averages import Measured, add_minutes, averages_of, roll_up
from hostler.store.tables import load_average, metadata

measured = st.builds(
    lambda name, minute, covered, cpu: Measured(
        name,
        MinuteShare(slot_at=minute * MINUTE * SECOND, covered_seconds=covered),
        Averages(cpu_percent=cpu, net_bytes_per_second=1.0),
    ),
    st.sampled_from(["a", "b"]),
    st.integers(0, 25),
    st.floats(1, 30),
    st.none() | st.floats(0, 100),
)


def test_parts_of_a_minute_become_their_weighted_mean(connection: Connection) -> None:
    for covered, cpu in ((45.0, 10.0), (15.0, 50.0)):
        share = MinuteShare(slot_at=0, covered_seconds=covered)
        add_minutes(connection, [Measured("a", share, Averages(cpu_percent=cpu))])
    (row,) = averages_of(connection, "a", MINUTE, 0)
    assert (row.covered_seconds, row.cpu_percent, row.disk_iops) == (60.0, 20.0, None)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(parts=st.lists(measured, max_size=40))
def test_ten_minutes_are_the_mean_of_what_was_measured(parts: list[Measured]) -> None:
    sums: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0])
    minutes: dict[tuple[str, int], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for part in parts:
        one = minutes[part.object_id, part.share.slot_at]
        one[0] += part.share.covered_seconds
        if part.averages.cpu_percent is not None:
            one[1] += part.averages.cpu_percent * part.share.covered_seconds
            one[2] += part.share.covered_seconds
    for (name, slot_at), (_, total, known) in minutes.items():
        if known:
            ten = sums[name, slot_of(slot_at, TEN_MINUTES)]
            ten[0], ten[1] = ten[0] + total, ten[1] + known
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    with engine.begin() as connection:
        add_minutes(connection, parts)
        roll_up(connection, 40 * MINUTE * SECOND)
        rows = connection.execute(select(load_average).where(load_average.c.span_seconds == TEN_MINUTES)).all()
        assert {(row.object_id, row.slot_at) for row in rows} == {
            (name, slot_of(slot_at, TEN_MINUTES)) for name, slot_at in minutes
        }
        for row in rows:
            total, known = sums.get((row.object_id, row.slot_at), (0.0, 0.0))
            if known and _all_known(parts, row.object_id, row.slot_at):
                assert row.cpu_percent == pytest.approx(total / known)
            assert row.net_bytes_per_second == pytest.approx(1.0)
    engine.dispose()


def _all_known(parts: list[Measured], name: str, slot_at: int) -> bool:
    """A part without the measure makes its minute weigh more than was known; without any, the means are exact."""
    return all(
        part.averages.cpu_percent is not None
        for part in parts
        if part.object_id == name and slot_of(part.share.slot_at, TEN_MINUTES) == slot_at
    )


def test_a_slot_is_made_once_and_only_when_it_is_over(connection: Connection) -> None:
    share = MinuteShare(slot_at=0, covered_seconds=60)
    add_minutes(connection, [Measured("a", share, Averages(cpu_percent=1.0))])
    assert roll_up(connection, 10 * MINUTE * SECOND) == 0
    assert roll_up(connection, 13 * MINUTE * SECOND) == 1
    assert roll_up(connection, 14 * MINUTE * SECOND) == 0
    assert [row.cpu_percent for row in averages_of(connection, "a", TEN_MINUTES, 0)] == [1.0]
    assert roll_up(connection, 363 * MINUTE * SECOND) == 36
    assert [row.cpu_percent for row in averages_of(connection, "a", 21_600, 0)] == [1.0]
