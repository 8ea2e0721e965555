"""A run of `track`, read back from the folder it left."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations
from tracker.errors import DataError, InputError

_AGAIN = "run `track` again, or give another folder"
_MOST_FRAMES = 50_000_000  # nineteen days at 30 frames/s: what is told of more would fill the memory
_LARGEST_ID = 2**31 - 1


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """What `track` left in a folder.

    Attributes:
        folder: the run's.
        record: what its `run.yaml` says.
    """

    folder: Path
    record: dict[str, Any]

    @classmethod
    def read(cls, folder: Path) -> FinishedRun:
        """The run in a folder.

        Raises:
            DataError: it holds none of a single source. One that was killed is a run, too.
        """
        path = folder / "run.yaml"
        try:
            record = yaml.safe_load(path.read_text(encoding="utf-8"))
            record["source"]["given"], record["files"]
            _check(record)
        except FileNotFoundError as missing:
            raise DataError(f"{folder} has no run.yaml; give a folder that `track` left") from missing
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path} is not the record of a run of `track`; {_AGAIN}") from error
        return cls(folder, record)

    @property
    def source(self) -> Path | None:
        """The video or folder of images that was tracked, where that is one and is still there."""
        given = self.record["source"]["given"]
        if not isinstance(given, str):
            return None
        path = Path(self.record["folder"], given)
        return path if path.exists() else None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        width, height = self.record["source"]["size"]
        return int(width), int(height)

    @property
    def _stride(self) -> int:
        stride = self.record["source"].get("vid_stride", 1)
        if not isinstance(stride, int) or stride < 1:
            raise DataError(
                f"{self.folder / 'run.yaml'} has vid_stride {stride!r}, which is no number from 1; {_AGAIN}"
            )
        return stride

    @cached_property
    def annotations(self) -> Annotations:
        """Its rows, ordered by frame and id, with what `tracks.jsonl` says that they carry, where there is one.

        Times of frames in which nothing was tracked lie evenly between those of the others.

        Raises:
            DataError: a table that is not as `track` writes it.
        """
        columns = self._table("tracks.csv")
        try:
            frames, ids, classes = (np.array(columns[name], np.int64) for name in ("frame", "id", "class"))
            seconds, scores = (np.array(columns[name], np.float64) for name in ("time_s", "score"))
            xyxy = np.array([columns[edge] for edge in ("left", "top", "right", "bottom")], np.float64).T
            if not (_within(frames, _MOST_FRAMES) and _within(ids, _LARGEST_ID) and np.isfinite(xyxy).all()):
                raise ValueError("frames, ids or boxes that are none")
            confirmed = np.array([status == "confirmed" for status in columns["status"]], bool)
        except (KeyError, ValueError, OverflowError) as error:
            raise DataError(f"{self.folder / 'tracks.csv'} is not as `track` writes it ({error}); {_AGAIN}") from error
        names = dict(zip(classes.tolist(), columns["name"], strict=True))
        carried, more_times = self._carried(frames, ids)
        return Annotations(
            frames=frames,
            ids=ids,
            xyxy=xyxy.reshape(-1, 4),
            classes=classes,
            scores=scores,
            occluded=~confirmed,
            keyframes=confirmed,
            times_s=self._times(frames, seconds, more_times),
            size=self.size,
            names=names,
            columns=carried,
        ).by_frame

    @cached_property
    def tracked(self) -> NDArray[np.int64]:
        """(K,) numbers of the frames that were tracked, increasing: without those that `vid_stride` left out.

        Of a live source that dropped frames, and left no `tracks.jsonl`, those in which something was tracked.
        """
        rows = self.annotations.frames
        if (self.folder / "tracks.jsonl").is_file():  # of a run that was killed it may lack the last frame
            return np.union1d(rows, [int(one["frame"]) for one in self._objects("tracks.jsonl")]).astype(np.int64)
        said, stride = (self.record.get("result") or {}).get("frames"), self._stride
        if said is not None and rows.max(initial=0) > int(said) * stride:
            return np.unique(rows)
        return np.arange(1, self.annotations.frame_count + 1, stride)

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The objects of its `events.jsonl`; none where there is no such file.

        Raises:
            DataError: a line that is no JSON object.
        """
        return list(self._objects("events.jsonl")) if (self.folder / "events.jsonl").is_file() else []

    def _table(self, name: str) -> dict[str, tuple[str, ...]]:
        """The columns of a table, as text."""
        path = self.folder / name
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = csv.reader(file)
                header = next(rows, [])
                columns = list(zip(*rows, strict=True)) or [()] * len(header)
            return dict(zip(header, columns, strict=True))
        except (OSError, UnicodeDecodeError, csv.Error, ValueError) as error:
            raise DataError(f"{path} cannot be read as a table ({error}); {_AGAIN}") from error

    def _objects(self, name: str) -> Iterator[dict[str, Any]]:
        path = self.folder / name
        try:
            with path.open(encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    one = json.loads(line)
                    if not isinstance(one, dict):
                        raise DataError(f"{path} line {number} is no JSON object; {_AGAIN}")
                    yield one
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise DataError(f"{path} cannot be read as JSON lines ({error}); {_AGAIN}") from error

    def _carried(self, frames: NDArray[np.int64], ids: NDArray[np.int64]) -> tuple[Columns, dict[int, float]]:
        """What the rows carry, and frame -> time, by `tracks.jsonl`."""
        if not (self.folder / "tracks.jsonl").is_file():
            return Columns(), {}
        place = {pair: row for row, pair in enumerate(zip(frames.tolist(), ids.tolist(), strict=True))}
        found: dict[str, dict[int, Any]] = {"mask": {}, "keypoints": {}, "corners": {}, "data": {}}
        times: dict[int, float] = {}
        try:
            for one in self._objects("tracks.jsonl"):
                times[one["frame"]] = float(one["time_s"])
                for track in one["tracks"]:
                    for key, rows in found.items():
                        if track.get(key) is not None:
                            rows[place[one["frame"], track["id"]]] = track[key]
            masks = [found["mask"].get(row) for row in range(len(ids))] if found["mask"] else None
            width, height = self.size
            columns = Columns(
                masks=None if masks is None else Masks.from_coco(masks, (height, width)),
                keypoints=_array(found["keypoints"], len(ids)),
                corners=_array(found["corners"], len(ids)),
                data=_named(found["data"], len(ids)),
            )
        except (KeyError, TypeError, ValueError, AttributeError, InputError) as error:
            raise DataError(
                f"{self.folder / 'tracks.jsonl'} is not as `track` writes it ({error}); {_AGAIN}"
            ) from error
        return columns, times

    def _times(
        self, frames: NDArray[np.int64], seconds: NDArray[np.float64], more: dict[int, float]
    ) -> NDArray[np.float64]:
        """(F,) time of every frame."""
        result, source = self.record.get("result") or {}, self.record["source"]
        count = max([int(result.get("frames") or 0) * self._stride, *more, int(frames.max(initial=0))])
        step = 1 / (float(source.get("frames_per_s") or 25.0) * self._stride)
        known = dict(zip(frames.tolist(), seconds.tolist(), strict=True)) | more
        if not known:
            return np.arange(count, dtype=np.float64) * step
        numbers = np.array(sorted(known))
        at = np.array([known[number] for number in numbers.tolist()])
        every = np.arange(1, count + 1)
        times = np.interp(every, numbers, at)
        before, after = every < numbers[0], every > numbers[-1]
        times[before] = at[0] - (numbers[0] - every[before]) * step
        times[after] = at[-1] + (every[after] - numbers[-1]) * step
        return np.asarray(times, np.float64)


def _check(record: dict[str, Any]) -> None:
    """Raise ValueError or TypeError where the numbers of a record are none."""
    source, result = record["source"], record.get("result") or {}
    width, height = source["size"]
    counts = width, height, source.get("vid_stride") or 1, (result.get("frames") or 0) + 1
    rate = source.get("frames_per_s") or 25.0
    whole = all(isinstance(number, int) and 1 <= number <= _MOST_FRAMES for number in counts)
    if not (whole and isinstance(rate, int | float) and 0 < rate < float("inf")):
        raise ValueError("sizes, counts or rates that are none")
    if counts[2] * counts[3] > 2 * _MOST_FRAMES or not isinstance(record.get("folder", ""), str):
        raise ValueError("too many frames")


def _within(numbers: NDArray[np.int64], most: int) -> bool:
    return bool((numbers >= 1).all() and (numbers <= most).all())


def _array(found: dict[int, Any], rows: int) -> NDArray[np.float32] | None:
    """(R, ...) of the rows that were found, NaN where they were not; None where none was."""
    if not found:
        return None
    values = np.array(list(found.values()), np.float32)  # null is NaN
    array = np.full((rows, *values.shape[1:]), np.nan, np.float32)
    array[list(found)] = values
    return array


def _named(found: dict[int, dict[str, Any]], rows: int) -> dict[str, NDArray[Any]]:
    """Name -> (R,) objects as JSON has them, None where they were not found."""
    named: dict[str, NDArray[Any]] = {}
    for row, values in found.items():
        for name, value in values.items():
            named.setdefault(name, np.full(rows, None, object))[row] = value
    return named
