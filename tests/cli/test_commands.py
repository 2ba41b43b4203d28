"""The command line against a service that answers what it is told: output, and exit codes that mean something."""

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import httpx2
import pytest
import yaml
from rich.console import Console

from hostler.cli.main import run
from hostler.cli.session import Session
from hostler.sdk.client import Client
from hostler.sdk.settings import Settings

ID = "0b8f6f0e-7d0a-4d2c-9d3a-0123456789ab"
EVIL = "it's \x1b]0;x\x07 [red]‮evil[/red]"


def job(state: str, **more: Any) -> dict[str, Any]:
    step = {"name": "start", "title": "Start it", "state": "done" if state == "completed" else "failed"}
    return {"id": ID, "state": state, "title": "Start vm a", "steps": [step], **more}


class Terminal:
    """One command, and what it wrote."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.network = httpx2.MockTransport(answer)
        self.out, self.err = StringIO(), StringIO()

    def __call__(self, *arguments: str, width: int = 200) -> int:
        client = Client(Settings(url="http://service"), self.network)
        out, err = (Console(file=file, width=width, markup=False) for file in (self.out, self.err))
        return run(arguments, Session(lambda: client, out, err))


def test_a_narrow_terminal_shows_the_name_beside_the_id() -> None:
    body = {"items": [{"name": "web-01", "state": "running", "id": ID}], "next": None}
    terminal = Terminal(lambda _: httpx2.Response(200, json=body))
    assert terminal("vm", "list", width=40) == 0
    assert "web" in terminal.out.getvalue()


def answering(status: int, body: Any) -> Terminal:
    return Terminal(lambda _: httpx2.Response(status, json=body))


@pytest.mark.parametrize(("status", "expected"), [(401, 5), (403, 5), (404, 4), (409, 3), (422, 3), (429, 3), (500, 1)])
def test_a_refusal_says_why_and_what_would_help(status: int, expected: int) -> None:
    terminal = answering(status, {"code": "x", "detail": "It cannot be.", "remedy": "Do that.", "job": ID})
    assert terminal("vm", "start", "a") == expected
    assert (
        terminal.err.getvalue() == f"error: It cannot be.\nwhat would help: Do that.\nthe job: hostler job show {ID}\n"
    )
    assert terminal.out.getvalue() == ""


def test_no_answer() -> None:
    def refuse(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    assert Terminal(refuse)("host", "list") == 6


@pytest.mark.parametrize(
    "arguments",
    [
        ("nonsense",),
        ("vm", "start"),
        ("vm", "start", "a", "--nonsense=1"),
        ("vm", "create", "--name=a"),
        ("vm", "create", "--cpu-count=many"),
        ("vm", "start", "a", "--null=nonsense"),
        ("vm", "start", "a", "--arguments=/nonsuch"),
        ("vm", "start", "\udc80"),
        ("placement", "rate"),
        ("login", "--link=nonsense"),
    ],
)
def test_what_is_not_understood_asks_nobody(arguments: tuple[str, ...]) -> None:
    def never(_: httpx2.Request) -> httpx2.Response:
        raise AssertionError("the service was asked")

    terminal = Terminal(never)
    assert terminal(*arguments) == 2
    assert terminal.err.getvalue()


def test_a_job_is_waited_for_and_its_steps_are_told() -> None:
    states = {"POST": "running", "GET": "completed"}
    terminal = Terminal(lambda request: httpx2.Response(200, json=job(states[request.method])))
    assert terminal("vm", "start", "a") == 0
    assert terminal.err.getvalue() == "Start it: done\n"
    assert terminal.out.getvalue() == f"Start vm a: completed (job {ID})\n"


def test_a_failed_job_is_a_failed_command() -> None:
    error = {"message": "The disk is full.", "remedy": "Free some space.", "left": ["/a.qcow2"]}
    terminal = answering(202, job("failed", error=error))
    assert terminal("vm", "start", "a") == 1
    told = terminal.err.getvalue()
    assert "The disk is full." in told
    assert "Free some space." in told
    assert "/a.qcow2" in told
    assert f"hostler job restart {ID}" in told


def test_without_waiting_it_is_done_when_accepted() -> None:
    terminal = answering(202, job("queued"))
    assert terminal("vm", "start", "a", "--no-wait") == 0
    assert ID in terminal.out.getvalue()


@pytest.mark.parametrize(("verb", "expected"), [("cancel", 0), ("undo", 0), ("restart", 1)])
def test_a_cancelled_job_is_what_cancel_and_undo_want(verb: str, expected: int) -> None:
    assert answering(200, job("cancelled"))("job", verb, ID) == expected


def test_an_undone_job_says_so_and_a_failed_one_what_may_be_left() -> None:
    terminal = answering(200, job("failed", resolution="undone"))
    assert terminal("job", "undo", ID) == 0
    assert "failed, undone" in terminal.out.getvalue()
    terminal = answering(202, job("failed", error={"message": "It is full.", "left": ["disk /a b"]}))
    assert terminal("vm", "start", "a") == 1
    assert "may be left behind: disk /a b\n" in terminal.err.getvalue()


def test_names_act_neither_on_the_terminal_nor_as_markup() -> None:
    terminal = answering(200, {"items": [{"name": EVIL, "state": "running", "id": ID}], "next": None})
    assert terminal("vm", "list") == 0
    shown = terminal.out.getvalue()
    assert r"it's \x1b]0;x\x07 [red]\u202eevil[/red]" in shown
    assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize(("output", "read"), [("json", json.loads), ("yaml", yaml.safe_load)])
def test_lists_for_programs(output: str, read: Callable[[str], Any]) -> None:
    items = [{"name": EVIL, "tags": ["a", None], "n": 1}]
    terminal = answering(200, {"items": items, "next": None})
    assert terminal("vm", "list", f"--output={output}") == 0
    assert read(terminal.out.getvalue()) == items


def test_a_script_is_printed_as_it_is() -> None:
    terminal = Terminal(lambda _: httpx2.Response(200, text="hostler vm start '[bold]x'\n"))
    assert terminal("job", "script", ID, "--as", "shell") == 0
    assert terminal.out.getvalue() == "hostler vm start '[bold]x'\n"


HOSTILE = "a:dog:b :smile: [red]\x1b]0;x\x07\x7f\x9b31m \u202egnp.exe 日本"


@pytest.mark.parametrize("read", [json.loads, yaml.safe_load])
def test_no_name_is_changed_or_acts_on_a_terminal(
    capsys: pytest.CaptureFixture[str], read: Callable[[str], Any]
) -> None:
    answers = httpx2.MockTransport(lambda _: httpx2.Response(200, json={"items": [{"name": HOSTILE}], "next": None}))
    output = "json" if read is json.loads else "yaml"
    session = Session(lambda: Client(Settings(url="http://service"), answers))
    assert run(["vm", "list", f"--output={output}"], session) == 0
    written = capsys.readouterr().out
    assert written.replace("\n", "").isprintable()
    assert read(written) == [{"name": HOSTILE}]


def test_a_dry_run_shows_the_very_script(capsys: pytest.CaptureFixture[str]) -> None:
    script = "hostler vm start 'a:dog:b :smile:'\n"
    tried = {"title": "Start", "steps": [], "changes": [], "locks": {}, "scripts": {"shell": script}}
    answers = httpx2.MockTransport(lambda _: httpx2.Response(200, json=tried))
    session = Session(lambda: Client(Settings(url="http://service"), answers))
    assert run(["vm", "start", "a", "--dry-run"], session) == 0
    assert capsys.readouterr().out.endswith(script)
