"""A provider at the other end of an agent link: gRPC with msgspec bodies over mTLS; the service dials."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import msgspec
from msgspec import Struct

from hostler.domain.machines.facts import VmEvent
from hostler.providers.certificates import Certificates, load
from hostler.providers.contract import Provider
from hostler.providers.errors import AccessDenied, HostNotResponding, ProviderError
from hostler.providers.proxy import Proxy
from hostler.providers.wire import decode_reply, methods_of, path_of, result_of

LONGEST_MESSAGE_BYTES = 64 * 1024 * 1024
"""A complete read of a host's VMs is the longest message by far."""

_METHODS = methods_of(Provider)
_DENIED = frozenset({grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED})
_SILENT = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
_HANDSHAKE_WORDS = ("handshake", "verification check", "certificate")


class Deadlines(Struct, frozen=True, kw_only=True):
    """How long a call may take before its host counts as not responding."""

    read_seconds: float = 20.0
    change_seconds: float = 150.0


def translate(error: grpc.aio.AioRpcError, address: str) -> ProviderError:
    """The one place where gRPC's errors become the seam's."""
    code, details = error.code(), error.details() or "no details"
    shaken = any(word in details.lower() for word in _HANDSHAKE_WORDS)
    if code in _DENIED or (code is grpc.StatusCode.UNAVAILABLE and shaken):
        return AccessDenied(
            f"the agent at {address} and this service do not trust each other: {details}",
            "Check that both have certificates of the same CA, in date and with the right names; enrol the host again.",
        )
    if code in _SILENT:
        return HostNotResponding(
            f"the agent at {address} does not respond ({code.name.lower()}): {details}",
            "Check that the host is up, that its agent runs, and that its port can be reached from here.",
        )
    return ProviderError(
        f"the agent at {address} answered {code.name.lower()}: {details}",
        "Bring the agent to the same version of Hostler as the service.",
    )


class RemoteProvider(Proxy):
    """Implements `Provider` by asking the agent at `address` (host:port), whose certificate must bear `agent_name`."""

    def __init__(
        self, address: str, agent_name: str, certificates: Certificates, deadlines: Deadlines | None = None
    ) -> None:
        self._address = address
        self._deadlines = deadlines or Deadlines()
        files = load(certificates)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=files.ca, private_key=files.key, certificate_chain=files.certificate
        )
        self._channel = grpc.aio.secure_channel(address, credentials, options=_options(agent_name))

    async def _call(self, name: str, *arguments: object) -> Any:
        method = _METHODS[name]
        send = self._channel.unary_unary(path_of(name))
        seconds = self._deadlines.change_seconds if method.changes else self._deadlines.read_seconds
        body = method.encode(*arguments)
        try:
            answer: bytes = await send(body, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            raise translate(error, self._address) from error
        except grpc.aio.UsageError as error:
            raise self._closed() from error
        return result_of(method, self._reply(answer))

    def _reply(self, answer: bytes) -> Any:
        try:
            return decode_reply(answer)
        except msgspec.DecodeError as error:
            raise ProviderError(
                f"the agent at {self._address} sent no reply that can be read: {error}",
                "Bring the agent to the same version of Hostler as the service.",
            ) from error

    def _closed(self) -> HostNotResponding:
        return HostNotResponding(f"the link to the agent at {self._address} is closed", "Connect to the host again.")

    async def events(self) -> AsyncIterator[VmEvent]:
        method = _METHODS["events"]
        stream = self._channel.unary_stream(path_of("events"))(method.encode())
        try:
            async for answer in stream:
                yield result_of(method, self._reply(answer))
        except grpc.aio.AioRpcError as error:
            raise translate(error, self._address) from error
        finally:
            stream.cancel()
        raise HostNotResponding(f"the agent at {self._address} ended its events", "Connect to the host again.")

    async def close(self) -> None:
        await self._channel.close()


def _options(agent_name: str) -> list[tuple[str, Any]]:
    """The peer's name is checked against its certificate; a silent peer is found out by pings; a dead one is redialled
    within seconds."""
    return [
        ("grpc.ssl_target_name_override", agent_name),
        ("grpc.max_receive_message_length", LONGEST_MESSAGE_BYTES),
        ("grpc.max_send_message_length", LONGEST_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 5_000),
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
