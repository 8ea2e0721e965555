"""The HTTP server of a site: a service that listens in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from pathlib import Path

from tracker.errors import ConfigError, OutputError, UsageError
from tracker.site.feed import DestinationStatus, Feed
from tracker.site.web.bind import address, is_loopback
from tracker.system.extras import extra
from tracker.system.files import first_line

MOST_CONNECTIONS = 512  # beyond it a request is answered with 503
BUFFER = 128 << 10  # bytes on their way to a viewer: one that is slow misses pictures instead of seeing old ones
LARGEST_HEADER = 16 << 10  # bytes
_STARTS_WITHIN_S = 10.0

_log = logging.getLogger("tracker.site")


class WebServer:
    """Pages, health and metrics (see `routes.py`).

    Args:
        feed: of the site; `config.http` says where to listen.

    Raises:
        UsageError: an address that is none, or one that others can reach without a token. ConfigError: a token's file
            that cannot be read. MissingExtraError: starlette, uvicorn or prometheus-client is not installed.
    """

    def __init__(self, feed: Feed) -> None:
        settings = feed.config.http
        self._host, self._port = address(settings.bind)
        token = read_token(settings.token_file)
        if token is None and not is_loopback(self._host):
            raise UsageError(
                f"http.bind {settings.bind} lets other machines see the cameras; name a file with a token "
                "(--token-file FILE), or bind to 127.0.0.1"
            )
        for module in ("starlette", "uvicorn", "prometheus_client"):
            extra(module, "site")
        from tracker.site.web.live import EventHub, Pictures
        from tracker.site.web.routes import application

        self._pictures = {name: Pictures(camera) for name, camera in feed.cameras.items()}
        self._events = EventHub(feed.subscribe())
        self._application = application(feed, self._pictures, self._events, token)
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Listen.

        Raises:
            OutputError: the address is taken or not this machine's.
        """
        import uvicorn

        from tracker.site.web.patience import PatientProtocol

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

    def destinations(self) -> tuple[DestinationStatus, ...]:
        """None: it is asked, it does not publish."""
        return ()

    def stop(self) -> None:
        """Say goodbye to all viewers."""
        for pictures in self._pictures.values():
            pictures.close()
        self._events.close()
        self._server.should_exit = True
        self._thread.join(1.2)

    def _run(self) -> None:
        assert self._socket is not None
        asyncio.run(self._server.serve(sockets=[self._socket]))


def read_token(path: str) -> str | None:
    """The first line of a file; None where there is no file.

    Raises:
        ConfigError: it cannot be read, or what it says is too short to keep anybody out.
    """
    if not path:
        return None
    token = first_line(Path(path))
    if token is None:
        raise ConfigError(f"the token's file {path} cannot be read; write a token into its first line")
    if len(token) < 16:
        raise ConfigError(f"the token in {path} has fewer than 16 characters; make one: openssl rand -hex 24 > {path}")
    return token
