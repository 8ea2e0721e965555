"""What runs beside the cameras: pages and publishers, where they are asked for."""

from __future__ import annotations

from tracker.site.feed import Feed, Service


def services(feed: Feed) -> list[Service]:
    """The services that a site's settings ask for, none of them started.

    Raises:
        MissingExtraError: the packages of one are not installed. UsageError: an address that cannot be.
    """
    asked: list[Service] = []
    if feed.config.http.bind:
        from tracker.site.web.server import WebServer

        asked.append(WebServer(feed))
    if feed.config.publish.to:
        from tracker.site.publishing.publisher import Publisher

        asked.append(Publisher(feed))
    return asked
