"""The places of a `zones.yaml`: what is ignored in them, and what happens at and in them.

A detection is ignored whose foot (the middle of its lower edge) lies in a region to ignore: there a person or car
stands, so somebody who passes in front of the region stays, and one who is in it goes, however much of the body reaches
out. It is the rule of other camera software for its masks, and the `anchor: bottom` of lines and zones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Self

import cv2
import numpy as np

from tracker.analytics.event_finder import Event, EventFinder
from tracker.analytics.events import Count, Events
from tracker.analytics.zones_file import ANCHORS, EXAMPLE, NamedShape, Points, parsed, shown
from tracker.errors import ConfigError, InputError
from tracker.structures import CONFIRMED, PREDICTED, TENTATIVE, Detections, Mask, Tracks
from tracker.system.files import read_yaml
from tracker.system.snapshots.resumable import Names, Resumable, Snapshot

FrameSize = tuple[int, int]  # width, height

_FRAMES_KEPT = 4  # sizes of frames whose mask is held


@dataclass
class _Counting(Resumable):
    """What is known of a stream.

    Attributes:
        finders: anchor -> of the places that go by it.
        size: of the first frame.
        time_s: of the last frame.
        names: of classes.
    """

    saved: ClassVar[Names] = ("size", "time_s", "names")
    rebuilt: ClassVar[Names] = ("finders",)

    finders: dict[str, EventFinder]
    size: FrameSize | None
    time_s: float = -np.inf
    names: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Zones(Resumable):
    """Places in the picture of one stream.

    Attributes:
        ignore: polygons (P, 2), inside of which nothing is tracked.
        units: what all points are in: `px` of the frame, or `share` of its width and height.
        places: lines and zones where events are found.

    Examples:
        >>> from tracker import Tracker, Detections
        >>> gate = {"points": [[0, 50], [200, 50]]}  # from left to right: upwards is in
        >>> zones, tracker = Zones.parsed({"lines": {"gate": gate}}, "here"), Tracker()
        >>> for step in range(10):
        ...     box = Detections([[90, 10 + 5 * step, 110, 30 + 5 * step]])
        ...     events = zones.update(tracker.update(None, box, time_s=step / 30))
        ...     for event in events.to_dicts():
        ...         print(event["event"], event["zone"], event["direction"])
        cross gate out
    """

    ignore: tuple[Points, ...] = ()
    units: str = "px"
    places: tuple[NamedShape, ...] = ()
    _masks: dict[FrameSize, Mask] = field(default_factory=dict, repr=False)
    _counting: list[_Counting] = field(default_factory=list, repr=False)  # none before the first frame

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a `zones.yaml`.

        Raises:
            ConfigError: it cannot be read, is not safe YAML, has an unknown key, or a shape that is none.
        """
        content = read_yaml(Path(path), EXAMPLE)
        if not content:
            raise ConfigError(f"{path} says nothing; {EXAMPLE}")
        return cls.parsed(content, str(path))

    @classmethod
    def parsed(cls, content: Any, where: str) -> Self:
        """What `load` makes of a file's content; `where` it is from is named in errors, as there."""
        try:
            said = parsed(content)
        except ConfigError as error:
            raise ConfigError(f"{where}: {error}") from None
        return cls(said.ignore, said.units, said.places)

    def to_dict(self) -> dict[str, Any]:
        """What `parsed` makes the same of, in plain lists and numbers."""
        said: dict[str, Any] = {"units": self.units}
        for kind, zone in (("lines", False), ("zones", True)):
            shapes = {place.name: place.to_dict() for place in self.places if place.is_zone == zone}
            said |= {kind: shapes} if shapes else {}
        return said | {"ignore": [{"points": points.tolist()} for points in self.ignore]}

    def __bool__(self) -> bool:
        """Whether there is any place."""
        return bool(self.ignore or self.places)

    def fitted(self, frame_size: FrameSize) -> Self:
        """The same in shares of a frame of (width, height) pixels, for a stream whose frames may change their size.

        Nothing has happened there yet: each stream needs one of its own.

        Raises:
            ConfigError: a point outside of the frame.
        """
        ignore = tuple(points / frame_size for points in self.outlines(frame_size))
        places = tuple(
            replace(place, points=points / frame_size)
            for place, points in zip(self.places, self._courses(frame_size), strict=True)
        )
        return type(self)(ignore, "share", places)

    def outlines(self, frame_size: FrameSize) -> list[Points]:
        """The polygons to ignore, (P, 2) each, in pixels of a frame of (width, height); errors as of `fitted`."""
        named = [(f"region {number} of ignore", points) for number, points in enumerate(self.ignore, 1)]
        return [self._in_pixels(points, name, frame_size) for name, points in named]

    def require(self, names: Mapping[int, str]) -> None:
        """
        Raises:
            ConfigError: a class that is counted somewhere and not one of these, number -> name.
        """
        known = {*names.values(), *map(str, names)}
        for place in self.places:
            for name in place.classes or ():
                if names and name not in known:
                    raise ConfigError(
                        f"{place.name!r} counts the class {name!r}, which the detector does not know; it knows: "
                        + ", ".join(names.values())
                    )

    def keep(self, detections: Detections, frame_size: FrameSize) -> Detections:
        """The detections of a frame of (width, height) pixels without those to ignore; errors as of `fitted`."""
        if not self.ignore or not len(detections):
            return detections
        foot_x, foot_y = (detections.xyxy[:, 0] + detections.xyxy[:, 2]) / 2, detections.xyxy[:, 3]
        width, height = frame_size
        columns = np.clip(foot_x, 0, width - 1).astype(np.intp)
        rows = np.clip(foot_y, 0, height - 1).astype(np.intp)
        return detections[~self._mask(frame_size)[rows, columns]]

    def update(self, tracks: Tracks, frame_size: FrameSize | None = None) -> Events:
        """Take the tracks of the next frame, of any tracker, and tell what is certain now.

        Only sightings count, not predicted boxes: a way is straight between them. So tracks may come at once
        (`Tracker.update`), which tells most events in the frame they happen in, or smoothed (`Tracker.smooth`,
        `Tracker.stream`), which is more exact. A tracker that corrects ids later says so by `Tracks.renamed`. A frame
        at the same time as the one before is taken for the same.

        Args:
            tracks: of one stream in order of time.
            frame_size: (width, height) of the frame in pixels; needed with `units: share` alone.

        Raises:
            InputError: time went back, or the size is missing.
            ConfigError: a point outside of the frame.
        """
        counting = self._started(frame_size)
        if tracks.time_s < counting.time_s:
            raise InputError(
                f"tracks of {tracks.time_s:g} s came after those of {counting.time_s:g} s; give them in order, and "
                "load the zones anew for another video"
            )
        if tracks.time_s == counting.time_s:
            return _as_events([], tracks.names, tracks.renamed)
        seen = (tracks.status == CONFIRMED) | ((tracks.status == TENTATIVE) & (tracks.detection_index >= 0))
        rows = np.flatnonzero(seen & (tracks.status != PREDICTED))
        box = tracks.xyxy[rows].astype(np.float64)
        if counting.size and frame_size and frame_size != counting.size:  # the places stay where they are in the view
            box *= np.tile(np.divide(counting.size, frame_size), 2)
        side = box[:, 2:] - box[:, :2]
        size = np.sqrt(side[:, 0] * side[:, 1])
        confirmed = tracks.status[rows] == CONFIRMED
        about = confirmed, tracks.time_s, tracks.looked, tracks.renamed, tracks.names
        found = []
        for anchor, finder in counting.finders.items():
            at = box[:, :2] + side * ANCHORS[anchor]
            happened = finder.update(tracks.ids[rows], at, size, tracks.classes[rows], *about)
            found += [(finder.shapes[event.shape].name, event) for event in happened]
        counting.time_s, counting.names = tracks.time_s, tracks.names
        return _as_events(found, tracks.names, tracks.renamed)

    def snapshot(self) -> Snapshot:
        """What is known of the stream."""
        return {
            "counting": [
                counting.snapshot() | {"finders": {anchor: f.snapshot() for anchor, f in counting.finders.items()}}
                for counting in self._counting
            ]
        }

    def take_over(self, snapshot: Mapping[str, Any]) -> None:
        """Go on with a snapshot of the same places."""
        for known in snapshot["counting"]:
            counting = self._started(known["size"])
            counting.take_over(known)
            for anchor, finder in counting.finders.items():
                finder.take_over(known["finders"][anchor])

    def finish(self) -> Events:
        """What would have waited for further frames: whoever was not seen in the last one has left."""
        if not self._counting:
            return _as_events([], {}, {})
        finders = self._counting[0].finders.values()
        found = [(finder.shapes[event.shape].name, event) for finder in finders for event in finder.finish()]
        return _as_events(found, self._counting[0].names, {})

    def counts(self) -> list[Count]:
        """What has happened so far: a row for each place and class, in the places' order."""
        finders = [finder for counting in self._counting for finder in counting.finders.values()]
        rows = [row for finder in finders for row in finder.counts()]
        if not finders:
            rows = [Count(place.name, "", 0, 0, 0 if place.is_zone else None, None) for place in self.places]
        order = {place.name: number for number, place in enumerate(self.places)}
        return sorted(rows, key=lambda row: order[row.zone])

    def shapes(self, frame_size: FrameSize) -> list[tuple[str, Points, bool]]:
        """Name, (P, 2) points in pixels of a frame of (width, height) and whether it is a zone, of each place."""
        courses = self._courses(frame_size)
        return [(place.name, points, place.is_zone) for place, points in zip(self.places, courses, strict=True)]

    def _started(self, frame_size: FrameSize | None) -> _Counting:
        if not self._counting:
            if self.units == "share" and frame_size is None and self.places:
                raise InputError("the points of these zones are shares of the frame; give update its frame_size")
            places = self.places
            if frame_size is not None:
                places = tuple(
                    replace(place, points=points)
                    for place, points in zip(places, self._courses(frame_size), strict=True)
                )
            anchors = {place.anchor: [p for p in places if p.anchor == place.anchor] for place in places}
            finders = {anchor: EventFinder(same) for anchor, same in anchors.items()}
            self._counting.append(_Counting(finders, frame_size))
        return self._counting[0]

    def _courses(self, frame_size: FrameSize) -> list[Points]:
        return [
            self._in_pixels(place.points, f"{'zones' if place.is_zone else 'lines'}.{place.name}", frame_size)
            for place in self.places
        ]

    def _in_pixels(self, points: Points, name: str, frame_size: FrameSize) -> Points:
        if self.units == "share":
            return points * frame_size
        outside = (points > frame_size).any(axis=1)
        if outside.any():
            raise ConfigError(
                f"{name} has the point {shown(points[outside][0])}, outside of the frame of "
                f"{frame_size[0]} x {frame_size[1]} pixels; give pixels of the frame, or shares with units: share"
            )
        return points

    def _mask(self, frame_size: FrameSize) -> Mask:
        """(H, W): is this pixel in a region to ignore?"""
        mask = self._masks.get(frame_size)
        if mask is None:
            drawn = np.zeros(frame_size[::-1], np.uint8)
            for points in self.outlines(frame_size):  # one by one: where two overlap, both count
                cv2.fillPoly(drawn, [np.rint((points - 0.5) * 16).astype(np.int32)], 1, shift=4)
            for oldest in list(islice(self._masks, max(0, len(self._masks) + 1 - _FRAMES_KEPT))):
                del self._masks[oldest]
            mask = self._masks[frame_size] = drawn.astype(bool)
        return mask


def _as_events(found: list[tuple[str, Event]], names: Mapping[int, str], renamed: Mapping[int, int]) -> Events:
    """Events, each with the name of its place, as arrays in order of time."""
    found = sorted(found, key=lambda pair: (pair[1].time_s, pair[1].track_id))
    rows = [event for _, event in found]
    return Events(
        time_s=np.array([event.time_s for event in rows], np.float64),
        events=np.array([event.what for event in rows], np.str_),
        zones=np.array([name for name, _ in found], np.str_),
        ids=np.array([event.track_id for event in rows], np.int64),
        classes=np.array([event.number for event in rows], np.int64),
        directions=np.array([event.direction for event in rows], np.int8),
        seconds=np.array([event.seconds for event in rows], np.float64),
        names=names,
        renamed=renamed,
    )
