"""An HTTP server that listens in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tracker.errors import OutputError, UsageError
from tracker.web.bind import address, is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 512  # beyond it a request is answered with 503
BUFFER = 128 << 10  # bytes on their way to a viewer: one that is slow misses pictures instead of seeing old ones
LARGEST_HEADER = 16 << 10  # bytes
_STARTS_WITHIN_S = 10.0

_log = logging.getLogger(__name__)


class HttpListener:
    """Serves one application at one address, with bounds on what a client can take up.

    Args:
        bind: HOST:PORT; port 0: any that is free. token: who may ask where others can reach the address.
        application: what is asked, made once it is known that the address is one.

    Raises:
        UsageError: an address that is none, or one that others can reach without a token.
    """

    def __init__(self, bind: str, token: str | None, application: Callable[[], ASGIApp]) -> None:
        self._host, self._port = address(bind)
        if token is None and not is_loopback(self._host):
            raise UsageError(
                f"{bind} lets other machines in; name a file with a token (--token-file FILE), or bind to 127.0.0.1"
            )
        self._application = application()
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            OutputError: the address is taken or not this machine's.
        """
        import uvicorn

        from tracker.web.patience import PatientProtocol

        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # after a restart it is ours again at once
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        try:
            self._socket.bind((self._host, self._port))
            self._socket.listen()  # where two had bound to it, this tells
        except OSError as error:
            self._socket.close()
            raise OutputError(
                f"cannot listen at {self._host}:{self._port}: {error.strerror}; give another --http HOST:PORT"
            ) from None
        settings = uvicorn.Config(
            self._application,
            lifespan="off",
            log_config=None,
            access_log=False,  # queries and cookies are nobody's business
            limit_concurrency=MOST_CONNECTIONS,
            h11_max_incomplete_event_size=LARGEST_HEADER,
            http=PatientProtocol,
            log_level="error",  # a line for each request that is none would fill the disk
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(settings)
        self._thread.start()
        end_s = time.monotonic() + _STARTS_WITHIN_S
        while not self._server.started and self._thread.is_alive() and time.monotonic() < end_s:
            time.sleep(0.01)
        _log.info("pages at http://%s", self.shown)

    @property
    def shown(self) -> str:
        """HOST:PORT where it listens."""
        assert self._socket is not None, "it listens"
        host, port = self._socket.getsockname()[:2]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def stop(self) -> None:
        """Say goodbye to all viewers."""
        self._server.should_exit = True
        self._thread.join(1.2)

    def _run(self) -> None:
        assert self._socket is not None
        asyncio.run(self._server.serve(sockets=[self._socket]))
