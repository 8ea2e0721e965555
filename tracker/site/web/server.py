"""The pages of a site: a service that listens in a thread of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracker.site.feed import DestinationStatus, Feed
from tracker.system.extras import extra
from tracker.web.bind import read_token
from tracker.web.listener import HttpListener

if TYPE_CHECKING:
    from tracker.web.access import Access


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
        token = read_token(settings.token_file)

        def application() -> Access:
            for module in ("starlette", "uvicorn", "prometheus_client"):
                extra(module, "site")
            from tracker.site.web.live import EventHub, Pictures
            from tracker.site.web.routes import application

            self._pictures = {name: Pictures(camera) for name, camera in feed.cameras.items()}
            self._events = EventHub(feed.subscribe())
            return application(feed, self._pictures, self._events, token)

        self._listener = HttpListener(settings.bind, token, application)

    def start(self) -> None:
        """Listen.

        Raises:
            OutputError: the address is taken or not this machine's.
        """
        self._listener.start()

    @property
    def shown(self) -> str:
        """HOST:PORT where it listens."""
        return self._listener.shown

    def destinations(self) -> tuple[DestinationStatus, ...]:
        """None: it is asked, it does not publish."""
        return ()

    def stop(self) -> None:
        """Say goodbye to all viewers."""
        for pictures in self._pictures.values():
            pictures.close()
        self._events.close()
        self._listener.stop()
