"""TLS of the service: anything but loopback needs it. A certificate is made at the first start, or given."""

import contextlib
import ipaddress
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec import Struct

DAYS = 825
"""How long a certificate of ours is good for: the most that browsers take."""


class CertificateError(Exception):
    """The certificate cannot be used; the message says why and what to do."""


class Certificate(Struct, frozen=True, kw_only=True):
    """Paths of PEM files: the certificate, its chain behind it, and its key."""

    certificate: Path
    key: Path


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach a listener at this address."""
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False


def certificate_for(address: str, data: Path, given: Certificate | None = None) -> Certificate | None:
    """What the listener at `address` needs: the user's own, else ours; None on loopback without one given."""
    if given is not None:
        return _checked(given)
    if is_loopback(address):
        return None
    ours = Certificate(certificate=data / "tls" / "certificate.pem", key=data / "tls" / "key.pem")
    if not (ours.certificate.exists() and ours.key.exists()):
        _make(ours, address)
    return _checked(ours)


def fingerprint(certificate: Path) -> str:
    """SHA-256 of a certificate, as browsers and openssl show it."""
    digest = x509.load_pem_x509_certificate(certificate.read_bytes()).fingerprint(hashes.SHA256())
    return digest.hex(":").upper()


def _checked(files: Certificate) -> Certificate:
    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        key = serialization.load_pem_private_key(files.key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as bad:
        raise CertificateError(
            f"The TLS files {files.certificate} and {files.key} cannot be read: {bad}. "
            "Give a PEM certificate and its PEM key without a passphrase."
        ) from bad
    if certificate.public_key() != key.public_key():
        raise CertificateError(f"The key {files.key} does not belong to the certificate {files.certificate}.")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise CertificateError(
            f"The certificate {files.certificate} ended at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M} UTC. "
            "Renew it; one that Hostler made is made anew when you remove it."
        )
    return files


def _make(files: Certificate, address: str) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hostler")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(address)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(files.key, pem, 0o600)
    _write(files.certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)


def _names(address: str) -> list[x509.GeneralName]:
    """By what names a browser may reach us: this machine's, and the address if it is one."""
    names = dict.fromkeys(["localhost", socket.gethostname(), socket.getfqdn()])
    found: list[x509.GeneralName] = [x509.DNSName(name) for name in names if name.isascii() and name]
    try:
        listened = ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        return [*found, *([x509.DNSName(address)] if address.isascii() and address not in names else [])]
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    reached = _own_addresses() if listened.is_unspecified else [listened]
    return [*found, loopback, *(x509.IPAddress(one) for one in reached)]


def _own_addresses() -> list[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    """The addresses this machine speaks from: a datagram socket is given one without sending anything."""
    found = []
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
        with socket.socket(family, socket.SOCK_DGRAM) as asked, contextlib.suppress(OSError):
            asked.connect((anywhere, 9))
            found.append(ipaddress.ip_address(asked.getsockname()[0]))
    return [one for one in found if not one.is_loopback]


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all, and never readable by others in between."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
