"""Whose service the quickstart talks to: its own, or none."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from hostler.service import quickstart
from hostler.service.alone import Alone
from hostler.service.child import ServiceNotStartedError
from hostler.service.settings import ServiceSettings


class Healthy(BaseHTTPRequestHandler):
    """Answers as a service does that is alive."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield server.server_port
        server.shutdown()
        serving.join()


def test_a_service_on_other_data_is_left_alone(tmp_path: Path, port: int) -> None:
    settings = ServiceSettings(data=tmp_path / "data", port=port)
    with (
        pytest.raises(ServiceNotStartedError, match="does not keep its data in"),
        quickstart._service(settings),
    ):
        pytest.fail("somebody else's service was taken for ours")


def test_a_service_that_runs_on_these_data_is_used(tmp_path: Path, port: int) -> None:
    settings = ServiceSettings(data=tmp_path / "data", port=port)
    with Alone(settings.pid_file), quickstart._service(settings) as (child, started):
        assert not started
        assert child.url.endswith(str(port))
