"""What the service is told when it starts: where its data are, where it listens, by which certificate."""

from pathlib import Path

from msgspec import Struct

from hostler.service.tls import Certificate

DEFAULT_PORT = 8100


class ServiceSettings(Struct, frozen=True, kw_only=True):
    """`data` holds everything that must be kept: database, keys, library, and what providers remember."""

    data: Path
    address: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    certificate: Certificate | None = None
    job_history_days: int = 90

    @property
    def database(self) -> Path:
        return self.data / "hostler.sqlite"

    @property
    def pid_file(self) -> Path:
        return self.data / "hostler.pid"

    @property
    def library(self) -> Path:
        return self.data / "library"

    @property
    def vms(self) -> Path:
        return self.data / "vms"
