"""What is changed on a machine, in which order, and what is not changed without consent."""

from dataclasses import dataclass, field

import pytest

from hostler.service.prerequisites.mending import CannotMendError, OurHands, mend
from hostler.service.prerequisites.verdict import Command, failure, passed

LACKING = failure("package gcc", "not installed", packages=("gcc",))
LACKING_TOO = failure("package kmod", "not installed", packages=("kmod",))
STOPPED = failure("libvirt", "no answer", commands=(("libvirtd", "--daemon"),))
HOPELESS = failure("processor", "aarch64", advice="use another machine")
WELL = passed("libvirt", "answers")


@dataclass
class RecordingHands:
    """Notes what it is told to do; a command that contains `fails` fails."""

    consents: bool = True
    root: bool = True
    fails: str = ""
    done: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def ask(self, question: str) -> bool:
        self.asked.append(question)
        return self.consents

    def say(self, text: str) -> None:
        pass

    def can_be_root(self) -> bool:
        return self.root

    def run_as_root(self, command: Command) -> bool:
        self.done.append(" ".join(command))
        return not self.fails or self.fails not in self.done[-1]


def test_packages_come_first_and_what_they_bring_is_started_after_another_look() -> None:
    hands, sights = RecordingHands(), iter([[STOPPED], [WELL]])

    last = mend(lambda: next(sights), [LACKING, LACKING_TOO, HOPELESS], hands)

    assert last == [WELL]
    assert hands.done == [
        "apt-get update",
        "apt-get install --yes --no-install-recommends gcc kmod",
        "libvirtd --daemon",
    ]
    assert hands.asked == ["Install 2 Debian packages (gcc kmod)?"]


def test_without_consent_nothing_is_changed_and_the_command_is_told() -> None:
    hands = RecordingHands(consents=False)

    with pytest.raises(CannotMendError, match="apt-get install --yes --no-install-recommends gcc"):
        mend(list, [LACKING, STOPPED], hands)

    assert hands.done == []


def test_without_root_and_sudo_the_administrator_gets_the_commands() -> None:
    hands = RecordingHands(root=False)

    with pytest.raises(CannotMendError, match=r"(?s)no sudo.*install.*gcc\n.*libvirtd --daemon"):
        mend(list, [LACKING, STOPPED], hands)

    assert hands.done == []
    assert hands.asked == []


def test_starting_what_is_installed_needs_no_consent() -> None:
    hands = RecordingHands(consents=False)

    assert mend(lambda: [WELL], [STOPPED], hands) == [WELL]
    assert hands.done == ["libvirtd --daemon"]


def test_a_failed_command_ends_it_with_the_command() -> None:
    hands = RecordingHands(fails="update")

    with pytest.raises(CannotMendError, match="apt-get update"):
        mend(list, [LACKING], hands)

    assert hands.done == ["apt-get update"]


def test_what_no_command_mends_is_left_and_what_stays_broken_is_not_tried_for_ever() -> None:
    hands = RecordingHands()

    assert mend(lambda: [HOPELESS], [HOPELESS], hands) == [HOPELESS]
    assert mend(lambda: [STOPPED], [STOPPED], hands) == [STOPPED]
    assert hands.done == ["libvirtd --daemon"] * 4


@pytest.mark.parametrize(
    ("answer", "agreed"), [("", True), ("y", True), ("Yes ", True), ("n", False), ("what?", False)]
)
def test_a_person_is_asked(answer: str, agreed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda _: answer)

    assert OurHands(consented=False, at_terminal=True).ask("Install?") is agreed


def test_nobody_at_the_terminal_means_no_unless_consent_was_given_before() -> None:
    assert not OurHands(consented=False, at_terminal=False).ask("Install?")
    assert OurHands(consented=True, at_terminal=False).ask("Install?")
