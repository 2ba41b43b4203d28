"""The web server: uvicorn, told what we need of it, and ending live streams before it waits for connections."""

import socket

import uvicorn
from fastapi import FastAPI

from hostler.api.feed import Feed
from hostler.service.tls import Certificate

GRACE_SECONDS = 10


class WebServer(uvicorn.Server):
    """Serves the app until `should_exit` is set."""

    def __init__(self, app: FastAPI, address: str, port: int, certificate: Certificate | None = None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=address,
                port=port,
                ssl_certfile=None if certificate is None else certificate.certificate,
                ssl_keyfile=None if certificate is None else certificate.key,
                proxy_headers=False,  # the source of a call is its socket's: headers are anybody's word
                server_header=False,
                access_log=False,
                log_config=None,
                timeout_graceful_shutdown=GRACE_SECONDS,
                h11_max_incomplete_event_size=64 * 1024,
            )
        )
        self._feed: Feed = app.state.feed

    def stop(self) -> None:
        """End the serving soon."""
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._feed.close()
        await super().shutdown(sockets)
