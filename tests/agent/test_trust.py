"""Mutual TLS, both ways: who has no certificate, one of another CA, one out of date or a wrong name stays outside."""

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest
from msgspec.structs import replace
from tests.authority import Authority

import hostler
from hostler.agent.server import Agent
from hostler.providers.certificates import SERVICE_NAME, Certificates
from hostler.providers.contract import Fence
from hostler.providers.errors import AccessDenied, HostNotResponding, ProviderError
from hostler.providers.remote import RemoteProvider
from hostler.providers.simulated.connect import SideDoor
from hostler.providers.simulated.provider import SimulatedProvider
from hostler.providers.wire import path_of

FENCE = Fence(job_id="job", attempt=1)
SEED_FILE = "/var/lib/vms/base.qcow2"


@pytest.fixture
async def listening(simulated: SimulatedProvider, authority: Authority) -> AsyncIterator[str]:
    """An agent named `agent-1`; its address."""
    agent = Agent(simulated, authority.sign("agent-1"))
    port = await agent.start("127.0.0.1:0")
    yield f"127.0.0.1:{port}"
    await agent.stop(0)


async def denied(address: str, agent_name: str, certificates: Certificates) -> ProviderError:
    """The error that a dialler meets, at a read and at a change."""
    provider = RemoteProvider(address, agent_name, certificates)
    try:
        with pytest.raises((AccessDenied, HostNotResponding)) as at_read:
            await provider.read_vms()
        with pytest.raises((AccessDenied, HostNotResponding)):
            await provider.delete_file(FENCE, SEED_FILE)
        with pytest.raises((AccessDenied, HostNotResponding)):
            await anext(aiter(provider.events()))
    finally:
        await provider.close()
    return at_read.value


async def test_both_who_they_say_are_let_in(listening: str, authority: Authority) -> None:
    provider = RemoteProvider(listening, "agent-1", authority.sign(SERVICE_NAME))
    assert (await provider.read_vms()).complete
    await provider.close()


@pytest.mark.parametrize(
    "caller",
    [
        lambda ours, other: replace(other.sign(SERVICE_NAME), ca=ours.ca),
        lambda ours, _: ours.sign(SERVICE_NAME, expired=True),
        lambda ours, _: ours.sign("agent-2"),
        lambda ours, _: ours.sign(f"{SERVICE_NAME}.example"),
    ],
    ids=["other-ca", "expired", "another-agent", "longer-name"],
)
async def test_the_agent_lets_no_other_caller_in(
    listening: str,
    authority: Authority,
    other_authority: Authority,
    side_door: SideDoor,
    caller: Callable[[Authority, Authority], Certificates],
) -> None:
    before = side_door.effects()
    await denied(listening, "agent-1", caller(authority, other_authority))
    assert side_door.effects() == before


async def test_another_agents_certificate_is_told_what_is_wrong(listening: str, authority: Authority) -> None:
    error = await denied(listening, "agent-1", authority.sign("agent-2"))
    assert isinstance(error, AccessDenied)
    assert SERVICE_NAME in error.message
    assert error.remedy


async def test_a_caller_without_a_certificate_stays_outside(listening: str, authority: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(root_certificates=authority.ca.read_bytes())
    options = [("grpc.ssl_target_name_override", "agent-1")]
    async with grpc.aio.secure_channel(listening, credentials, options=options) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await channel.unary_unary(path_of("read_vms"))(b"{}", timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_without_tls_stays_outside(listening: str) -> None:
    async with grpc.aio.insecure_channel(listening) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refusal:
            await channel.unary_unary(path_of("read_vms"))(b"{}", timeout=10)
    assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("agent", "dialled"),
    [
        (lambda ours, other: replace(other.sign("agent-1"), ca=ours.ca), "agent-1"),
        (lambda ours, _: ours.sign("agent-1", expired=True), "agent-1"),
        (lambda ours, _: ours.sign("agent-2"), "agent-1"),
        (lambda ours, _: ours.sign(SERVICE_NAME), "agent-1"),
    ],
    ids=["other-ca", "expired", "another-agent", "the-services-own"],
)
async def test_the_service_speaks_to_no_other_agent(
    simulated: SimulatedProvider,
    authority: Authority,
    other_authority: Authority,
    side_door: SideDoor,
    agent: Callable[[Authority, Authority], Certificates],
    dialled: str,
) -> None:
    before = side_door.effects()
    impostor = Agent(simulated, agent(authority, other_authority))
    port = await impostor.start("127.0.0.1:0")
    error = await denied(f"127.0.0.1:{port}", dialled, authority.sign(SERVICE_NAME))
    await impostor.stop(0)
    assert isinstance(error, AccessDenied)
    assert side_door.effects() == before


async def test_a_missing_key_is_named(simulated: SimulatedProvider, authority: Authority) -> None:
    certificates = replace(authority.sign("agent-1"), key=Path("/nowhere/agent.key"))
    with pytest.raises(AccessDenied, match=r"/nowhere/agent\.key"):
        Agent(simulated, certificates)
    with pytest.raises(AccessDenied, match=r"/nowhere/agent\.key"):
        RemoteProvider("127.0.0.1:1", "agent-1", certificates)


def test_nothing_in_the_house_weakens_tls() -> None:
    weak = re.compile(
        r"insecure_channel|add_insecure_port|CERT_NONE|verify=False|cert_validation=False|_create_unverified"
    )
    source = Path(hostler.__file__).parent
    files = list(source.rglob("*.py"))
    assert files
    assert [str(path) for path in files if weak.search(path.read_text())] == []
