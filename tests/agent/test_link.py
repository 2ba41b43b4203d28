"""What the link does when something breaks: no answer is never an answer, and a change that began goes on."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from tests.authority import Authority
from tests.providers.conditions import until

from hostler.agent.server import Agent
from hostler.domain.machines.facts import VmEvent, VmFacts
from hostler.domain.machines.spec import VmSpec
from hostler.providers.certificates import SERVICE_NAME
from hostler.providers.contract import Fence
from hostler.providers.errors import AccessDenied, HostNotResponding, OutOfSpace, ProviderError, Refused
from hostler.providers.remote import Deadlines, RemoteProvider
from hostler.providers.simulated.connect import SideDoor, SimulatedProcess, connect
from hostler.providers.simulated.knobs import Fault, FaultKind, Knobs
from hostler.providers.simulated.provider import SimulatedProvider

HOST = "sim-1"
FENCE = Fence(job_id="job", attempt=1)


class Broken(SimulatedProvider):
    """A provider with bugs."""

    async def read_vm(self, native_id: str) -> VmFacts | None:
        raise ZeroDivisionError(native_id)

    async def events(self) -> AsyncIterator[VmEvent]:
        yield VmEvent(native_id="a", name="a")
        raise ZeroDivisionError


def a_vm() -> VmSpec:
    vm_id = str(uuid.uuid4())
    return VmSpec(vm_id=vm_id, name=vm_id, cpu_count=1, memory_mib=64)


async def dialled(
    provider: SimulatedProvider, authority: Authority, deadlines: Deadlines | None = None
) -> tuple[Agent, RemoteProvider, int]:
    agent = Agent(provider, authority.sign("agent-1"))
    port = await agent.start("127.0.0.1:0")
    return agent, RemoteProvider(f"127.0.0.1:{port}", "agent-1", authority.sign(SERVICE_NAME), deadlines), port


@pytest.fixture
async def link(simulated: SimulatedProvider, authority: Authority) -> AsyncIterator[tuple[Agent, RemoteProvider]]:
    agent, remote, _ = await dialled(simulated, authority)
    yield agent, remote
    await remote.close()
    await agent.stop(0)


async def test_nobody_at_the_address(authority: Authority) -> None:
    remote = RemoteProvider("127.0.0.1:1", "agent-1", authority.sign(SERVICE_NAME))
    with pytest.raises(HostNotResponding, match=r"127\.0\.0\.1:1") as silence:
        await remote.read_vms()
    assert silence.value.remedy
    await remote.close()


async def test_an_agent_that_went_away_and_came_back(simulated: SimulatedProvider, authority: Authority) -> None:
    agent, remote, port = await dialled(simulated, authority)
    await remote.read_vms()
    await agent.stop(0)
    with pytest.raises(HostNotResponding):
        await remote.read_vms()
    agent = Agent(simulated, authority.sign("agent-1"))
    assert await agent.start(f"127.0.0.1:{port}") == port

    async def answers() -> bool | None:
        try:
            return (await remote.read_vms()).complete
        except HostNotResponding:
            return None

    assert await until(answers, "the link does not heal", 20.0)
    await remote.close()
    await agent.stop(0)


async def test_events_end_when_the_agent_goes_away(simulated: SimulatedProvider, authority: Authority) -> None:
    agent, remote, _ = await dialled(simulated, authority)
    events = aiter(remote.events())
    waiting = asyncio.ensure_future(anext(events))

    async def heard() -> bool | None:
        await simulated.define_vm(FENCE, spec := a_vm())
        await simulated.undefine_vm(FENCE, spec.vm_id)
        return waiting.done() or None

    await until(heard, "no event comes")
    await agent.stop(0)
    with pytest.raises(HostNotResponding):
        async for _ in events:
            pass
    await remote.close()


async def test_a_deadline_is_silence_and_the_change_goes_on(
    simulated: SimulatedProvider, authority: Authority, side_door: SideDoor
) -> None:
    agent, remote, _ = await dialled(simulated, authority, Deadlines(read_seconds=0.05, change_seconds=0.05))
    side_door.set_knobs(HOST, Knobs(latency_seconds=0.3))
    spec = a_vm()
    with pytest.raises(HostNotResponding, match="deadline_exceeded"):
        await remote.define_vm(FENCE, spec)
    with pytest.raises(HostNotResponding):
        await remote.read_vms()
    await agent.stop()
    side_door.set_knobs(HOST, Knobs())
    assert await simulated.read_vm(spec.vm_id) is not None
    await remote.close()


async def test_a_caller_who_hangs_up_does_not_stop_a_change(
    link: tuple[Agent, RemoteProvider], simulated: SimulatedProvider, side_door: SideDoor
) -> None:
    agent, remote = link
    side_door.set_knobs(HOST, Knobs(latency_seconds=0.2))
    spec = a_vm()
    call = asyncio.create_task(remote.define_vm(FENCE, spec))

    async def begun() -> bool | None:
        return bool(agent.changes_under_way) or None

    await until(begun, "the change does not reach the agent")
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await agent.stop()
    side_door.set_knobs(HOST, Knobs())
    assert await simulated.read_vm(spec.vm_id) is not None


@pytest.mark.parametrize(
    ("code", "kind"), [("out_of_space", OutOfSpace), ("refused", Refused), ("access_denied", AccessDenied)]
)
async def test_the_hosts_errors_arrive_as_themselves(
    link: tuple[Agent, RemoteProvider], side_door: SideDoor, code: str, kind: type[ProviderError]
) -> None:
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="define_vm", code=code, message="it's <full> \N{ROCKET}"),)))
    with pytest.raises(kind) as error:
        await link[1].define_vm(FENCE, a_vm())
    assert error.value.message == "it's <full> \N{ROCKET}"
    assert error.value.remedy


async def test_a_lost_reply_behind_the_agent_is_silence(
    link: tuple[Agent, RemoteProvider], side_door: SideDoor
) -> None:
    side_door.set_knobs(HOST, Knobs(faults=(Fault(call="define_vm", kind=FaultKind.LOST_REPLY),)))
    spec = a_vm()
    with pytest.raises(HostNotResponding):
        await link[1].define_vm(FENCE, spec)
    assert await link[1].read_vm(spec.vm_id) is not None


async def test_a_bug_in_a_provider_is_told_as_one(simulated_process: SimulatedProcess, authority: Authority) -> None:
    agent, remote, _ = await dialled(Broken(simulated_process.socket_path, HOST), authority)
    with pytest.raises(ProviderError, match="ZeroDivisionError") as error:
        await remote.read_vm("any")
    assert type(error.value) is ProviderError
    events = aiter(remote.events())
    assert (await anext(events)).native_id == "a"
    with pytest.raises(ProviderError, match="ZeroDivisionError"):
        await anext(events)
    await remote.close()
    await agent.stop(0)


async def test_a_closed_link_says_so(link: tuple[Agent, RemoteProvider]) -> None:
    await link[1].close()
    with pytest.raises(HostNotResponding, match="closed"):
        await link[1].read_vms()


async def test_a_large_answer_passes(
    side_door: SideDoor, simulated_process: SimulatedProcess, authority: Authority
) -> None:
    side_door.populate(3, 1, 15_000)
    direct = connect(simulated_process.socket_path, "sim-00001")
    agent, remote, _ = await dialled(direct, authority)
    assert len((await remote.read_vms()).vms) == 15_000
    await remote.close()
    await agent.stop(0)
    await direct.close()


async def test_a_port_in_use_is_refused(simulated: SimulatedProvider, authority: Authority) -> None:
    first = Agent(simulated, authority.sign("agent-1"))
    port = await first.start("127.0.0.1:0")
    second = Agent(simulated, authority.sign("agent-1"))
    with pytest.raises(AccessDenied, match=str(port)):
        await second.start(f"127.0.0.1:{port}")
    await first.stop(0)
    await second.stop(0)
