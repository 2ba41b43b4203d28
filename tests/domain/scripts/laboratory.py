"""Two operations with every kind of parameter, hostile calls of them, and clients that record instead of calling."""

import json
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import httpx2
from hypothesis import strategies as st

from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import Kind, OperationWords, Option
from hostler.sdk.settings import Settings
from hostler.sdk.transport import Transport
from hostler.service.generating import sdk_methods

_OPTIONS = (
    Option(name="label", kind=Kind.TEXT, nullable=True),
    Option(name="note_of_it", kind=Kind.TEXT, refers_to="host"),
    Option(name="cpu_count", kind=Kind.INTEGER, nullable=True),
    Option(name="ratio", kind=Kind.NUMBER),
    Option(name="powered", kind=Kind.FLAG, nullable=True),
    Option(name="tags", kind=Kind.TEXTS, nullable=True),
    Option(name="disks", kind=Kind.JSON),
)


def _words(verb: str, *, makes_new: bool) -> OperationWords:
    return OperationWords(
        noun="vm",
        plural="vms",
        title="virtual machine",
        verb=verb,
        cmdlet="Set-SCVirtualMachine",
        help="For tests.",
        makes_new=makes_new,
        options=_OPTIONS,
    )


WORDS = {words.verb: words for words in (_words("create", makes_new=True), _words("take-apart", makes_new=False))}
ID = "0b8f6f0e-7d0a-4d2c-9d3a-0123456789ab"

# Pieces that shells, PowerShell, Python, curl or terminals give a meaning of their own.
FRAGMENTS = (
    *("'", '"', "`", "\\", "\\'", "’", "‘", "‚", "‛", "“", "”", "„", "«", "$()", "$(touch x)", "`id`", "${HOME}", "$1"),
    *("\n", "\r", "\r\n", "\t", "\x1b]0;x\x07", "\x7f", "\x85", "\u2028", "\u202e", "\u200b", "\ufeff", "\xa0"),
    *(
        "-",
        "--",
        "--help",
        "-rf",
        "@file",
        "@-",
        "!",
        "!!",
        "#",
        "~",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "&",
        "|",
        ";",
        "<",
        ">",
    ),
    *(
        "%s",
        "%n",
        "%2F",
        "..",
        ".",
        "/",
        "//",
        "a/b",
        "C:\\x",
        "=",
        "--name=x",
        "BODY",
        "TOKEN",
        "ARGUMENTS",
        "\nBODY\n",
    ),
    *(
        "שלום",
        "مرحبا",
        "日本語",
        "🧑‍🚀",
        "e\u0301",
        "\U000e0001",
        "null",
        "None",
        "true",
        "[1]",
        "{}",
        "'''",
        '"""',
        "#>",
        "'@",
    ),
)
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join),
    st.sampled_from(["", " ", "x" * 300, "'" * 1000]),
)
_LONG = st.sampled_from(["long\n'\"$(x)`y`" * 6000, "🧑‍🚀" * 25000, "🚀" * 40_000])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
_ARGUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "label": TEXTS | st.none(),
        "note_of_it": TEXTS.map(lambda name: f"{ID}:{name}"),
        "cpu_count": st.integers(-(2**63), 2**63 - 1) | st.none(),
        "ratio": st.floats(allow_nan=False, allow_infinity=False),
        "powered": st.booleans() | st.none(),
        "tags": st.lists(TEXTS, max_size=4) | st.none(),
        "disks": JSON,
    },
)


def _call(verb: str, name: str, arguments: dict[str, Any]) -> Call:
    subject = None if WORDS[verb].makes_new else f"{ID}:{name}"
    return Call(noun="vm", verb=verb, subject=subject, arguments=arguments)


CALLS = st.builds(_call, st.sampled_from(sorted(WORDS)), TEXTS, _ARGUMENTS)
LONG_CALLS = st.builds(lambda text, call: _call(call.verb, "vm", {**call.arguments, "label": text}), _LONG, CALLS)


class Recorder:
    """A client whose service accepts everything and keeps what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        transport = Transport(Settings(url="http://recorder"), httpx2.MockTransport(self._answer))
        self.client: Any = SimpleNamespace(vms=_vms_of_the_sdk()(transport))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(call_of_request(str(request.url), request.content.decode()))
        return httpx2.Response(202, json={"id": request.headers["Idempotency-Key"], "state": "completed", "title": "x"})


def _vms_of_the_sdk() -> Any:
    """The class that `hostler dev generate` would write for these operations."""
    source = sdk_methods.files([("vm", "vms", "virtual machine")], list(WORDS.values()))["methods/vms.py"]
    module: dict[str, Any] = {}
    exec(compile(source, "vms.py", "exec"), module)
    return module["Vms"]


def call_of_request(url: str, body: str) -> Call:
    """What the API makes of a request."""
    parts = urlsplit(url)
    path = [unquote(segment, errors="strict") for segment in parts.path.split("/")]
    assert path[:4] == ["", "api", "v1", "vms"]
    arguments = json.loads(body)
    if len(path) == 4:
        return Call(noun="vm", verb="create", subject=None, arguments=arguments)
    identity, verb = path[4:]
    query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=True, errors="strict")
    return Call(noun="vm", verb=verb, subject=f"{identity}:{query['expect_name'][0]}", arguments=arguments)
