"""The agent's server: each method of the contract over gRPC and mTLS, carried to one provider."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio

from hostler.providers.certificates import SERVICE_NAME, Certificates, load
from hostler.providers.contract import Provider
from hostler.providers.errors import AccessDenied, ProviderError
from hostler.providers.remote import LONGEST_MESSAGE_BYTES
from hostler.providers.wire import SERVICE, Method, arguments_of, methods_of, reply_of, reply_of_error

DEFAULT_PORT = 8101

_log = logging.getLogger(__name__)


class Context(Protocol):
    """What we use of gRPC's context of a call."""

    def auth_context(self) -> Mapping[str, Iterable[bytes]]: ...

    async def abort(self, code: grpc.StatusCode, details: str) -> NoReturn: ...


def names_of(context: Context) -> frozenset[str]:
    """The names in the certificate that the caller has proven to own."""
    proven = context.auth_context()
    return frozenset(name.decode(errors="replace") for name in proven.get("x509_subject_alternative_name", ()))


class Agent:
    """Serves `provider` to the one service whose certificate bears `service_name`."""

    def __init__(self, provider: Provider, certificates: Certificates, service_name: str = SERVICE_NAME) -> None:
        self._provider = provider
        self._service_name = service_name
        self._changes: set[asyncio.Task[bytes]] = set()
        self._server = grpc.aio.server(options=_OPTIONS)
        files = load(certificates)
        self._credentials = grpc.ssl_server_credentials(
            [(files.key, files.certificate)], root_certificates=files.ca, require_client_auth=True
        )
        handlers = {name: self._handler(method) for name, method in methods_of(Provider).items()}
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))

    @property
    def changes_under_way(self) -> int:
        """How many changing calls have begun and not ended, whether or not their callers still wait."""
        return len(self._changes)

    async def start(self, address: str = f"0.0.0.0:{DEFAULT_PORT}") -> int:
        """Listen; returns the port. `AccessDenied` when the address is not ours or in use."""
        try:
            port: int = self._server.add_secure_port(address, self._credentials)
        except RuntimeError as error:
            raise AccessDenied(
                f"the agent cannot listen on {address}: {error}", "Choose a free port, or stop what uses it."
            ) from error
        await self._server.start()
        return port

    async def stop(self, grace_seconds: float = 5.0) -> None:
        """Take no more calls, and wait for the changes that have begun."""
        await self._server.stop(grace_seconds)
        if self._changes:
            await asyncio.wait(self._changes)

    async def wait(self) -> None:
        await self._server.wait_for_termination()

    def _handler(self, method: Method) -> Any:
        if method.streams:
            return grpc.unary_stream_rpc_method_handler(self._streaming(method))
        return grpc.unary_unary_rpc_method_handler(self._answering(method))

    async def _let_in(self, context: Context) -> None:
        names = names_of(context)
        if self._service_name not in names:
            _log.warning("refused a caller whose certificate bears %s", sorted(names))
            await context.abort(
                grpc.StatusCode.PERMISSION_DENIED,
                f"this agent serves {self._service_name!r} only; the caller's certificate bears other names",
            )

    def _answering(self, method: Method) -> Callable[[bytes, Context], Awaitable[bytes]]:
        async def answer(body: bytes, context: Context) -> bytes:
            await self._let_in(context)
            if not method.changes:
                return await self._answer(method, body)
            # A caller who hangs up does not stop a change half-way: it goes on to its end here.
            change = asyncio.get_running_loop().create_task(self._answer(method, body))
            self._changes.add(change)
            change.add_done_callback(self._changes.discard)
            return await asyncio.shield(change)

        return answer

    async def _answer(self, method: Method, body: bytes) -> bytes:
        try:
            arguments = arguments_of(method.decode(body))
            return reply_of(await getattr(self._provider, method.name)(*arguments))
        except ProviderError as error:
            return reply_of_error(error)
        except Exception as error:  # noqa: BLE001 - a bug in a provider must reach the caller as one, not as silence
            return reply_of_error(_bug(method, error))

    def _streaming(self, method: Method) -> Callable[[bytes, Context], AsyncIterator[bytes]]:
        async def stream(body: bytes, context: Context) -> AsyncIterator[bytes]:
            await self._let_in(context)
            try:
                arguments = arguments_of(method.decode(body))
                async for item in getattr(self._provider, method.name)(*arguments):
                    yield reply_of(item)
            except ProviderError as error:
                yield reply_of_error(error)
            except Exception as error:  # noqa: BLE001 - as above
                yield reply_of_error(_bug(method, error))

        return stream


def _bug(method: Method, error: Exception) -> ProviderError:
    _log.exception("%s failed", method.name)
    return ProviderError(
        f"the agent failed at {method.name}: {type(error).__name__}: {error}",
        "This is a bug of Hostler: report it with the agent's log.",
    )


_OPTIONS = [
    ("grpc.max_receive_message_length", LONGEST_MESSAGE_BYTES),
    ("grpc.max_send_message_length", LONGEST_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
]
