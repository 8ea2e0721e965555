"""Annotations frame by frame, as the tracks that a run's writers take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.structures import Status, Tracks

Mask = NDArray[np.bool_]


def by_frame(run: FinishedRun, annotations: Annotations) -> Iterator[tuple[int, float, Tracks]]:
    """Number, time and tracks of each frame of a run, in order, by other annotations of it.

    The tables do not say which frames were looked at and which show the picture before them once more; it is told as
    far as events and speeds depend on it: something was detected in a frame that was looked at, and a repeat says of
    every object what the frame before it says.

    Args:
        annotations: ordered by frame and id, with rows in the run's frames alone.
    """
    frames, times = run.tracked, annotations.times_s
    looked = _looked(run, frames)
    repeated = _repeated(run.annotations, frames) & _repeated(annotations, frames) & _repeats(run)
    begin = np.searchsorted(annotations.frames, frames)
    end = np.searchsorted(annotations.frames, frames, side="right")
    now = before = 0.0
    for number, first, last, seen, again in zip(
        frames.tolist(), begin.tolist(), end.tolist(), looked.tolist(), repeated.tolist(), strict=True
    ):
        shown = float(times[number - 1])
        if not again:
            before, now = now, shown
        yield number, shown, _tracks(annotations[first:last], now, now - before, seen)


def _tracks(rows: Annotations, time_s: float, interval_s: float, looked: bool) -> Tracks:
    status = np.where(rows.occluded, int(Status.PREDICTED), int(Status.CONFIRMED))
    return Tracks(
        ids=rows.ids,
        xyxy=rows.xyxy.astype(np.float32),
        scores=rows.scores.astype(np.float32),
        classes=rows.classes,
        raw_classes=np.where(rows.occluded, -1, rows.classes),
        status=status,
        detection_index=np.where(rows.occluded, -1, np.arange(len(rows))),
        time_s=time_s,
        interval_s=interval_s,
        names=rows.names,
        looked=looked,
        detected=_there(rows.columns, rows.occluded),
    )


def _there(columns: Columns, occluded: Mask) -> Columns:
    """The columns without those that no row has anything of, as the writer tells them of the first that has."""
    if not columns:
        return columns

    def known(values: NDArray[Any]) -> bool:
        return bool((~np.isnan(values) & ~occluded.reshape(-1, 1, 1)).any())

    keep = {name: v for name, v in columns.data.items() if any(value is not None for value in v.tolist())}
    return replace(
        columns,
        masks=columns.masks if columns.masks is not None and columns.masks.known.any() else None,
        keypoints=columns.keypoints if columns.keypoints is not None and known(columns.keypoints) else None,
        corners=columns.corners if columns.corners is not None and known(columns.corners) else None,
        data=keep,
    )


def _looked(run: FinishedRun, frames: NDArray[np.int64]) -> Mask:
    """(K,) in which frames objects were looked for."""
    if str(_setting(run, "every", "1")) == "1":
        return np.ones(len(frames), bool)
    return np.isin(frames, run.annotations.frames[~run.annotations.occluded])


def _repeats(run: FinishedRun) -> bool:
    """Whether any frame may be a repeat."""
    said = (run.record.get("result") or {}).get("frames_repeated")
    return bool(_setting(run, "skip_repeats", True)) and said != 0


def _setting(run: FinishedRun, name: str, default: Any) -> Any:
    config = run.record.get("config")
    section = config.get("detector") if isinstance(config, dict) else None
    return section.get(name, default) if isinstance(section, dict) else default


def _repeated(annotations: Annotations, frames: NDArray[np.int64]) -> Mask:
    """(K,) which frames have the rows of the frame before, and any."""
    begin = np.searchsorted(annotations.frames, frames)
    count = np.searchsorted(annotations.frames, frames, side="right") - begin
    same: Mask = (count == np.append(0, count[:-1])) & (count > 0)
    at = np.repeat(np.flatnonzero(same), count[same])  # of each row of those that may be, its frame
    first = np.repeat(np.cumsum(count[same]) - count[same], count[same])
    row = begin[at] + np.arange(len(at)) - first
    other = row - count[at]  # the frame before has as many
    for name in ("ids", "xyxy", "classes", "scores", "occluded"):
        values = getattr(annotations, name)
        differs = values[row] != values[other]
        same[at[differs.any(axis=1) if differs.ndim > 1 else differs]] = False
    return same


def repeated_frames(run: FinishedRun) -> NDArray[np.int64]:
    """(P,) numbers of the frames that show the picture before them once more, as far as its rows say so."""
    frames = run.tracked
    return frames[_repeated(run.annotations, frames)] if _repeats(run) else frames[:0]
