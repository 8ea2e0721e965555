"""Keyframes, and the lines between them: what CVAT and Label Studio store, and what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.rows import DECIMALS, MOST_ROWS, Table
from tracker.errors import DataError

_LINE_PX = 10.0**-DECIMALS  # within which a box is on the line


def last_of_spells(by_id: Annotations) -> NDArray[np.bool_]:
    """(R,) whether the object is not there in the next frame that was looked at; rows ordered by id and frame."""
    end = np.ones(len(by_id), bool)
    end[:-1] = (np.diff(by_id.ids) != 0) | (np.diff(by_id.frames) != by_id.step)
    return end


def stated(by_id: Annotations, occluded: bool) -> NDArray[np.bool_]:
    """(R,) the rows that a tool has to be told, which gets the others right from these by lines in between.

    All keyframes, the first and the last row of every spell, and all between two of these where one of them is not on
    the line, or differs in being occluded: a predicted box is no keyframe, but seldom lies on the line.

    Args:
        by_id: rows ordered by id and frame.
        occluded: whether the tool knows of it.
    """
    end = last_of_spells(by_id)
    told = by_id.keyframes | end | np.roll(end, 1)
    if told.all():
        return told
    places = np.flatnonzero(told)
    gap = np.cumsum(told) - 1  # the stated row before
    rows = np.flatnonzero(~told)
    before, after = places[gap[rows]], places[gap[rows] + 1]
    share = (by_id.frames[rows] - by_id.frames[before]) / (by_id.frames[after] - by_id.frames[before])
    line = by_id.xyxy[before] + share[:, None] * (by_id.xyxy[after] - by_id.xyxy[before])
    off = (np.abs(line - by_id.xyxy[rows]) > _LINE_PX).any(axis=1)
    if occluded:
        off |= by_id.occluded[rows] != by_id.occluded[before]
    wrong = np.zeros(len(told), bool)
    wrong[gap[rows[off]]] = True
    return np.asarray(told | wrong[gap])


@dataclass(frozen=True)
class Keyframes:
    """Stated rows (K,) of tracks, in any order.

    Attributes:
        tracks: which track each is of.
        frames: from 1.
        xyxy: (K, 4).
        here: whether the object is there in this frame.
        on: whether it is in the following ones, up to the next row of its track or the end of the video.
        occluded, keyframes: flags of the row.
    """

    tracks: NDArray[np.int64]
    frames: NDArray[np.int64]
    xyxy: Table
    here: NDArray[np.bool_]
    on: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    keyframes: NDArray[np.bool_]

    def filled(self, last: int, step: int, where: str) -> Keyframes:
        """All rows (R,) in which the objects are there, those between keyframes on straight lines.

        Args:
            last: frame of the video.
            step: every which frame there is.
            where: the file, for errors.

        Raises:
            DataError: one track has two rows in one frame; there would be more rows than can be meant.
        """
        order = np.lexsort((self.frames, self.tracks))
        tracks, frames, boxes = self.tracks[order], self.frames[order], self.xyxy[order]
        here, on, count = self.here[order], self.on[order], len(order)
        follows = np.append(tracks[1:] == tracks[:-1], False)[:count]
        after = np.where(follows, np.append(frames[1:], 0)[:count], np.maximum(last, frames) + 1)
        if (after == frames).any():
            row = np.flatnonzero(after == frames)[0]
            raise DataError(f"{where}: one object has two boxes in frame {frames[row]}; remove one of them")
        between = np.where(on, -(-(after - frames) // step) - 1, 0)
        if between.sum() > MOST_ROWS:
            raise DataError(f"{where}: objects stay for {between.sum()} frames after their keyframes; check its length")
        times = here.astype(np.int64) + between
        source = np.repeat(np.arange(count), times)
        begin = np.cumsum(times) - times
        offset = np.arange(len(source)) - begin[source] + ~here[source]
        moved = offset * step
        toward = np.where(follows, np.arange(count) + 1, np.arange(count))[source]
        share = moved / (after - frames)[source]
        line = boxes[source] + share[:, None] * (boxes[toward] - boxes[source])
        xyxy = np.where(moved[:, None] > 0, line, boxes[source])
        flags = self.occluded[order][source], self.keyframes[order][source] & (moved == 0)
        there = np.ones(len(source), bool)
        return Keyframes(tracks[source], frames[source] + moved, xyxy, there, there, *flags)
