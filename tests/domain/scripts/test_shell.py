"""What a shell script looks like, and what no shell can be given."""

import pytest
from tests.domain.scripts.laboratory import ID, WORDS

from hostler.domain.scripts.call import Call
from hostler.domain.scripts.shell import quoted, render


def test_a_plain_call_is_plain_to_read() -> None:
    call = Call(noun="vm", verb="take-apart", subject=f"{ID}:web 01", arguments={"cpu_count": 2, "powered": False})
    assert render(call, WORDS["take-apart"]) == f"hostler vm take-apart '{ID}:web 01' --cpu-count=2 --no-powered\n"


def test_empty_lists_and_no_value_are_told_apart() -> None:
    call = Call(noun="vm", verb="create", subject=None, arguments={"tags": [], "label": None})
    assert render(call, WORDS["create"]) == "hostler vm create --empty-tags --null=label\n"


def test_control_characters_are_written_as_octal() -> None:
    assert quoted("a\x1b'\r\nb") == "a\"$(printf '\\033')\"''\"'\"''\"$(printf '\\015')\"'\nb'"


@pytest.mark.parametrize("text", ["a\0b", "\udc80"])
def test_what_no_shell_can_carry_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        quoted(text)


def test_an_argument_that_no_option_can_be_called_is_refused() -> None:
    call = Call(noun="vm", verb="create", subject=None, arguments={"x; reboot": 1})
    with pytest.raises(ValueError):
        render(call, WORDS["create"])
