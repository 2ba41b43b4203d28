"""How the client asks: what it retries, with which key, and what its errors tell."""

import httpx2
import pytest

from hostler.sdk import HostlerError, NotReachableError
from hostler.sdk.client import Client
from hostler.sdk.settings import Settings

JOB = {"id": "0b8f6f0e-7d0a-4d2c-9d3a-0123456789ab", "state": "completed", "title": "Start vm a"}


class Service:
    """Answers what it was told to, one answer a request."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers, self.requests = list(answers), list[httpx2.Request]()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def client(self) -> Client:
        return Client(Settings(url="http://service", token="secret"), httpx2.MockTransport(self))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hostler.sdk.transport._PAUSES_SECONDS", (0, 0))


def test_a_lost_answer_is_asked_for_again_with_the_same_key() -> None:
    service = Service(httpx2.ReadError("cut off"), httpx2.Response(503), httpx2.Response(202, json=JOB))
    job = service.client().vms.start("web-01")
    assert job.id == JOB["id"]
    keys = {request.headers["Idempotency-Key"] for request in service.requests}
    assert len(service.requests) == 3
    assert len(keys) == 1


def test_two_calls_have_two_keys() -> None:
    service = Service(httpx2.Response(202, json=JOB), httpx2.Response(202, json=JOB))
    client = service.client()
    client.vms.start("web-01")
    client.vms.start("web-01")
    assert len({request.headers["Idempotency-Key"] for request in service.requests}) == 2


def test_what_has_no_key_is_not_sent_twice() -> None:
    service = Service(httpx2.ReadError("cut off"), httpx2.Response(200, json=JOB))
    with pytest.raises(NotReachableError):
        service.client().tokens.create("a token")
    assert len(service.requests) == 1


def test_a_refusal_tells_why_and_what_would_help() -> None:
    problem = {"code": "conflict", "detail": "The VM is in use.", "remedy": "Wait.", "job": "j", "ids": ["a"]}
    service = Service(httpx2.Response(409, json=problem))
    with pytest.raises(HostlerError) as refused:
        service.client().vms.start("web-01")
    error = refused.value
    assert (error.code, error.detail, error.remedy, error.status) == ("conflict", "The VM is in use.", "Wait.", 409)
    assert error.problem.job == "j"
    assert error.problem.more == {"ids": ["a"]}


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff"])
def test_another_server_at_the_address_is_told_from_a_refusal(body: bytes) -> None:
    service = Service(httpx2.Response(404, content=body))
    with pytest.raises(NotReachableError):
        service.client().vms.get("0b8f6f0e-7d0a-4d2c-9d3a-0123456789ab")


@pytest.mark.parametrize("name", ["a/b", "..", ".", ""])
def test_a_name_that_no_address_can_hold_is_looked_up_first(name: str) -> None:
    found = {"items": [{"id": "an-id"}], "next": None}
    service = Service(httpx2.Response(200, json=found), httpx2.Response(202, json=JOB))
    service.client().vms.start(name)
    assert service.requests[0].url.params["filter"] == f"name:eq:{name}"
    assert service.requests[1].url.path == "/api/v1/vms/an-id/start"


def test_the_check_of_a_name_goes_along() -> None:
    service = Service(httpx2.Response(202, json=JOB))
    service.client().vms.start(f"{JOB['id']}:it's a/b")
    assert service.requests[0].url.path == f"/api/v1/vms/{JOB['id']}/start"
    assert service.requests[0].url.params["expect_name"] == "it's a/b"


def test_lists_read_the_next_page_when_it_is_wanted() -> None:
    pages = [{"items": [{"id": "1"}, {"id": "2"}], "next": "2"}, {"items": [{"id": "3"}], "next": None}]
    service = Service(*(httpx2.Response(200, json=page) for page in pages))
    found = service.client().vms.list(filters=["state:eq:running", "name:like:a*"], sort="-name")
    assert next(found)["id"] == "1"
    assert len(service.requests) == 1
    assert [one["id"] for one in found] == ["2", "3"]
    assert service.requests[1].url.params["after"] == "2"
    assert service.requests[1].url.params.get_list("filter") == ["state:eq:running", "name:like:a*"]


def test_a_dry_run_is_no_job() -> None:
    tried = {"title": "Start vm a", "steps": ["Start it"], "locks": {"exclusive": ["vm/1"], "shared": []}}
    service = Service(httpx2.Response(200, json=tried))
    job = service.client().vms.start("a", dry_run=True, reason="why & how")
    assert job.dry_run is not None
    assert job.dry_run.steps == ("Start it",)
    assert dict(service.requests[0].url.params) == {"dry_run": "true", "reason": "why & how"}
