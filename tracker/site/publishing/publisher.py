"""Sends what happens to where `feed.config.publish` says."""

from __future__ import annotations

from tracker.errors import UsageError
from tracker.site.feed import Feed


class Publisher:
    """A `Service` of a site: reads a subscription and sends."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        raise UsageError("nothing is published yet; leave out --publish")

    def start(self) -> None:
        """Begin to send."""

    def stop(self) -> None:
        """Send or spool the rest."""
