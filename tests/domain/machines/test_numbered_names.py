"""Names by pattern: as many as are wanted, none twice, none that is taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hostler.domain.machines.names import numbered


@pytest.mark.parametrize(
    ("pattern", "count", "taken", "names"),
    [
        ("web-##", 2, (), ["web-01", "web-02"]),
        ("web-##", 2, ("WEB-01", "web-03"), ["web-02", "web-04"]),
        ("##-of-###", 1, (), ["##-of-001"]),
        ("web", 3, ("web-2",), ["web-1", "web-3", "web-4"]),
        ("#", 1, (), ["1"]),
    ],
)
def test_names_of_a_pattern(pattern: str, count: int, taken: tuple[str, ...], names: list[str]) -> None:
    assert numbered(pattern, count, taken) == names


def test_a_pattern_that_is_too_narrow_is_refused() -> None:
    with pytest.raises(ValueError, match="8 names left, and 9 are wanted"):
        numbered("web-#", 9, ("web-4",))


@given(st.text(max_size=20), st.integers(1, 9), st.lists(st.text(max_size=5), max_size=5))
def test_no_name_is_given_twice(pattern: str, count: int, endings: list[str]) -> None:
    taken = [pattern.replace("#", "1"), *(f"{pattern}-{ending}" for ending in endings)]
    try:
        names = numbered(pattern, count, taken)
    except ValueError:
        return
    folded = [name.casefold() for name in names]
    assert len(set(folded)) == count
    assert not set(folded) & {name.casefold() for name in taken}
