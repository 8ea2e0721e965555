"""COCO with videos and tracks, in the form of TAO (https://github.com/TAO-Dataset/tao/blob/master/docs/dataset.md) and
of MMTracking's CocoVID, which agree in the following; masks in COCO's run-length encoding
(https://cocodataset.org/#format-data).

    {"videos": [{"id": 1, "name": "clip.mp4", "width": 1920, "height": 1080, "fps": 25.0}],
     "images": [{"id": 1, "video_id": 1, "frame_id": 0, "frame_index": 0, "file_name": "clip/000001.jpg",
                 "width": 1920, "height": 1080, "time_s": 0.0}],
     "categories": [{"id": 1, "name": "person"}],
     "tracks": [{"id": 3, "video_id": 1, "category_id": 1}],
     "annotations": [{"id": 1, "video_id": 1, "image_id": 1, "category_id": 1, "track_id": 3, "instance_id": 3,
                      "bbox": [left, top, width, height], "area": 12.0, "iscrowd": 0, "score": 0.9,
                      "segmentation": {"size": [1080, 1920], "counts": "..."}, "keypoints": [x, y, visibility, ...],
                      "num_keypoints": 17, "keypoint_scores": [...],
                      "attributes": {"occluded": false, "keyframe": true, "track_id": 3}}]}

`frame_id` (CocoVID) and `frame_index` (TAO) count from 0, those of ByteTrack's files from 1: the smallest in a file
tells. A file without either has its images in the order of the numbers at the end of `file_name`, else of the names;
one without `videos` is of one video. The order of the lists means nothing. What CVAT exports as COCO has its ids in
`attributes`, where they are looked for, too.

`track_id` is one for all videos, as TAO has it; `instance_id` is the object's in its video, and counts when it is read.
A point of a skeleton that is not known has visibility 0; `keypoint_scores` are MMPose's.

Not in the format: oriented boxes. Outlines as polygons are not read; their boxes are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations, times_of_all
from tracker.datasets.formats.format import FileFormat, blocks
from tracker.datasets.formats.json_stream import json_stream
from tracker.datasets.formats.rows import DECIMALS, MOST_FRAMES, Gathered, Said, Table, common_step, from_one, stem
from tracker.errors import DataError, InputError
from tracker.system.files import text_file
from tracker.system.images import natural_order

_LISTS = frozenset({"videos", "images", "categories", "annotations"})


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write one or more videos into the file `out`."""
    names = list(dict.fromkeys(name for video in videos for _, name in sorted(video.names.items())))
    parts = [_CocoVideo(number, video, names) for number, video in enumerate(videos, 1)]
    for before, after in pairwise(parts):
        after.follow(before)
    lists: dict[str, Iterable[dict[str, Any]]] = {
        "videos": (part.about() for part in parts),
        "categories": _categories(videos, names),
        "images": (one for part in parts for one in part.images()),
        "tracks": (one for part in parts for one in part.tracks()),
        "annotations": (one for part in parts for one in part.annotations()),
    }
    with text_file(out) as file:
        file.write('{"info": {"description": "written by track convert"}, "licenses": []')
        for key, items in lists.items():
            file.write(f',\n"{key}": [')
            for number, item in enumerate(items):
                file.write((",\n" if number else "\n") + json.dumps(item, ensure_ascii=False))
            file.write("]")
        file.write("}\n")


def _categories(videos: Sequence[Annotations], names: Sequence[str]) -> list[dict[str, Any]]:
    """Each with as many points of a skeleton as there are."""
    points = max((v.columns.keypoints.shape[1] for v in videos if v.columns.keypoints is not None), default=0)
    skeleton = {"keypoints": [f"{number}" for number in range(1, points + 1)], "skeleton": []} if points else {}
    return [{"id": number, "name": name, **skeleton} for number, name in enumerate(names, 1)]


