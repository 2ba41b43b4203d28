"""The three files that each end of an agent link has, and the name that each demands of the other."""

from pathlib import Path

from msgspec import Struct

from hostler.providers.errors import AccessDenied

SERVICE_NAME = "hostler-service"
"""The DNS name in the service's certificate; agents let nobody else in, whatever our CA has signed."""


class Certificates(Struct, frozen=True, kw_only=True):
    """Paths of PEM files: our CA, this end's certificate, and its key."""

    ca: Path
    certificate: Path
    key: Path


class CertificateBytes(Struct, frozen=True, kw_only=True):
    """What is in the files."""

    ca: bytes
    certificate: bytes
    key: bytes


def load(certificates: Certificates) -> CertificateBytes:
    """Read the files; `AccessDenied` names the one that cannot be read."""

    def read(path: Path, what: str) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            raise AccessDenied(
                f"{what} {path} cannot be read: {error.strerror}",
                "Give the agent link its three files again: CA, certificate and key.",
            ) from error

    return CertificateBytes(
        ca=read(certificates.ca, "the CA's certificate"),
        certificate=read(certificates.certificate, "the certificate"),
        key=read(certificates.key, "the key"),
    )
