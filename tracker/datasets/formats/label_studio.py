"""Label Studio's JSON of videos with boxes (https://labelstud.io/tags/videorectangle), as it imports and exports tasks.

    [{"data": {"video": "clip.mp4"},
      "annotations": [{"result": [
        {"id": "3", "type": "videorectangle", "from_name": "box", "to_name": "video", "origin": "manual",
         "original_width": 1920, "original_height": 1080,
         "value": {"framesCount": 302, "duration": 10.07, "labels": ["person"], "sequence": [
           {"frame": 1, "enabled": true, "rotation": 0, "x": 10.0, "y": 20.0, "width": 5.0, "height": 9.0, "time": 0.1},
           {"frame": 9, "enabled": false, ...}]}}]}]}]

`x`, `y` (the left top corner), `width` and `height` are percentages of the frame's width and height. Frames count from
1; `time` is the frame's number over the rate. Between two of the sequence boxes lie on straight lines; after one that
is not `enabled` the object is away, in its own frame it is still there, and after the last one that is enabled it stays
to the end. So only rows that lie on no line are written, and the last of each spell is not enabled.

Of a task the first annotation with boxes is read, or where there is none the first such prediction. Rotated boxes are
turned about their left top corner, and read as the upright ones around them. The labelling interface for it:

    <View><Video name="video" value="$video"/><VideoRectangle name="box" toName="video"/>
    <Labels name="labels" toName="video"><Label value="person"/></Labels></View>

Not in the format: scores, what is occluded, masks, keypoints, times; a track has one class. The frames' size is not
always in it either (Label Studio does not write it of videos): then give the video.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.format import FileFormat, blocks
from tracker.datasets.formats.json_stream import JsonStream, json_stream
from tracker.datasets.formats.keyframes import Keyframes, last_of_spells, stated
from tracker.datasets.formats.rows import MOST_FRAMES, Gathered, Said, Table
from tracker.errors import DataError
from tracker.system.files import text_file

_KIND = "videorectangle"


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write one or more videos into the file `out`."""
    with text_file(out) as file:
        file.write("[")
        for number, video in enumerate(videos):
            file.write(",\n" if number else "\n")
            file.write(f'{{"data": {{"video": {_json(video.name)}}}, "annotations": [{{"result": [')
            file.writelines(_regions(video.of_one_class.by_id))
            file.write("]}]}")
        file.write("\n]\n")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _regions(by_id: Annotations) -> Iterator[str]:
    """The text of all objects."""
    away = last_of_spells(by_id)
    told = stated(by_id, occluded=False)
    rate, size = by_id.frames_per_s, np.array([*by_id.size, *by_id.size])
    length = f'"framesCount": {by_id.frame_count}, "duration": {by_id.frame_count / rate!r}'
    region = (
        f'"type": "{_KIND}", "from_name": "box", "to_name": "video", "origin": "manual", '
        f'"original_width": {by_id.size[0]}, "original_height": {by_id.size[1]}, "value": {{{length}, "labels": '
    )
    current = None
    for rows in blocks(by_id):
        part, keep = by_id[rows], told[rows]
        shares = np.concatenate([part.xyxy[:, :2], part.xyxy[:, 2:] - part.xyxy[:, :2]], axis=1) / size * 100
        columns = part.ids, part.frames, part.classes, shares, ~away[rows]
        for i, frame, kind, (x, y, width, height), on in zip(*(c[keep].tolist() for c in columns), strict=True):
            comma = ","
            if i != current:
                yield ("\n" if current is None else "]}},\n") + f'{{"id": "{i}", {region}'
                yield f'[{_json(by_id.names[kind])}], "sequence": ['
                current, comma = i, ""
            yield (
                f'{comma}\n{{"frame": {frame}, "enabled": {"true" if on else "false"}, "rotation": 0, "x": {x!r}, '
                f'"y": {y!r}, "width": {width!r}, "height": {height!r}, "time": {round(frame / rate, 6)!r}}}'
            )
    if current is not None:
        yield "]}}"


def read(path: Path) -> list[Said]:
    """What a file says of each task's video.

    Raises:
        DataError: it cannot be read, or is no export of videos with boxes.
    """
    said = []
    with json_stream(path) as stream:
        if stream.is_object():
            said.append(_task(stream, str(path)))
        else:
            for number, _ in enumerate(stream.items(), 1):
                said.append(_task(stream, f"{path} task {number}"))
    return said


def _task(stream: JsonStream, where: str) -> Said:
    name, found = "video", {}
    for key in stream.members():
        if key in ("annotations", "predictions") and stream.is_list():
            found[key] = _first_with_boxes(stream, where)
        elif key == "data" and isinstance(data := stream.value(), dict):
            name = next((one for one in (data.get("video"), *data.values()) if isinstance(one, str) and one), name)
        elif key != "data":
            stream.value()
    regions = found.get("annotations") or found.get("predictions")
    if not regions and not found:
        raise DataError(f"{where} is no task of Label Studio's; export as JSON")
    return (regions or _Regions(where)).said(name)


