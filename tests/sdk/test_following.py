"""Following a job: by live events with resume, by reading where there are none, and over a restart of the service."""

import json

import httpx2
import pytest

from hostler.sdk import JobFailedError
from hostler.sdk.client import Client
from hostler.sdk.settings import Settings

ID = "0b8f6f0e-7d0a-4d2c-9d3a-0123456789ab"


class Service:
    """A job that is one state further each time it is read; None is a service that is away."""

    def __init__(self, *states: str | None, events: list[bytes | None]) -> None:
        self.states, self.events = list(states), events
        self.resumed: list[str | None] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/events"):
            assert dict(request.url.params) == {"kind": "job", "object_id": ID}
            self.resumed.append(request.headers.get("Last-Event-ID"))
            stream = self.events.pop(0) if self.events else None
            if stream is None:
                return httpx2.Response(404, json={"detail": "There are no events."})
            return httpx2.Response(200, content=stream, headers={"Content-Type": "text/event-stream"})
        state = self.states.pop(0)
        if state is None:
            raise httpx2.ConnectError("away")
        return httpx2.Response(200, content=json.dumps({"id": ID, "state": state, "title": "Start vm a"}))

    def client(self) -> Client:
        return Client(Settings(), httpx2.MockTransport(self))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.sdk.transport._PAUSES_SECONDS", ())
    monkeypatch.setattr("hostler.sdk.jobs._READ_EVERY_SECONDS", 0.001)


def event(number: int) -> bytes:
    return f"id: {number}\nevent: job\ndata: {{}}\n\n".encode()


def test_each_event_is_a_reason_to_read_and_a_cut_stream_is_resumed() -> None:
    service = Service(
        *("queued", "queued", "running", "running", "completed"),
        events=[event(7) + b": alive\n\n" + event(8), event(9) + event(10)],
    )
    states = [job.state for job in service.client().jobs.follow(ID)]
    assert states == ["queued", "running", "completed"]
    assert service.resumed == [None, "8"]


def test_without_events_the_job_is_read() -> None:
    service = Service("queued", "running", "completed", events=[])
    assert [job.state for job in service.client().jobs.follow(ID)] == ["queued", "running", "completed"]


def test_a_service_that_restarts_is_waited_for() -> None:
    service = Service("running", None, None, "running", "completed", events=[])
    assert service.client().jobs.get(ID).wait().state == "completed"


def test_a_job_that_failed_is_an_error_that_names_it() -> None:
    service = Service("running", "failed", events=[])
    with pytest.raises(JobFailedError, match=ID) as failed:
        service.client().jobs.get(ID).wait()
    assert failed.value.job.state == "failed"


def test_a_job_can_be_waited_for_in_vain() -> None:
    service = Service("running", *["running"] * 1000, events=[])
    with pytest.raises(TimeoutError):
        service.client().jobs.get(ID).wait(timeout_seconds=0.02)
