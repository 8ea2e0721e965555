"""Sends what happens to where `publish` says: a service of a site."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit, urlunsplit

import numpy as np

from tracker.errors import UsageError
from tracker.site.feed import DestinationStatus, Feed, Moment
from tracker.site.messages.message import UPDATE, Message, news, of_counts, of_visit
from tracker.site.publishing.delivery import Delivery
from tracker.site.publishing.destination import destination
from tracker.site.publishing.spool import Spool
from tracker.site.publishing.spool_folder import SpoolFolder
from tracker.structures import Floats
from tracker.video.url import shown

_STOPS_WITHIN_S = 1.0  # all destinations together


class Publisher:
    """A `Service`: reads a subscription, and hands messages to each destination's spool.

    Args:
        feed: of the site. folder: of its spools.

    Raises:
        UsageError: a URL that cannot be published to. ConfigError: a file of secrets that cannot be read.
        MissingExtraError: a package is not installed. OutputError: the spool cannot be written.
    """

    def __init__(self, feed: Feed, folder: SpoolFolder) -> None:
        config = feed.config.publish
        sinks = [destination(url, config) for url in config.to]  # mistakes first: nothing is written yet
        spools = [folder.folder / f"{_key(url)}.sqlite" for url in config.to]
        for url, path in zip(config.to, spools, strict=True):
            if spools.count(path) > 1:
                raise UsageError(f"publish has {shown(url)} twice; give each destination once")
        self._deliveries = [
            Delivery(shown(url), sink, Spool(path, config.spool_mb << 20))
            for url, sink, path in zip(config.to, sinks, spools, strict=True)
        ]
        for url, path in zip(config.to, spools, strict=True):
            folder.use(path, shown(url))
        self._updates = Updates(config.every_s, config.embeddings)
        self._subscription = feed.subscribe()
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)

    def start(self) -> None:
        """Begin to send; a destination that is away is waited for."""
        for delivery in self._deliveries:
            delivery.start()
        self._thread.start()

    def stop(self) -> None:
        """Spool the rest, and send what can be sent in a moment."""
        self._subscription.close()
        self._thread.join(0.3)
        for delivery in self._deliveries:
            delivery.stop()
        end_s = time.monotonic() + _STOPS_WITHIN_S
        for delivery in self._deliveries:
            delivery.join(end_s - time.monotonic())

    def destinations(self) -> tuple[DestinationStatus, ...]:
        """How each destination is."""
        return tuple(delivery.status() for delivery in self._deliveries)

    def _run(self) -> None:
        for moment in self._subscription:
            messages = list(self._updates.messages(moment))
            if messages:
                for delivery in self._deliveries:
                    delivery.add(messages)


class Updates:
    """Which messages a moment makes.

    Args:
        every_s: between two updates of an object; 0: none. embeddings: whether they are sent.
    """

    def __init__(self, every_s: float, embeddings: bool) -> None:
        self._every_s = every_s
        self._embeddings = embeddings
        self._sent_s: dict[str, dict[int, float]] = {}  # camera -> id -> Unix seconds of its last message
        self._looks: dict[str, dict[int, Floats]] = {}  # camera -> id -> (D,) newest embedding

    def messages(self, moment: Moment) -> Iterator[Message]:
        """Those of one moment, in the order in which it happened."""
        camera, present = moment.camera, moment.present or {}
        sent_s, looks = self._sent_s.setdefault(camera, {}), self._looks.setdefault(camera, {})
        if self._embeddings:
            for settled in moment.settled:
                if settled.tracks.embeddings is not None:
                    known = np.isfinite(settled.tracks.embeddings).all(axis=1)
                    ids = settled.tracks.ids[known].tolist()
                    looks.update(zip(ids, settled.tracks.embeddings[known], strict=True))
        yield from news(moment, looks)
        if moment.events:
            yield of_counts(camera, moment.counts, moment.time_s)
        sent_s.update((visit.id, visit.last_s) for visit in moment.started)
        if self._every_s and moment.settled:
            for visit in present.values():
                if visit.last_s - sent_s.get(visit.id, visit.start_s) >= self._every_s:
                    yield of_visit(UPDATE, camera, visit, looks.get(visit.id))
                    sent_s[visit.id] = visit.last_s
        for known_ids in (sent_s, looks):
            for gone in [i for i in known_ids if i not in present]:
                del known_ids[gone]


def _key(url: str) -> str:
    """The name of a destination's spool: the same as long as its URL is, whatever its password."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return hashlib.sha256(urlunsplit(parts._replace(netloc=user.partition(":")[0] + at + host)).encode()).hexdigest()[
        :16
    ]
