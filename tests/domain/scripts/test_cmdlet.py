"""The cmdlet text, read by a model of how PowerShell scans it: equal values, and nothing left over."""

import re
from typing import Any

import pytest
from hypothesis import given
from tests.domain.scripts.laboratory import CALLS, ID, WORDS

from hostler.domain.references import parse_reference
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.cmdlet import render

QUOTES = "'\u2018\u2019\u201a\u201b"
NOTICE = "# not runnable here: the VMM cmdlet that this action is equal to\n"


class Scanner:
    """PowerShell's ScanStringLiteral, and the few shapes that we write around it."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def take(self, expected: str) -> None:
        assert self.text.startswith(expected, self.at), self.text[self.at : self.at + 40]
        self.at += len(expected)

    def sees(self, expected: str) -> bool:
        return self.text.startswith(expected, self.at)

    def match(self, pattern: str) -> str:
        found = re.compile(pattern).match(self.text, self.at)
        assert found is not None, self.text[self.at : self.at + 40]
        self.at = found.end()
        return found.group()

    def string(self) -> str:
        assert self.text[self.at] in QUOTES
        self.at += 1
        value = ""
        while True:
            one = self.text[self.at]
            self.at += 1
            if one in QUOTES:
                if self.text[self.at : self.at + 1] not in tuple(QUOTES):
                    return value
                one = self.text[self.at]
                self.at += 1
            value += one

    def joined(self) -> str:
        units = b""
        self.take("('' + ")
        while True:
            if self.sees("[char]0x"):
                self.take("[char]0x")
                units += bytes.fromhex(self.match("[0-9a-f]{4}"))
            else:
                units += self.string().encode("utf-16-be")
            if self.sees(")"):
                self.take(")")
                return units.decode("utf-16-be")
            self.take(" + ")

    def value(self) -> Any:
        for word, value in (("$null", None), ("$true", True), ("$false", False)):
            if self.sees(word):
                self.take(word)
                return value
        if self.sees("('' + "):
            return self.joined()
        if self.sees("@("):
            self.take("@(")
            items = []
            while not self.sees(")"):
                items.append(self.value())
                self.match("(, )?")
            self.take(")")
            return items
        if self.sees("@{"):
            self.take("@{")
            pairs = {}
            while not self.sees("}"):
                key = self.value()
                self.take(" = ")
                pairs[key] = self.value()
                self.match("(; )?")
            self.take("}")
            return pairs
        if self.text[self.at] in QUOTES:
            return self.string()
        number = self.match(r"-?[0-9.]+(e[+-]?[0-9]+)?")
        return float(number) if re.search(r"[.e]", number) else int(number)


@given(call=CALLS)
def test_powershell_would_read_the_same_values(call: Call) -> None:
    text = render(call, WORDS[call.verb])
    assert text.startswith(NOTICE)
    scanner = Scanner(text.removeprefix(NOTICE))
    scanner.take("Set-SCVirtualMachine")
    values = []
    while not scanner.sees("\n"):
        scanner.match(" -[A-Za-z]+ ")
        values.append(scanner.value())
    assert scanner.text[scanner.at :] == "\n"
    expected = list(call.arguments.values())
    if "note_of_it" in call.arguments:
        expected = [parse_reference(v).name if k == "note_of_it" else v for k, v in call.arguments.items()]
    if call.subject is not None:
        expected.insert(0, parse_reference(call.subject).name)
    assert values == expected


@pytest.mark.parametrize("quote", QUOTES)
def test_each_character_that_powershell_takes_for_a_quote_is_doubled(quote: str) -> None:
    call = Call(noun="vm", verb="take-apart", subject=f"{ID}:a{quote}; calc; {quote}", arguments={})
    assert f" -VM 'a{quote}{quote}; calc; {quote}{quote}'" in render(call, WORDS["take-apart"])