class _CocoVideo:
    """One video and where its numbers begin: ids of images, annotations and tracks are of the whole file."""

    def __init__(self, number: int, video: Annotations, names: Sequence[str]) -> None:
        self._number, self._rows = number, video.by_frame
        self._category = {kind: names.index(name) + 1 for kind, name in video.names.items()}
        self._image = self._annotation = 1
        self._track = 0

    def follow(self, before: _CocoVideo) -> None:
        """Begin where another ends."""
        self._image = before._image + before._rows.frame_count
        self._annotation = before._annotation + len(before._rows)
        self._track = before._track + int(before._rows.ids.max(initial=0))

    def about(self) -> dict[str, Any]:
        width, height = self._rows.size
        rate = round(self._rows.frames_per_s, 6)
        return {"id": self._number, "name": self._rows.name, "width": width, "height": height, "fps": rate}

    def images(self) -> Iterator[dict[str, Any]]:
        width, height = self._rows.size
        folder = stem(self._rows.name)
        for at in range(0, self._rows.frame_count, self._rows.step):
            yield {
                "id": self._image + at,
                "video_id": self._number,
                "frame_id": at,
                "frame_index": at,
                "file_name": f"{folder}/{at + 1:06d}.jpg",
                "width": width,
                "height": height,
                "time_s": float(self._rows.times_s[at]),
            }

    def tracks(self) -> Iterator[dict[str, Any]]:
        rows = self._rows.of_one_class
        ids, first = np.unique(rows.ids, return_index=True)
        for i, kind in zip(ids.tolist(), rows.classes[first].tolist(), strict=True):
            yield {"id": self._track + i, "video_id": self._number, "category_id": self._category[kind]}

    def annotations(self) -> Iterator[dict[str, Any]]:
        for block in blocks(self._rows):
            yield from self._block(block.start, self._rows[block])

    def _block(self, begin: int, rows: Annotations) -> Iterator[dict[str, Any]]:
        corner, extent = np.split(rows.xyxy, 2, axis=1)
        boxes = np.concatenate([corner, np.round(extent - corner, DECIMALS)], axis=1)
        masks = rows.columns.masks
        outlines = [None] * len(rows) if masks is None else masks.to_coco()
        areas = np.zeros(len(rows)) if masks is None else masks.areas
        skeletons = [{}] * len(rows) if rows.columns.keypoints is None else _skeletons(rows.columns.keypoints)
        columns = rows.ids, rows.frames, rows.classes, boxes, rows.scores, rows.occluded, rows.keyframes, areas
        plain = zip(*(column.tolist() for column in columns), outlines, skeletons, strict=True)
        for number, (i, frame, kind, box, score, occluded, key, area, outline, skeleton) in enumerate(plain):
            yield {
                "id": self._annotation + begin + number,
                "video_id": self._number,
                "image_id": self._image + frame - 1,
                "category_id": self._category[kind],
                "track_id": self._track + i,
                "instance_id": i,
                "bbox": box,
                "area": round(box[2] * box[3], 2) if outline is None else area,
                "iscrowd": 0,
                "score": score,
                "segmentation": [] if outline is None else outline,  # COCO has one of each, and Datumaro asks for it
                **skeleton,
                "attributes": {"occluded": occluded, "keyframe": key, "track_id": self._track + i},
            }


def _skeletons(keypoints: NDArray[np.float32]) -> Iterator[dict[str, Any]]:
    """What COCO says of each row (R, K, 3); nothing where no point is known."""
    known = np.asarray(np.isfinite(keypoints).all(axis=2))
    values = np.where(known[..., None], keypoints, 0).astype(np.float64)
    scores = np.round(values[..., 2], DECIMALS).tolist()
    values[..., 2] = 2 * known
    flat = np.round(values.reshape(len(values), -1), DECIMALS).tolist()
    for points, confidence, count in zip(flat, scores, known.sum(axis=1).tolist(), strict=True):
        yield {"keypoints": points, "num_keypoints": count, "keypoint_scores": confidence} if count else {}


