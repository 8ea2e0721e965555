"""What a video's objects are once a person's edits are applied: pure, one edit after another, all rows at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.errors import DataError
from tracker.jobs.corrections.edits import (
    NAME,
    Delete,
    Edit,
    Interpolate,
    Merge,
    PlaceBox,
    Reclassify,
    Rename,
    Split,
    Swap,
)

Rows = NDArray[np.bool_]

_NEW = -1  # `origin` of a row that carries nothing


def corrected(annotations: Annotations, edits: Iterable[Edit], frames: NDArray[np.int64] | None = None) -> Annotations:
    """The annotations with edits applied in order; rows ordered by frame and id.

    Args:
        frames: (K,) numbers of the frames that can have rows, increasing; None: all of the video.

    Raises:
        DataError: an edit of a track or frame that is not there at that point; it is named by its number.
    """
    return Correction.of(annotations, edits, frames).annotations


def uncorrectable(run: FinishedRun) -> str:
    """Why a run takes no edits, in a sentence; empty where it does."""
    if "corrected" in run.record:
        return "this is a corrected run itself; correct the run that it was made from"
    return ""


class Correction:
    """Annotations under correction.

    Args:
        annotations: as they were.
        frames: as of `corrected`.
    """

    def __init__(self, annotations: Annotations, frames: NDArray[np.int64] | None = None) -> None:
        rows = len(annotations)
        self._was = annotations
        self._frames = np.arange(1, annotations.frame_count + 1) if frames is None else frames
        self._state = _Interim(replace(annotations, columns=Columns()), np.arange(rows), np.zeros(rows, bool))
        self._names: dict[int, str] = {}  # of objects
        self._count = 0

    @classmethod
    def of(cls, annotations: Annotations, edits: Iterable[Edit], frames: NDArray[np.int64] | None = None) -> Correction:
        """With edits applied in order; errors as of `corrected`."""
        correction = cls(annotations, frames)
        for edit in edits:
            correction.apply(edit)
        return correction

    @property
    def annotations(self) -> Annotations:
        """As they are now, with what the rows carry that were not moved; ordered by frame and id."""
        state = self._state
        carried = self._was.columns
        if (state.origin == _NEW).any():
            carried = carried.take(state.origin)
        else:
            carried = carried[state.origin]
        return replace(state.rows, columns=carried).by_frame

    @property
    def origin(self) -> NDArray[np.int64]:
        """(R,) which row of the annotations as they were each row of `annotations` is; -1 where it is a new one."""
        rows = self._state.rows
        return np.asarray(self._state.origin[np.lexsort((rows.ids, rows.frames))])

    @property
    def object_names(self) -> Mapping[int, str]:
        """Id -> what a person called the object, of those that are there."""
        there = set(np.unique(self._state.rows.ids).tolist())
        return {track: name for track, name in sorted(self._names.items()) if track in there}

    def apply(self, edit: Edit) -> None:
        """Apply the next edit.

        Raises:
            DataError: of a track or frame that is not there; nothing has changed then.
        """
        try:
            self._state = _HOW[type(edit)](self, edit)
        except _Refusal as refusal:
            where = f"edit {self._count + 1} of {NAME} ({edit.kind})"
            raise DataError(f"{where}: {refusal}; undo it, or remove it from the file") from None
        self._count += 1

    def _merge(self, edit: Merge) -> _Interim:
        state, rows = self._state, self._of(edit.id)
        taken = self._state.rows.frames[self._of(edit.into)]
        stays = ~(rows & np.isin(state.rows.frames, taken))
        if edit.id in self._names:
            self._names.setdefault(edit.into, self._names.pop(edit.id))
        return state.renamed(rows, edit.into)[stays]

    def _split(self, edit: Split) -> _Interim:
        later = self._of(edit.id) & (self._state.rows.frames >= edit.frame)
        if not later.any() or later.sum() == self._of(edit.id).sum():
            side = "from" if not later.any() else "before"
            raise _Refusal(f"track {edit.id} has no box {side} frame {edit.frame} {'on' * (side == 'from')}".strip())
        if (self._state.rows.ids == edit.new).any():
            raise _Refusal(f"there is a track {edit.new} already")
        self._names.pop(edit.new, None)
        return self._state.renamed(later, edit.new)

    def _swap(self, edit: Swap) -> _Interim:
        one, two = edit.ids
        later = self._state.rows.frames >= edit.frame
        first, second = self._of(one) & later, self._of(two) & later
        if not (first | second).any():
            raise _Refusal(f"neither track {one} nor track {two} has a box from frame {edit.frame} on")
        return self._state.renamed(first, two).renamed(second, one)

    def _delete(self, edit: Delete) -> _Interim:
        return self._state[~self._between(edit.id, edit.first, edit.last)]

    def _rename(self, edit: Rename) -> _Interim:
        self._of(edit.id)
        self._names[edit.id] = edit.name
        return self._state

    def _reclassify(self, edit: Reclassify) -> _Interim:
        rows = self._of(edit.id)
        return self._state.with_class(rows, edit.class_name)

    def _place(self, edit: PlaceBox) -> _Interim:
        state = self._state
        self._require_frame(edit.frame)
        width, height = state.rows.size
        left, top, right, bottom = edit.box
        if left >= width or top >= height or right <= 0 or bottom <= 0:
            raise _Refusal(f"the box lies outside of the frame of {width} x {height} pixels")
        own = state.rows.ids == edit.id
        if own.any() == (edit.class_name is not None):
            raise _Refusal(
                f"track {edit.id} is there already, so its class is not given with a box"
                if own.any()
                else f"there is no track {edit.id}, and a new one needs a class"
            )
        here = own & (state.rows.frames == edit.frame)
        near = np.flatnonzero(own)[:1]
        if own.any():
            near = np.flatnonzero(own)[[np.abs(state.rows.frames[own] - edit.frame).argmin()]]
        else:
            self._names.pop(edit.id, None)
        new = state.made(
            frames=np.array([edit.frame]),
            ids=np.array([edit.id]),
            xyxy=np.array([edit.box], np.float64),
            classes=state.rows.classes[near] if len(near) else np.zeros(1, np.int64),
            scores=np.ones(1),
            placed=True,
        )
        if edit.class_name is not None:
            new = new.with_class(np.ones(1, bool), edit.class_name)
        return state[~here].stacked(new)

    def _interpolate(self, edit: Interpolate) -> _Interim:
        state = self._state
        rows = self._of(edit.id)
        for frame in (edit.first, edit.last):
            if not (rows & (state.rows.frames == frame)).any():
                raise _Refusal(f"track {edit.id} has no box in frame {frame}, from which a line could be drawn")
        frames = state.rows.frames
        inside = rows & (frames > edit.first) & (frames < edit.last)
        knots = np.flatnonzero(rows & ((frames == edit.first) | (frames == edit.last)) | (inside & state.placed))
        knots = knots[np.argsort(frames[knots])]
        wanted = self._frames[(self._frames > edit.first) & (self._frames < edit.last)]
        wanted = wanted[~np.isin(wanted, frames[knots])]
        if not len(wanted):
            raise _Refusal(f"there is no frame without a placed box between {edit.first} and {edit.last}")
        times = state.rows.times_s
        at, known = times[wanted - 1], times[frames[knots] - 1]
        values = np.column_stack([state.rows.xyxy[knots], state.rows.scores[knots]])
        lines = np.column_stack([np.interp(at, known, column) for column in values.T])
        before = knots[np.searchsorted(frames[knots], wanted) - 1]
        new = state.made(
            frames=wanted,
            ids=np.full(len(wanted), edit.id),
            xyxy=lines[:, :4],
            classes=state.rows.classes[before],
            scores=lines[:, 4],
            placed=False,
        )
        return state[~inside | state.placed].stacked(new)

    def _of(self, track: int) -> Rows:
        """(R,) the rows of a track, of which there are some."""
        rows: Rows = self._state.rows.ids == track
        if not rows.any():
            raise _Refusal(f"there is no track {track} by then")
        return rows

    def _between(self, track: int, first: int | None, last: int | None) -> Rows:
        """(R,) its rows in these frames, of which there are some."""
        frames = self._state.rows.frames
        rows: Rows = self._of(track) & (frames >= (first or 1)) & (frames <= (last or np.iinfo(np.int64).max))
        if not rows.any():
            raise _Refusal(f"track {track} has no box from frame {first or 1} to {last or 'the end'}")
        return rows

    def _require_frame(self, frame: int) -> None:
        frames = self._frames
        if len(frames) and frame in frames:
            return
        inside = len(frames) and frames[0] < frame < frames[-1]
        raise _Refusal(
            f"frame {frame} was left out when the video was tracked"
            if inside
            else f"there is no frame {frame}, the last one is {frames[-1] if len(frames) else 0}"
        )


class _Refusal(Exception):
    """What an edit wants that is not there."""


@dataclass(frozen=True, eq=False)
class _Interim:
    """Rows between two edits.

    Attributes:
        rows: without what they carry.
        origin: (R,) which row of the annotations as they were each is; _NEW where it is no such one.
        placed: (R,) whether its box was placed by hand.
    """

    rows: Annotations
    origin: NDArray[np.int64]
    placed: Rows

    def __getitem__(self, keep: Rows) -> _Interim:
        return _Interim(self.rows[keep], self.origin[keep], self.placed[keep])

    def renamed(self, rows: Rows, track: int) -> _Interim:
        """The same with another id for some rows."""
        return replace(self, rows=replace(self.rows, ids=np.where(rows, track, self.rows.ids)))

    def with_class(self, rows: Rows, name: str) -> _Interim:
        """The same with some rows of the class of this name, the lowest number of those that have it, or a new one."""
        names = self.rows.names
        number = min((n for n, known in names.items() if known == name), default=max(names, default=-1) + 1)
        classes = np.where(rows, number, self.rows.classes)
        return replace(self, rows=replace(self.rows, classes=classes, names={**names, number: name}))

    def made(self, placed: bool, **columns: NDArray[Any]) -> _Interim:
        """New rows of the same video, of these columns; those that were not placed lie between others."""
        count = len(columns["frames"])
        looked = np.full(count, placed)
        made: dict[str, Any] = {**columns, "occluded": ~looked, "keyframes": looked}
        rows = replace(self.rows, **made)
        return _Interim(rows, np.full(count, _NEW), looked)

    def stacked(self, more: _Interim) -> _Interim:
        """The rows of both."""
        names = ("frames", "ids", "xyxy", "classes", "scores", "occluded", "keyframes")
        both: dict[str, Any] = {n: np.concatenate([getattr(self.rows, n), getattr(more.rows, n)]) for n in names}
        return _Interim(
            replace(self.rows, **both, names={**self.rows.names, **more.rows.names}),
            np.concatenate([self.origin, more.origin]),
            np.concatenate([self.placed, more.placed]),
        )


_HOW: dict[type[Edit], Callable[[Correction, Any], _Interim]] = {
    Merge: Correction._merge,
    Split: Correction._split,
    Swap: Correction._swap,
    Delete: Correction._delete,
    Rename: Correction._rename,
    Reclassify: Correction._reclassify,
    PlaceBox: Correction._place,
    Interpolate: Correction._interpolate,
}
