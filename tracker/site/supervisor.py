"""A site: its cameras side by side, what they share, and what runs beside them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO, Self

from tracker.config import Config
from tracker.export.networks import Networks
from tracker.output.blur import to_look_for
from tracker.site.camera import Camera
from tracker.site.config import SHARED, SiteConfig
from tracker.site.connection import check
from tracker.site.feed import DestinationStatus, Feed, Moment, Service, Subscription
from tracker.site.looking import SharedDetector
from tracker.site.persistence import StateFolder, claimed
from tracker.site.publishing.spool_folder import SpoolFolder
from tracker.site.results.retention import prune
from tracker.site.turns import Turns
from tracker.system.device import resolve_device
from tracker.system.signal_handling import handled
from tracker.tracker import Tracker

STOPS_WITHIN_S = 2.5  # all cameras together; what takes longer is left behind
SERVICES_WITHIN_S = 1.5
PRUNE_S = 60.0
_WAKE_S = 0.2  # a signal is handled when the main thread wakes

_log = logging.getLogger("tracker.site")


class Site:
    """Many live cameras in one process: one detector and one embedder for all, a tracker for each.

    Args:
        config: of the site.

    Each camera is connected to for ever, and none holds up another. Results, state and what they are named are told in
    `docs/` ("Run it day and night").

    Examples:
        Site.load("site.yaml").run()

    Attributes:
        config: its settings.
        started_s: Unix seconds since when it runs.
    """

    def __init__(self, config: SiteConfig) -> None:
        self.config = config
        self.started_s = time.time()
        self._subscriptions: tuple[Subscription, ...] = ()
        self._lock = threading.Lock()
        self._cameras: dict[str, Camera] = {}
        self._services: list[Service] = []
        self._spools = SpoolFolder(config.project, config.publish.spool_mb << 20)
        self._stop = threading.Event()
        self._opened = False
        self._claim: IO[str] | None = None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """A site as a `site.yaml` describes it; errors as of `SiteConfig.load`."""
        return cls(SiteConfig.load(path))

    @property
    def cameras(self) -> Mapping[str, Camera]:
        """The cameras by name; none before it is started."""
        return self._cameras

    def subscribe(self, limit: int = 256) -> Subscription:
        """Every frame of every camera from now on, without pictures, for a thread that reads them in its own time."""
        subscription = Subscription(limit)
        with self._lock:
            self._subscriptions = (*(one for one in self._subscriptions if not one.closed), subscription)
        return subscription

    def destinations(self) -> list[DestinationStatus]:
        """How what is published to is now."""
        return [status for service in self._services for status in service.destinations()]

    def start(self) -> None:
        """Load the networks and start everything; returns when all cameras are being connected to.

        Raises:
            TrackerError: settings, weights or output that cannot be used, an address that is taken.
        """
        self._prepare()
        started: list[Service] = []
        try:
            for service in self._services:
                service.start()
                started.append(service)
        except BaseException:
            for service in started:
                service.stop()
            self._release()
            raise
        self._opened = True
        self.started_s = time.time()
        for camera in self._cameras.values():
            camera.start()

    def _prepare(self) -> None:
        """All that takes its time and starts nothing."""
        if not self._cameras:
            try:
                self._cameras = self._made()
                self._services = _services(self, self._spools)
            except BaseException:
                self._release()
                raise

    def stop(self) -> None:
        """End: files are closed, states saved, services stopped. Within 5 s, whatever a network does."""
        self._stop.set()
        if not self._opened:
            return
        self._opened = False
        for camera in self._cameras.values():
            camera.stop()
        end_s = time.monotonic() + STOPS_WITHIN_S
        for camera in self._cameras.values():
            if not camera.join(max(0.0, end_s - time.monotonic())):
                _log.error("%s did not end in time; its last rows may be missing", camera.name)
        for subscription in self._subscriptions:
            subscription.close()
        ends = [threading.Thread(target=service.stop) for service in self._services]  # each may take its time
        for end in ends:
            end.start()
        for end in ends:
            end.join(SERVICES_WITHIN_S)
        self._release()

    def run(self) -> None:
        """Run until a signal that ends processes (SIGTERM, Ctrl-C), `stop`, or the end of all where all are recordings.

        Raises:
            TrackerError: as of `start`.
        """
        self._prepare()  # a signal in this time ends it as it ends any program: nothing is open yet
        signals: list[int] = []  # taken between two steps of this thread, which may hold the lock of an event just then
        with handled(lambda number, _: signals.append(number)):
            self.start()
            pruned_s, pruning = -PRUNE_S, threading.Thread()
            try:
                while not (signals or self._stop.wait(_WAKE_S)):
                    if all(camera.join(0.0) for camera in self._cameras.values()):
                        break
                    for camera in self._cameras.values():
                        camera.watch()
                    if time.monotonic() - pruned_s >= PRUNE_S and not pruning.is_alive():
                        pruning = threading.Thread(target=self.prune, name="prune", daemon=True)
                        pruning.start()  # a disk that hangs holds up no signal
                        pruned_s = time.monotonic()
            finally:
                self.stop()

    def _release(self) -> None:
        if self._claim is not None:
            self._claim.close()

    def _made(self) -> dict[str, Camera]:
        """The cameras with what they share."""
        config = self.config
        for settings in config.cameras.values():
            check(settings.source)
        classes = {name: camera.classes or config.tracker.detector.classes for name, camera in config.cameras.items()}
        hidden = to_look_for([kind for camera in config.cameras.values() for kind in camera.blur])
        kept = {kind for kinds in classes.values() for kind in kinds}
        wanted = sorted({*kept, *hidden}) if all(classes.values()) else []
        common = config.tracker.override({"detector": {"classes": wanted}})
        networks = Networks(common, lasting=True)
        detector = networks.detector
        if common.appearance.enabled:
            networks.embedder  # noqa: B018 - before anything is written: errors leave nothing behind
        detect = SharedDetector(detector, resolve_device(common.device), common.detector.batch)
        turns = Turns(detect.busy_with)
        self._claim = claimed(config.project)
        store = StateFolder(config.project, config.gallery == SHARED, common.bank)
        cameras = {}
        for name, settings in config.cameras.items():
            tracker = Tracker(_of_camera(common, classes[name], settings.detect_every), gallery=store.gallery(name))
            tracker.networks = networks
            folder = config.project / name
            cameras[name] = Camera(
                name, settings, tracker, detect, turns, folder, store, config.ends_after_s, self._publish, wanted
            )
        return cameras

    def _publish(self, moment: Moment) -> None:
        for subscription in self._subscriptions:
            subscription.put(moment)

    def prune(self) -> None:
        """Remove what is older or more than is kept; `run` does so once a minute."""
        self._spools.tidy(time.time())
        if not (self.config.keep_days or self.config.keep_bytes):
            return
        cameras = self._cameras.values()
        newest = [camera.newest.time_s for camera in cameras if camera.newest is not None]
        now_s = max([time.time(), *newest])  # a plug-in's times may run ahead
        in_use = [camera.records.in_use for camera in cameras if camera.records.in_use is not None]
        folders = [camera.records.folder for camera in cameras]
        try:
            prune(folders, self.config.keep_days, self.config.keep_bytes, now_s, in_use)
        except OSError as error:  # as where somebody removes files meanwhile: the next time
            _log.warning("old results cannot be removed: %s", error)


def _of_camera(common: Config, classes: Sequence[str], detect_every: str) -> Config:
    every = detect_every or common.detector.every
    return replace(common, detector=replace(common.detector, every=every, classes=tuple(classes)))


def _services(feed: Feed, spools: SpoolFolder) -> list[Service]:
    """What is to run beside the cameras, none of it started; imported only where it is asked for.

    Raises:
        MissingExtraError: its packages are not installed. UsageError: an address that cannot be.
    """
    asked: list[Service] = []
    if feed.config.http.bind:
        from tracker.site.web.server import WebServer

        asked.append(WebServer(feed))
    if feed.config.publish.to:
        from tracker.site.publishing.publisher import Publisher

        asked.append(Publisher(feed, spools))
    return asked
