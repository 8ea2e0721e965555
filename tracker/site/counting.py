"""What happens at the lines and in the zones of one camera, and what it adds up to, also over restarts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.analytics.event_log import EventLog, shown
from tracker.analytics.events import Count
from tracker.analytics.zones import FrameSize, Zones
from tracker.structures import Tracks


class PlaceCounts:
    """The places of one camera.

    After a restart counts go on where they were saved. Whoever was in a zone then counts as gone out of it, and comes
    in once more where it is still there: so what came in without what went out is always who is inside.

    Args:
        zones: the places, in which nothing has happened yet.

    Attributes:
        counts: so far, in the places' order, a row for each class that was there; replaced as a whole, so that any
            thread may read it. How long somebody was inside is not among them.
    """

    def __init__(self, zones: Zones) -> None:
        self._earlier: dict[tuple[str, str], tuple[int, int]] = {}  # place and class -> ins, outs before this start
        self.counts: tuple[Count, ...] = ()
        self.begin(zones)

    def begin(self, zones: Zones) -> None:
        """Count at the same places of a stream whose frames have come."""
        self._zones = zones
        self._log = EventLog(zones)
        self._add_up()

    def take(self, number: int, time_s: float, size: FrameSize, tracks: Tracks) -> list[dict[str, Any]]:
        """The events that are certain by a frame, as `EventLog.take`."""
        if not self._zones.places:
            return []
        heard = self._log.heard
        events = self._log.take(number, time_s, size, tracks)
        if self._log.heard > heard:
            self._add_up()
        return events

    def finish(self) -> list[dict[str, Any]]:
        """What would have waited for further frames."""
        events = self._log.finish()
        self._add_up()
        return events

    def shown(self, size: FrameSize) -> Sequence[tuple[str, NDArray[np.float64], bool]]:
        """What is to be drawn of each place on a picture of (width, height); from any thread."""
        return shown(self._zones, self.counts, size)

    def to_list(self) -> list[list[Any]]:
        """Place, class, ins, outs and how many are inside, for JSON."""
        return [[row.zone, row.name, row.ins, row.outs, row.inside or 0] for row in self.counts if row.name]

    def go_on(self, saved: Sequence[Sequence[Any]]) -> None:
        """Take over what `to_list` gave."""
        self._earlier = {(zone, name): (ins, outs + inside) for zone, name, ins, outs, inside in saved}
        self._add_up()

    def _add_up(self) -> None:
        now = {(row.zone, row.name): row for row in self._zones.counts()}
        names: dict[str, set[str]] = {}
        for zone, name in (*now, *self._earlier):
            names.setdefault(zone, set()).add(name)
        rows = []
        for place in self._zones.places:
            for name in sorted(names[place.name] - {""}) or [""]:
                none = Count(place.name, name, 0, 0, 0 if place.is_zone else None, None)
                row = now.get((place.name, name), none)
                ins, outs = self._earlier.get((place.name, name), (0, 0))
                rows.append(replace(row, ins=row.ins + ins, outs=row.outs + outs, mean_dwell_s=None))
        self.counts = tuple(rows)
