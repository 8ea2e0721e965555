"""A run of `track`, read back from the folder it left."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.documented import OBJECT_NAME, ON_GROUND, SUMMARY, names
from tracker.columns.masks import GatheredMasks
from tracker.datasets.annotations import Annotations, times_of_all
from tracker.errors import DataError, InputError

_EDGES = ("left", "top", "right", "bottom")
_NUMBERS = ("frame", "id", "class", "time_s", "score", *_EDGES)
_ROW = np.dtype([(name, "i8" if name in _NUMBERS[:3] else "f8") for name in _NUMBERS] + [("confirmed", "?")])
_GROUND = names(ON_GROUND)
_TEXT = names(tuple(column for column in (*SUMMARY, OBJECT_NAME) if column.kind == "string"))  # of `summary.csv`
_BLOCK = 1 << 16  # rows of text in memory at a time
_TOLD_S = 1e-4  # the last decimal of times in the tables
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
        except (FileNotFoundError, NotADirectoryError) as missing:
            raise no_run(folder) from missing
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); check its permissions and the disk") from error
        except (UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"{path} is not the record of a run of `track`; {_AGAIN}") from error
        return cls(folder, record)

    @property
    def source(self) -> Path | None:
        """The video or folder of images that was tracked, where that is one and is still there."""
        given = self.given
        return given if isinstance(given, Path) and given.exists() else None

    @property
    def given(self) -> Path | list[Path]:
        """The path of what was tracked, or of its images, whether or not they are still there."""
        given, folder = self.record["source"]["given"], self.record.get("folder", "")
        if isinstance(given, str):
            return Path(folder, given)
        return [Path(folder, str(image)) for image in given] if isinstance(given, list) else []

    @property
    def name(self) -> str:
        """The file name of its source, or of the folder, where that is no file."""
        given = self.record["source"]["given"]
        return Path(given).name if isinstance(given, str) and "://" not in given else self.folder.resolve().name

    def is_of_the_video_of(self, other: FinishedRun) -> bool:
        """Whether both are of one video, as far as their records and what is still there tell."""
        one, two = self.source, other.source
        if one is not None and two is not None and one.is_file() and two.is_file():
            return one.samefile(two) or one.stat().st_size == two.stat().st_size
        return _names(self.given) == _names(other.given) and self.size == other.size

    @property
    def interrupted(self) -> bool:
        """Whether `track --resume` can go on with it, which writes its files anew."""
        files = self.record["files"]
        return isinstance(files, list) and "unfinished" in files

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        width, height = self.record["source"]["size"]
        return int(width), int(height)

    @cached_property
    def annotations(self) -> Annotations:
        """Its rows, ordered by frame and id, with what `tracks.jsonl` says that they carry, where there is one.

        Times of frames in which nothing was tracked lie evenly between those of the others.

        Raises:
            DataError: a table that is not as `track` writes it.
        """
        return self._read[0]

    @cached_property
    def _read(self) -> tuple[Annotations, list[int]]:
        """`annotations`, and the numbers of the frames that `tracks.jsonl` has, where there is one."""
        rows, names = self._rows()
        frames, ids, classes = (np.asarray(rows[name]) for name in ("frame", "id", "class"))
        confirmed = np.asarray(rows["confirmed"])
        carried, more_times = self._carried(frames, ids)
        annotations = Annotations(
            frames=frames,
            ids=ids,
            xyxy=np.column_stack([rows[edge] for edge in _EDGES]),
            classes=classes,
            scores=np.asarray(rows["score"]),
            occluded=~confirmed,
            keyframes=confirmed,
            times_s=self._times(frames, np.asarray(rows["time_s"]), more_times),
            size=self.size,
            names=names,
            columns=carried,
            name=self.name,
            step=self.step,
        )
        return annotations.by_frame, list(more_times)

    @property
    def step(self) -> int:
        """Every which frame of its source was tracked."""
        return int(self.record["source"].get("vid_stride", 1))

    @cached_property
    def tracked(self) -> NDArray[np.int64]:
        """(K,) numbers of the frames that were tracked, increasing: without those that `vid_stride` left out.

        Of a live source that dropped frames, and left no `tracks.jsonl`, those in which something was tracked.
        """
        rows = self.annotations.frames
        if (self.folder / "tracks.jsonl").is_file():  # of a run that was killed it may lack the last frame
            return np.union1d(rows, self._read[1]).astype(np.int64)
        said, stride = (self.record.get("result") or {}).get("frames"), self.step
        if said is not None and rows.max(initial=0) > int(said) * stride:
            return np.unique(rows)
        return np.arange(1, self.annotations.frame_count + 1, stride)

    @cached_property
    def on_ground(self) -> NDArray[np.float64] | None:
        """(R, 4) of the rows of `annotations`: x and y in metres, speed and its standard deviation in metres a second.

        NaN where that is not known; None of a run without `--camera`.

        Raises:
            DataError: as of `annotations`.
        """
        if "camera" not in self.record:
            return None
        frame, number, *values = self._numbers("tracks.csv", ("frame", "id", *_GROUND)).T
        return np.column_stack(values)[np.lexsort((number, frame))]

    @cached_property
    def summary(self) -> dict[str, NDArray[np.float64]]:
        """The columns of numbers of `summary.csv`, (K,) each, NaN where a cell is empty; none without that file.

        Of a run that was killed it may lack the last tracks.

        Raises:
            DataError: as of `annotations`.
        """
        if not (self.folder / "summary.csv").is_file():
            return {}
        names = [name for name in next(self._blocks("summary.csv")) if name not in _TEXT]
        return dict(zip(names, self._numbers("summary.csv", names).T, strict=True))

    @cached_property
    def object_names(self) -> dict[int, str]:
        """Id -> what a person calls the object, of those that were given a name: the `object_name` of `summary.csv`.

        Raises:
            DataError: as of `annotations`.
        """
        if not (self.folder / "summary.csv").is_file():
            return {}
        return {
            int(i): name
            for block in self._blocks("summary.csv")
            for i, name in zip(block.get("id", ()), block.get(OBJECT_NAME.name, ()), strict=False)
            if name
        }

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """The objects of its `events.jsonl`; none where there is no such file.

        Raises:
            DataError: a line that is no JSON object.
        """
        return list(self._objects("events.jsonl")) if (self.folder / "events.jsonl").is_file() else []

    def _rows(self) -> tuple[NDArray[np.void], dict[int, str]]:
        """The rows (R,) of `tracks.csv`, of `_ROW`, and class number -> name; memory is that of the numbers."""
        parts: list[NDArray[np.void]] = []
        names: dict[int, str] = {}
        try:
            for columns in self._blocks("tracks.csv"):
                part = np.zeros(len(columns["name"]), _ROW)
                for name in _NUMBERS:
                    part[name] = np.array(columns[name], part[name].dtype)
                boxes = np.column_stack([part[edge] for edge in _EDGES])
                whole = _within(part["frame"], _MOST_FRAMES) and _within(part["id"], _LARGEST_ID)
                if not whole or not np.isfinite(boxes).all():
                    raise ValueError("frames, ids or boxes that are none")
                part["confirmed"] = [status == "confirmed" for status in columns["status"]]
                names.update(zip(part["class"].tolist(), columns["name"], strict=True))
                parts.append(part)
        except (KeyError, ValueError, OverflowError) as error:
            raise DataError(f"{self.folder / 'tracks.csv'} is not as `track` writes it ({error}); {_AGAIN}") from error
        return np.concatenate(parts), names

    def _numbers(self, table: str, names: Sequence[str]) -> NDArray[np.float64]:
        """(R, len(names)) numbers of columns of a table, NaN where a cell is empty.

        Raises:
            DataError: it has not these columns, or no numbers in them.
        """
        try:
            parts = [
                np.array([[float(cell or "nan") for cell in block[name]] for name in names], np.float64)
                for block in self._blocks(table)
            ]
        except (KeyError, ValueError) as error:
            raise DataError(f"{self.folder / table} is not as `track` writes it ({error}); {_AGAIN}") from error
        return np.concatenate(parts, axis=1).T

    def _blocks(self, table: str) -> Iterator[dict[str, tuple[str, ...]]]:
        """The columns of a table as text: of no row at first, then of so many rows at a time."""
        path = self.folder / table
        try:
            with path.open(newline="", encoding="utf-8") as file:
                lines = csv.reader(file)
                header = next(lines, [])
                yield dict.fromkeys(header, ())
                while block := list(islice(lines, _BLOCK)):
                    yield dict(zip(header, zip(*block, strict=True), strict=True))
        except FileNotFoundError as missing:
            raise DataError(f"{self.folder} has no {table}; {_AGAIN}") from missing
        except (OSError, UnicodeDecodeError, csv.Error) as error:
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
        order = np.argsort(frames, kind="stable")
        ordered = frames[order]
        found: dict[str, dict[int, Any]] = {"keypoints": {}, "corners": {}, "data": {}}
        masks = GatheredMasks(len(ids), (self.size[1], self.size[0]))
        times: dict[int, float] = {}
        try:
            for one in self._objects("tracks.jsonl"):
                times[one["frame"]] = float(one["time_s"])
                rows_of = order[slice(*np.searchsorted(ordered, [one["frame"], one["frame"] + 1]))]
                place = dict(zip(ids[rows_of].tolist(), rows_of.tolist(), strict=True))
                for track in one["tracks"]:
                    for key, rows in found.items():
                        if track.get(key) is not None:
                            rows[place[track["id"]]] = track[key]
                    if track.get("mask") is not None:
                        masks.add(place[track["id"]], track["mask"])
            columns = Columns(
                masks=masks.all,
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
        count = max([int(result.get("frames") or 0) * self.step, *more, int(frames.max(initial=0))])
        numbers = np.concatenate([frames, np.array(list(more), np.int64)])
        known = np.concatenate([seconds, np.array(list(more.values()), np.float64)])
        rate = float(source.get("frames_per_s") or 25.0) * self.step  # it is that of the frames that were tracked
        times = times_of_all(numbers, known, count, 1 / rate)
        even = times[:1] + np.arange(count) / rate
        return even if np.allclose(times, even, rtol=0, atol=2 * _TOLD_S) else times


def _names(given: Path | list[Path]) -> list[str]:
    return [path.name for path in (given if isinstance(given, list) else [given])]


def no_run(folder: Path, left: str = "`track`") -> DataError:
    """What there is where `left`, a command, should have left a run and its record is missing."""
    if not os.path.lexists(folder):
        return DataError(f"there is no folder {folder}; give one that {left} left")
    if not folder.is_dir():
        return DataError(f"{folder} is no folder; give the one that {left} left of it")
    if runs := sorted(path.parent for path in folder.glob("*/run.yaml")):
        return DataError(f"{folder} is a folder of runs ({len(runs)} of them); give one of these, such as {runs[0]}")
    return DataError(f"{folder} has no run.yaml; give a folder that {left} left")


def _check(record: dict[str, Any]) -> None:
    """Raise ValueError or TypeError where the numbers of a record are none."""
    source, result = record["source"], record.get("result") or {}
    width, height = source["size"]
    counts = width, height, source.get("vid_stride", 1), (result.get("frames") or 0) + 1
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
