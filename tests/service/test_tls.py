"""TLS: made where it is needed, kept, secret, and refused with a reason when it cannot be used."""

import asyncio
import os
import socket
import ssl
import stat
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import httpx2
import pytest
from cryptography import x509
from fastapi import FastAPI

from hostler.service import tls
from hostler.service.tls import Certificate, CertificateError, certificate_for
from hostler.service.web import WebServer


class _Feed:
    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.evil.test", False),
        ("", False),
    ],
)
def test_what_is_loopback(address: str, loopback: bool) -> None:
    assert tls.is_loopback(address) is loopback


def test_loopback_needs_none(tmp_path: Path) -> None:
    assert certificate_for("127.0.0.1", tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_it_is_made_once_and_its_key_is_ours_alone(tmp_path: Path) -> None:
    os.umask(before := os.umask(0))
    os.umask(0)
    try:
        made = certificate_for("0.0.0.0", tmp_path)
    finally:
        os.umask(before)
    assert made is not None
    assert stat.S_IMODE(made.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(made.key.parent.stat().st_mode) == 0o700
    content = made.key.read_bytes()
    assert certificate_for("0.0.0.0", tmp_path) == made
    assert made.key.read_bytes() == content


def test_a_foreign_key_is_refused(tmp_path: Path) -> None:
    one, two = certificate_for("10.0.0.1", tmp_path / "1"), certificate_for("10.0.0.1", tmp_path / "2")
    assert one is not None
    assert two is not None
    with pytest.raises(CertificateError, match="does not belong"):
        certificate_for("127.0.0.1", tmp_path, Certificate(certificate=one.certificate, key=two.key))


def test_an_ended_certificate_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            return super().now(UTC) + timedelta(days=tls.DAYS + 1)

    certificate_for("10.0.0.1", tmp_path)
    monkeypatch.setattr(tls, "datetime", Later)
    with pytest.raises(CertificateError, match="ended at"):
        certificate_for("10.0.0.1", tmp_path)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "c").write_bytes(content)
    with pytest.raises(CertificateError, match="cannot be read"):
        certificate_for("::", tmp_path, Certificate(certificate=tmp_path / "c", key=tmp_path / "missing"))


async def test_a_client_that_trusts_it_gets_through(tmp_path: Path) -> None:
    made = certificate_for("10.0.0.1", tmp_path)
    assert made is not None
    app = FastAPI()
    app.state.feed = _Feed()
    listener = socket.create_server(("127.0.0.1", 0))
    server = WebServer(app, "127.0.0.1", 0, made)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    trusting = ssl.create_default_context(cafile=str(made.certificate))
    async with httpx2.AsyncClient(verify=trusting) as client:
        answer = await client.get(f"https://localhost:{listener.getsockname()[1]}/openapi.json")
    assert answer.status_code == 200
    server.should_exit = True
    await serving
    listener.close()


def test_who_listens_everywhere_is_reached_by_the_machines_own_address(tmp_path: Path) -> None:
    made = certificate_for("0.0.0.0", tmp_path)
    assert made is not None
    certificate = x509.load_pem_x509_certificate(made.certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no way out")
        own = ip_address(asked.getsockname()[0])
    assert own in names.get_values_for_type(x509.IPAddress)