def _first_with_boxes(stream: JsonStream, where: str) -> _Regions:
    """What the first of the annotations that follow with any boxes says; the others are passed over."""
    first = _Regions(where)
    for _ in stream.items():
        regions = _Regions(where)
        for key in stream.members():
            if key == "result" and stream.is_list():
                for _ in stream.items():
                    region = stream.value()
                    if not first and isinstance(region, dict) and region.get("type") == _KIND:
                        regions.take(region)
            else:
                stream.value()
        first = first or regions
    return first


@dataclass
class _Regions:
    """The objects of one annotation."""

    where: str
    rows: Gathered = field(default_factory=lambda: Gathered(8))  # region, frame, enabled, x, y, width, height, rotation
    texts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    frames: float = 0
    seconds: float = 0
    size: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return bool(self.texts)

    def take(self, region: dict[str, Any]) -> None:
        number = len(self.texts)
        try:
            value = region["value"]
            for key in value["sequence"]:
                box = key["x"], key["y"], key["width"], key["height"], key.get("rotation", 0)
                self.rows.add((number, key["frame"], key.get("enabled", True), *box))
            self.texts.append(str(region.get("id", "")))
            self.kinds.append(str((value.get("labels") or ["object"])[0]))
            self.frames = max(self.frames, value.get("framesCount") or 0)
            self.seconds = max(self.seconds, value.get("duration") or 0)
            if region.get("original_width") and region.get("original_height"):
                self.size = int(region["original_width"]), int(region["original_height"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else f"is not as Label Studio has it ({error})"
            raise DataError(f"{self.where}: region {region.get('id')} {what}; export it again") from error

    def said(self, name: str) -> Said:
        rows, count = self.rows.table, len(self.texts)
        if len(rows) and not (rows[:, 1] == np.clip(np.round(rows[:, 1]), 0, MOST_FRAMES)).all():
            raise DataError(f"{self.where} has a frame that is no number up to {MOST_FRAMES}; export it again")
        frames = rows[:, 1].astype(np.int64) + int(len(rows) > 0 and rows[:, 1].min() == 0)
        last = max(int(self.frames), int(frames.max(initial=0)))
        on, every = rows[:, 2] > 0, np.ones(len(rows), bool)
        boxes = np.concatenate([rows[:, 3:5], rows[:, 3:5] + rows[:, 5:7]], axis=1)
        if rows[:, 7].any():
            boxes = _upright(rows[:, 3:], self.size, self.where)
        there = Keyframes(rows[:, 0].astype(np.int64), frames, boxes, every, on, ~every, every)
        filled = there.filled(last, 1, self.where)
        usable = all(text.isdecimal() and len(text) < 16 for text in self.texts) and len(set(self.texts)) == count
        ids = np.array([int(text) for text in self.texts] if usable else range(1, count + 1), np.int64)
        names = list(dict.fromkeys(self.kinds))
        classes = np.array([names.index(kind) for kind in self.kinds], np.int64)
        return Said(
            self.where,
            frames=filled.frames,
            ids=ids[filled.tracks] + int(usable and count > 0 and ids.min() == 0),
            xyxy=filled.xyxy,
            classes=classes[filled.tracks],
            names=dict(enumerate(names)),
            name=name,
            size=self.size,
            frame_count=last,
            frames_per_s=self.frames / self.seconds if self.frames > 0 and self.seconds > 0 else None,
            keyframes=filled.keyframes,
            parts=100,
        )


def _upright(turned: Table, size: tuple[int, int] | None, where: str) -> Table:
    """(R, 4) percentages of the upright boxes around (R, 5) left, top, width, height and degrees about the corner."""
    if size is None:
        raise DataError(f"{where} has rotated boxes, and not how large the frames are; remove the rotation")
    width, height = (turned[:, 2:4] / 100 * size).T
    angle = np.radians(turned[:, 4])
    along, down = np.stack([np.cos(angle), np.sin(angle)]), np.stack([-np.sin(angle), np.cos(angle)])
    corners = np.stack([0 * along, width * along, height * down, width * along + height * down])  # (4, 2, R)
    low, high = (edges.T / size * 100 for edges in (corners.min(axis=0), corners.max(axis=0)))
    return np.concatenate([turned[:, :2] + low, turned[:, :2] + high], axis=1)


LABEL_STUDIO = FileFormat(
    "Label Studio's JSON",
    read,
    write,
    ".json",
    many=True,
    lacks=frozenset(
        {
            "scores",
            "what is occluded",
            "masks",
            "keypoints",
            "oriented boxes",
            "times of frames",
            "classes that change on the way",
            "frames that were left out",
        }
    ),
)