def read(path: Path) -> list[Said]:
    """What a file says of each of its videos.

    Raises:
        DataError: it cannot be read, lacks what is needed, or refers to what is not there.
    """
    file = _File(str(path))
    with json_stream(path) as stream:
        for key in stream.members():
            if key in _LISTS and stream.is_list():
                for number, _ in enumerate(stream.items()):
                    file.take(key, number, stream.value())
            else:
                stream.value()
    return file.said()


class _File:
    """Takes the items of a file one after another, in any order; memory is that of the numbers."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._videos: dict[int, dict[str, Any]] = {}
        self._names: dict[int, str] = {}
        self._images = Gathered(6)  # id, video, number of the frame, width, height, time; NaN where it is not said
        self._files: list[str] = []
        self._rows = Gathered(10)  # image, id, category, left, top, width, height, score, occluded, keyframe
        self._masks: dict[int, Mapping[str, Any]] = {}
        self._points: dict[int, Table] = {}

    def take(self, key: str, number: int, item: Any) -> None:
        try:
            if key == "videos":
                self._videos[int(item["id"])] = item
            elif key == "categories":
                self._names[int(item["id"])] = str(item["name"])
            elif key == "images":
                self._image(item)
            else:
                self._annotation(item)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else f"is not as COCO has it ({error})"
            raise DataError(f"{self._where}: number {number + 1} of {key} {what}; mend it") from error

    def _image(self, item: Mapping[str, Any]) -> None:
        said = (item.get(key) for key in ("width", "height", "time_s"))
        place = item["id"], item.get("video_id") or 0, _first(item, "frame_id", "frame_index")
        self._images.add((*_numbers(place), *_numbers(said)))
        self._files.append(str(item.get("file_name", "")))

    def _annotation(self, item: Mapping[str, Any]) -> None:
        if item.get("iscrowd"):
            return
        more = item.get("attributes") or {}
        identity = _first(item, "instance_id", "track_id")
        if identity is None and (identity := more.get("track_id")) is None:
            raise KeyError("track_id")
        flags = bool(_first(more, "occluded") or item.get("occluded")), bool(more.get("keyframe", True))
        row = len(self._rows)
        box = item["bbox"]
        if len(box) != 4:
            raise ValueError(f"a bbox of {len(box)} numbers")
        self._rows.add((item["image_id"], identity, item["category_id"], *box, item.get("score", 1.0), *flags))
        outline = item.get("segmentation")
        if isinstance(outline, dict):
            self._masks[row] = outline
        if item.get("keypoints"):
            points = np.array(item["keypoints"], np.float64).reshape(-1, 3)
            known = points[:, 2] > 0
            points[:, 2] = item.get("keypoint_scores") or known
            self._points[row] = np.where(known[:, None], points, np.nan)

    def said(self) -> list[Said]:
        images, rows = self._images.table, self._rows.table
        order = np.argsort(images[:, 0], kind="stable")
        if (np.diff(images[order, 0]) == 0).any():
            raise DataError(f"{self._where} has two images of one id; mend it")
        place = np.searchsorted(images[order, 0], rows[:, 0])
        found = place < len(order)
        found[found] = images[order[place[found]], 0] == rows[found, 0]
        if not found.all():
            raise DataError(
                f"{self._where} has annotations of an image {rows[~found][0, 0]:g}, which it lacks; mend it"
            )
        strange = set(np.unique(rows[:, 2]).tolist()) - self._names.keys()
        if strange:
            raise DataError(f"{self._where} has annotations of a category {min(strange):g}, which it lacks; mend it")
        of_row = order[place]
        zero = len(images) > 0 and images[:, 2].min() == 0
        videos = sorted(self._videos) or np.unique(images[:, 1]).tolist() or [0]
        said = []
        for number in videos:
            mine = np.flatnonzero(images[:, 1] == number)
            frames = np.zeros(len(images), np.int64)
            frames[mine] = self._frames(images[mine], [self._files[at] for at in mine.tolist()], zero)
            said.append(self._video(number, images[mine], frames[mine], frames[of_row], images[of_row, 1] == number))
        return said

    def _frames(self, images: Table, files: list[str], zero: bool) -> NDArray[np.int64]:
        """(F,) the number, from 1, of each image's frame."""
        numbers = images[:, 2]
        if np.isfinite(numbers).all():
            return np.asarray(numbers + zero, np.int64)
        found = [re.search(r"([0-9]{1,12})$", Path(file).stem) for file in files]
        digits = np.array([int(one[1]) for one in found if one], np.int64)
        if len(np.unique(digits)) == len(files):
            return from_one(digits)
        order = sorted(range(len(files)), key=lambda at: natural_order(Path(files[at])))
        return np.argsort(order) + 1

    def _video(
        self, number: int, images: Table, frames: NDArray[np.int64], of_row: NDArray[np.int64], rows: NDArray[np.bool_]
    ) -> Said:
        about = self._videos.get(number, {})
        where = f"{self._where} video {number:g}" if len(self._videos) > 1 else self._where
        table, kinds = self._rows.table[rows], sorted(self._names)
        size = _size(about.get("width"), about.get("height")) or next((_size(*one) for one in images[:1, 3:5]), None)
        last, times = int(frames.max(initial=0)), None
        if len(frames) and last <= MOST_FRAMES and np.isfinite(images[:, 5]).all():
            times = times_of_all(frames, images[:, 5], last, 0.04)
        rate = about.get("fps")
        corner, extent = table[:, 3:5], table[:, 5:7]
        return Said(
            where,
            frames=of_row[rows],
            ids=table[:, 1],
            xyxy=np.concatenate([corner, corner + extent], axis=1),
            classes=np.searchsorted(kinds, table[:, 2]),
            names={place: self._names[kind] for place, kind in enumerate(kinds)},
            name=str(about.get("name") or about.get("file_name") or "video"),
            size=size,
            frame_count=last,
            frames_per_s=float(rate) if isinstance(rate, int | float) and 0 < rate < 1e6 else None,
            times_s=times,
            scores=table[:, 7],
            occluded=table[:, 8] > 0,
            keyframes=table[:, 9] > 0,
            columns=self._columns(np.flatnonzero(rows).tolist(), size, where),
            step=common_step(frames),
        )

    def _columns(self, rows: list[int], size: tuple[int, int] | None, where: str) -> Columns:
        masks, points = None, None
        if size is not None and any(row in self._masks for row in rows):
            try:
                masks = Masks.from_coco([self._masks.get(row) for row in rows], size[::-1])
            except InputError as error:
                raise DataError(f"{where}: {error}") from error
        many = max((len(self._points[row]) for row in rows if row in self._points), default=0)
        if many:
            points = np.full((len(rows), many, 3), np.nan, np.float32)
            for place, row in enumerate(rows):
                if row in self._points:
                    points[place, : len(self._points[row])] = self._points[row]
        return Columns(masks=masks, keypoints=points)


def _first(item: Mapping[str, Any], *keys: str) -> Any:
    """The first of these that is there; None where none is."""
    return next((item[key] for key in keys if item.get(key) is not None), None)


def _numbers(values: Iterable[Any]) -> list[float]:
    """NaN where nothing is said."""
    return [float("nan") if value is None else float(value) for value in values]


def _size(width: Any, height: Any) -> tuple[int, int] | None:
    """Of a frame; None where it is not said."""
    try:
        return (int(width), int(height)) if 0 < width < 1e6 and 0 < height < 1e6 else None
    except TypeError:
        return None


COCO_VIDEO = FileFormat(
    "COCO with videos",
    read,
    write,
    ".json",
    many=True,
    lacks=frozenset({"oriented boxes"}),
    pictures="{stem}/{number:06d}.jpg",
)
