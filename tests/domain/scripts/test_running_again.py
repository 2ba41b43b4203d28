"""Running the text of a script again makes the same call, whatever its texts hold."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rich.console import Console
from tests.domain.scripts.laboratory import CALLS, LONG_CALLS, WORDS, Recorder, call_of_request

import hostler
from hostler.cli.main import run
from hostler.cli.session import Session
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.render import Language, render

BATCH = 20
BATCHES = st.lists(CALLS, min_size=BATCH, max_size=BATCH)
LONG_BATCHES = st.lists(LONG_CALLS, min_size=1, max_size=2)
CAMPAIGN = os.environ.get("HYPOTHESIS_PROFILE") == "campaign"
MANY = settings(
    max_examples=600 if CAMPAIGN else 15,  # of a batch each: 12,000 calls in each language
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
        HealthCheck.function_scoped_fixture,
    ],
)
FEW = settings(MANY, max_examples=3)

RECORD_HOSTLER = """\
#!/bin/sh
{ printf '%s\\0' "$#" "$@"; for a; do [ "$a" = --arguments=- ] && cat; done; printf '\\0'; } >> "$RECORD"
"""
RECORD_CURL = """\
#!/bin/sh
{ printf '%s\\0' "$#" "$@"; cat; printf '\\0'; cat /dev/fd/3; printf '\\0'; } >> "$RECORD"
"""


def scripts(calls: Sequence[Call], language: Language) -> str:
    return "".join(render(call, WORDS[call.verb], language) for call in calls)


class Shell:
    """A real shell, in which `hostler` and `curl` only write down how they were called."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.record = folder, folder / "record"
        for name, text in (("hostler", RECORD_HOSTLER), ("curl", RECORD_CURL)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    def fields(self, shell: str, script: str) -> Iterator[str]:
        self.record.write_bytes(b"")
        (self.folder / "script").write_bytes(script.encode())
        environment = {
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "RECORD": str(self.record),
            "HOSTLER_URL": "http://service",
            "HOSTLER_TOKEN": "sec`ret$(x)",
            "LC_ALL": "C.UTF-8",
        }
        done = subprocess.run(
            [shell, str(self.folder / "script")], env=environment, cwd=self.folder, capture_output=True, check=True
        )
        assert done.stdout == done.stderr == b""
        assert sorted(path.name for path in self.folder.iterdir()) == ["curl", "hostler", "record", "script"]
        return iter(self.record.read_bytes().decode().split("\0")[:-1])

    def commands(self, shell: str, script: str, *, bodies: int) -> Iterator[tuple[list[str], list[str]]]:
        fields = self.fields(shell, script)
        for count in fields:
            arguments = [next(fields) for _ in range(int(count))]
            yield arguments, [next(fields) for _ in range(bodies)]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    return Shell(tmp_path_factory.mktemp("shell"))


@pytest.fixture(scope="module")
def recorder() -> Recorder:
    return Recorder()


def through_the_command_line(recorder: Recorder, arguments: list[str], standard_input: str) -> Call:
    told = StringIO()
    session = Session(lambda: recorder.client, Console(file=StringIO()), Console(file=told))
    with mock.patch.object(sys, "stdin", StringIO(standard_input)):
        assert run(arguments, session, table=list(WORDS.values())) == 0, told.getvalue()
    return recorder.calls.pop()


def check_shell(shell: Shell, recorder: Recorder, name: str, calls: Sequence[Call]) -> None:
    commands = shell.commands(name, scripts(calls, Language.SHELL), bodies=1)
    made = [through_the_command_line(recorder, arguments, body) for arguments, (body,) in commands]
    assert made == list(calls)


def check_curl(shell: Shell, name: str, calls: Sequence[Call]) -> None:
    made = []
    for arguments, (body, header) in shell.commands(name, scripts(calls, Language.CURL), bodies=2):
        assert header == "Authorization: Bearer sec`ret$(x)\n"
        assert not any("sec`ret" in argument for argument in arguments)
        (url,) = (argument for argument in arguments if argument.startswith("http://service/"))
        assert url.isascii()
        made.append(call_of_request(url, body))
    assert made == list(calls)


def check_python(recorder: Recorder, calls: Sequence[Call]) -> None:
    with mock.patch.object(hostler, "connect", return_value=recorder.client, create=True):
        for call in calls:
            exec(compile(render(call, WORDS[call.verb], Language.PYTHON), "script", "exec"), {})
    made = list(recorder.calls)
    recorder.calls.clear()
    assert made == list(calls)


@MANY
@given(calls=BATCHES)
def test_python(recorder: Recorder, calls: list[Call]) -> None:
    check_python(recorder, calls)


@pytest.mark.parametrize("name", ["sh", "bash"])
@MANY
@given(calls=BATCHES)
def test_shell(shell: Shell, recorder: Recorder, name: str, calls: list[Call]) -> None:
    check_shell(shell, recorder, name, calls)


@pytest.mark.parametrize("name", ["sh", "bash"])
@MANY
@given(calls=BATCHES)
def test_curl(shell: Shell, name: str, calls: list[Call]) -> None:
    check_curl(shell, name, calls)


@FEW
@given(calls=LONG_BATCHES)
def test_texts_longer_than_an_argument_may_be(shell: Shell, recorder: Recorder, calls: list[Call]) -> None:
    check_python(recorder, calls)
    check_shell(shell, recorder, "sh", calls)
    check_shell(shell, recorder, "bash", calls)
    check_curl(shell, "sh", calls)


@given(call=CALLS, language=st.sampled_from(list(Language)))
def test_nothing_in_a_script_hides(call: Call, language: Language) -> None:
    text = render(call, WORDS[call.verb], language)
    assert [one for one in text if not one.isprintable() and one != "\n"] == []


class _Asked(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        server: Any = self.server
        server.asked.append((call_of_request(self.path, body), self.headers["Authorization"]))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def service() -> Iterator[Any]:
    """A service on loopback that keeps what it was asked."""
    server: Any = HTTPServer(("127.0.0.1", 0), _Asked)
    server.asked = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@settings(MANY, max_examples=15 if CAMPAIGN else 1)
@given(calls=BATCHES)
def test_real_curl_sends_the_same_calls(tmp_path: Path, service: Any, calls: list[Call]) -> None:
    (tmp_path / "script").write_bytes(scripts(calls, Language.CURL).encode())
    environment = {
        "PATH": os.environ["PATH"],
        "HOSTLER_URL": f"http://127.0.0.1:{service.server_port}",
        "HOSTLER_TOKEN": "token",
        "no_proxy": "*",
    }
    service.asked.clear()
    subprocess.run(["sh", str(tmp_path / "script")], env=environment, check=True, timeout=120)
    assert [call for call, _ in service.asked] == calls
    assert {header for _, header in service.asked} == {"Bearer token"}
