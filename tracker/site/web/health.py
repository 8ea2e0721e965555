"""How a site is: in JSON for those who watch it, and as metrics for Prometheus."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from tracker.site.feed import ENDED, LIVE, CameraStatus, Feed
from tracker.site.messages.message import as_row

_GAUGES = {
    "up": "1 where the camera sends pictures and they are tracked",
    "frames_per_second": "frames tracked a second, over the last seconds",
    "arriving_frames_per_second": "frames that arrived a second",
    "lag_seconds": "from arrival to tracks, the longest of the last seconds",
    "silent_seconds": "since the last frame arrived",
    "untracked_seconds": "for which frames have come without one of them having been tracked",
    "objects": "objects that are here",
}
_COUNTERS = {
    "frames": "frames tracked",
    "dropped_frames": "frames skipped because the machine was behind",
    "looked_at_frames": "frames that the detector looked at",
    "restarts": "times that the camera came back after a loss",
    "visits": "objects that came",
}


def is_down(camera: CameraStatus, after_s: float) -> bool:
    """Whether a camera is without a picture, or its pictures untracked, for longer than it may be."""
    return camera.state not in (LIVE, ENDED) and max(camera.silent_s, camera.untracked_s) > after_s


def health(feed: Feed) -> tuple[bool, dict[str, Any]]:
    """Whether all cameras are up, and how each is; no secrets."""
    statuses = [camera.status() for camera in feed.cameras.values()]
    down = [status.name for status in statuses if is_down(status, feed.config.http.down_after_s)]
    destinations = [asdict(destination) for destination in feed.destinations()]
    about = {
        "status": "down" if down else "ok",
        "down": down,
        "started_s": feed.started_s,
        "cameras": {status.name: _told(status) for status in statuses},
        "publish": destinations,
    }
    return not down, about


def _told(status: CameraStatus) -> dict[str, Any]:
    return _plain(asdict(status)) | {"counts": [as_row(row) for row in status.counts]}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """The same with null for what is not a number, which JSON has no word for."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in values.items()}


class SiteMetrics:
    """SiteMetrics of a site, read when they are asked for.

    Args:
        feed: of the site.
    """

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """As `prometheus_client` asks a collector."""
        gauges = {name: GaugeMetricFamily(f"tracker_{name}", said, labels=["camera"]) for name, said in _GAUGES.items()}
        counters = {
            name: CounterMetricFamily(f"tracker_{name}", said, labels=["camera"]) for name, said in _COUNTERS.items()
        }
        for camera in self._feed.cameras.values():
            status = camera.status()
            rates = status.frames_per_s, status.arriving_per_s
            lags = status.lag_s, status.silent_s, status.untracked_s
            values = status.state == LIVE, *rates, *lags, status.present
            for gauge, value in zip(gauges.values(), values, strict=True):
                gauge.add_metric([status.name], float(value))
            counts = status.frames, status.dropped, status.looked_at, status.restarts, status.ids
            for counter, count in zip(counters.values(), counts, strict=True):
                counter.add_metric([status.name], count)
        yield from gauges.values()
        yield from counters.values()
        yield from self._counted()
        yield from self._published()

    def _counted(self) -> Iterator[Metric]:
        place = ["camera", "zone", "class"]
        ins = CounterMetricFamily("tracker_zone_in", "crossings of a line inwards, entries into a zone", labels=place)
        outs = CounterMetricFamily("tracker_zone_out", "crossings of a line outwards, exits from a zone", labels=place)
        inside = GaugeMetricFamily("tracker_zone_inside", "objects that are in a zone", labels=place)
        for camera in self._feed.cameras.values():
            for row in camera.status().counts:
                where = [camera.name, row.zone, row.name]
                if row.name:
                    ins.add_metric(where, row.ins)
                    outs.add_metric(where, row.outs)
                if row.name and row.inside is not None:
                    inside.add_metric(where, row.inside)
        yield from (ins, outs, inside)

    def _published(self) -> Iterator[Metric]:
        up = GaugeMetricFamily("tracker_publish_up", "1 where the destination is reached", labels=["destination"])
        waiting = GaugeMetricFamily("tracker_publish_waiting", "messages that wait on disk", labels=["destination"])
        sent = CounterMetricFamily("tracker_published", "messages by their fate", labels=["destination", "fate"])
        for one in self._feed.destinations():
            up.add_metric([one.shown], float(one.reachable))
            waiting.add_metric([one.shown], one.waiting)
            for kind in ("delivered", "dropped", "refused"):
                sent.add_metric([one.shown, kind], getattr(one, kind))
        yield from (up, waiting, sent)
