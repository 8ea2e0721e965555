"""The server of the pages."""

from __future__ import annotations

from tracker.errors import UsageError
from tracker.site.feed import DestinationStatus, Feed


class WebServer:
    """A `Service` of a site: its pages at `feed.config.http.bind`."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        raise UsageError("pages are not made yet; leave out --http")

    def start(self) -> None:
        """Listen."""

    def destinations(self) -> tuple[DestinationStatus, ...]:
        """None: it is asked, it does not publish."""
        return ()

    def stop(self) -> None:
        """Close everything."""
