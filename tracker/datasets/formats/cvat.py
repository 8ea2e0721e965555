"""CVAT's "CVAT for video 1.1" (https://docs.cvat.ai/docs/manual/advanced/xml_format/), what it imports as "CVAT 1.1".

    <annotations>
      <version>1.1</version>
      <meta><task>
        <name>clip.mp4</name> <size>302</size> <mode>interpolation</mode>
        <start_frame>0</start_frame> <stop_frame>301</stop_frame> <frame_filter>step=3</frame_filter>
        <labels><label><name>person</name><attributes></attributes></label></labels>
        <original_size><width>1920</width><height>1080</height></original_size>
      </task></meta>
      <track id="3" label="person" source="auto">
        <box frame="0" outside="0" occluded="0" keyframe="1" xtl="1.0" ytl="2.0" xbr="3.0" ybr="4.0" z_order="0"></box>
        <box frame="1" outside="1" ...></box>
      </track>
    </annotations>

Frames count from 0, also where a `frame_filter` leaves some out. A track lasts until a box that is `outside`, or to the
end of the task; between keyframes CVAT puts boxes on straight lines, and what is no keyframe it moves there. So a row
that is not on the line is written as a keyframe. Every row is written, and an outside one after each spell.

A file of a whole project holds a video a task (`task_id` of its tracks). Rotated boxes, ellipses, polygons, polylines,
points and masks are read as the upright boxes around them.

Not in the format: scores, masks and keypoints of tracks, the frame rate and times; a track has one class. CVAT numbers
tracks anew when it exports.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.format import FileFormat, blocks
from tracker.datasets.formats.keyframes import Keyframes, last_of_spells, stated
from tracker.datasets.formats.rows import MOST_FRAMES, Gathered, Said, Table
from tracker.errors import DataError
from tracker.system.files import text_file

_SHAPES = frozenset({"box", "polygon", "polyline", "points", "mask", "ellipse"})
_ELSEWHERE = frozenset({"cuboid", "skeleton"})
_TEXTS = frozenset({"name", "start_frame", "stop_frame", "size", "frame_filter", "width", "height", "id"})
_LARGEST = 1 << 22  # bytes of one tag; a parser begins it again with each piece, in quadratic time
_EXPORT = "export it from CVAT as CVAT for video 1.1"
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write the one video into the file `out`."""
    (video,) = videos
    with text_file(out) as file:
        file.write(_head(video))
        file.writelines(_tracks(video.of_one_class.by_id))
        file.write("</annotations>\n")


def _head(video: Annotations) -> str:
    frames = -(-video.frame_count // video.step)
    texts = [video.names[number] for number in sorted(video.names)]
    labels = "".join(f"<label><name>{_text(name)}</name><attributes></attributes></label>\n" for name in texts)
    skipping = f"step={video.step}" if video.step > 1 else ""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<annotations>
<version>1.1</version>
<meta><task>
<name>{_text(video.name)}</name><size>{frames}</size><mode>interpolation</mode><overlap>0</overlap>
<start_frame>0</start_frame><stop_frame>{max(frames - 1, 0) * video.step}</stop_frame>
<frame_filter>{skipping}</frame_filter>
<labels>
{labels}</labels>
<original_size><width>{video.size[0]}</width><height>{video.size[1]}</height></original_size>
<source>{_text(video.name)}</source>
</task></meta>
"""


def _tracks(by_id: Annotations) -> Iterator[str]:
    """Lines of the tracks."""
    labels = {number: quoteattr(_legal(name)) for number, name in by_id.names.items()}
    ends, told, step = last_of_spells(by_id), stated(by_id, occluded=True), by_id.step
    current = None
    for rows in blocks(by_id):
        columns = by_id.ids, by_id.frames, by_id.classes, by_id.xyxy, by_id.occluded.astype(int), told.astype(int), ends
        for i, frame, kind, box, occluded, key, end in zip(*(c[rows].tolist() for c in columns), strict=True):
            if i != current:
                head = f'<track id="{i}" label={labels[kind]} source="auto">\n'
                yield head if current is None else f"</track>\n{head}"
                current = i
            left, top, right, bottom = box
            shape = f'xtl="{left!r}" ytl="{top!r}" xbr="{right!r}" ybr="{bottom!r}" z_order="0"></box>\n'
            yield f'<box frame="{frame - 1}" outside="0" occluded="{occluded}" keyframe="{key}" {shape}'
            if end and frame + step <= by_id.frame_count:
                yield f'<box frame="{frame - 1 + step}" outside="1" occluded="{occluded}" keyframe="1" {shape}'
    if current is not None:
        yield "</track>\n"


def _legal(name: str) -> str:
    return _NO_XML.sub("\ufffd", name)


def _text(name: str) -> str:
    return escape(_legal(name), {"\r": "&#13;"})


def read(path: Path) -> list[Said]:
    """What an XML file says, or the `annotations.xml` of a zip as CVAT exports it.

    Raises:
        DataError: it cannot be read, is no such XML, has a document type, or shapes that are no boxes.
    """
    reader = _CvatElements(str(path))
    try:
        with ExitStack() as opened:
            if zipfile.is_zipfile(path):
                archive = opened.enter_context(zipfile.ZipFile(path))
                file = opened.enter_context(archive.open("annotations.xml"))
            else:
                file = opened.enter_context(path.open("rb"))
            reader.read(file)
    except KeyError as error:
        raise DataError(f"{path} is a zip without annotations.xml; {_EXPORT}") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DataError(f"{path} cannot be read ({reason.lower()}); {_EXPORT}") from error
    return reader.said()


@dataclass
class _CvatTask:
    """What `meta` says of one video."""

    texts: dict[str, str] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        text = self.texts.get(name, "").strip()
        return int(text) if re.fullmatch("[0-9]{1,12}", text) else default

    @property
    def step(self) -> int:
        found = re.search(r"step\s*=\s*([0-9]{1,9})", self.texts.get("frame_filter", ""))
        return max(1, int(found[1])) if found else 1

    @property
    def last(self) -> int:
        """The last frame, from 1; 0 where nothing is said."""
        return self.number("stop_frame", self.number("size", 0) * self.step - 1) + 1

    @property
    def size(self) -> tuple[int, int] | None:
        width, height = self.number("width", 0), self.number("height", 0)
        return (width, height) if width and height else None


class _CvatElements:
    """Takes the elements of a file one after another; memory is that of the numbers."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._rows = Gathered(9)  # track, frame from 0, outside, occluded, keyframe, left, top, right, bottom
        self._tracks: list[tuple[str, str, str]] = []  # id, label, task_id
        self._tasks: list[_CvatTask] = []
        self._labels: dict[str, int] = {}
        self._path: list[str] = []
        self._text: list[str] = []

    def read(self, file: IO[bytes]) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._refuse
        fed = 0
        try:
            while data := file.read(1 << 16):
                fed += len(data)
                parser.Parse(data)
                if fed - parser.CurrentByteIndex > _LARGEST:
                    raise DataError(f"{self._where} has an element of more than {_LARGEST >> 20} MiB; {_EXPORT}")
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise DataError(f"{self._where} is no whole XML file ({error}); {_EXPORT}") from error
        except (KeyError, ValueError, OverflowError) as error:
            line = parser.CurrentLineNumber
            what = f"lacks {error}" if isinstance(error, KeyError) else f"has {error}"
            raise DataError(f"{self._where} line {line}: a shape of a track {what}; {_EXPORT}") from error

    def _refuse(self, *_: Any) -> None:
        raise DataError(f"{self._where} has a document type, which CVAT's files never have; {_EXPORT}")

    def _start(self, name: str, said: dict[str, str]) -> None:
        inside = bool(self._path) and self._path[-1] == "track"
        self._path.append(name)
        if inside and name in _SHAPES:
            row = len(self._tracks) - 1, int(said["frame"])
            flags = (said.get(flag, default) == "1" for flag, default in _FLAGS)
            self._rows.add((*row, *flags, *_box(name, said)))
        elif inside and name in _ELSEWHERE:
            raise DataError(f"{self._where} has a track of the kind {name}; only boxes and polygons can be converted")
        elif name == "track":
            self._tracks.append((said.get("id", ""), said["label"], said.get("task_id", "")))
        elif name in ("task", "job") and "meta" in self._path:
            self._tasks.append(_CvatTask())
        elif name == "image":
            raise DataError(f"{self._where} is of images, not of a video; {_EXPORT}")
        elif len(self._path) == 1 and name != "annotations":
            raise DataError(f"{self._where} is no file of CVAT's; {_EXPORT}")
        if name in _TEXTS:
            self._text.clear()

    def _end(self, name: str) -> None:
        self._path.pop()
        if name not in _TEXTS or "meta" not in self._path:
            return
        text, above = "".join(self._text), self._path[-1]
        if above == "label" and name == "name":
            self._labels.setdefault(text, len(self._labels))
        elif above in ("task", "job", "original_size") and self._tasks:
            self._tasks[-1].texts.setdefault(name, text)

    def said(self) -> list[Said]:
        """What the file says of each video."""
        rows = self._rows.table
        for _, label, _ in self._tracks:
            self._labels.setdefault(label, len(self._labels))
        tasks = self._tasks or [_CvatTask()]
        place = {task.texts.get("id", ""): number for number, task in enumerate(tasks)}
        task_of = np.array([place.get(task, 0) for *_, task in self._tracks], np.int64)
        return [
            self._of_task(task, rows[task_of[rows[:, 0].astype(int)] == number], str(number) if number else "")
            for number, task in enumerate(tasks)
        ]

    def _of_task(self, task: _CvatTask, rows: Table, which: str) -> Said:
        where = f"{self._where} task {which}" if which else self._where
        if len(rows) and (rows[:, 1].min() < 0 or rows[:, 1].max() >= MOST_FRAMES):
            raise DataError(f"{where} has a frame below 0 or from {MOST_FRAMES} on; {_EXPORT}")
        last = max(task.last, int(rows[:, 1].max(initial=-1)) + 1)
        tracks, frames = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64) + 1
        outside, occluded, keyframe = rows[:, 2:5].T.astype(bool)
        there = Keyframes(tracks, frames, rows[:, 5:], ~outside, ~outside, occluded, keyframe)
        filled = there.filled(last, task.step, where)
        texts = [text for text, *_ in self._tracks]
        usable = all(re.fullmatch("[0-9]{1,15}", text) for text in texts) and len(set(texts)) == len(texts)
        ids = np.array([int(text) for text in texts] if usable else range(1, len(texts) + 1), np.int64)
        classes = np.array([self._labels[label] for _, label, _ in self._tracks], np.int64)
        return Said(
            where,
            frames=filled.frames,
            ids=ids[filled.tracks] + int(usable and len(ids) > 0 and ids.min() == 0),
            xyxy=filled.xyxy,
            classes=classes[filled.tracks],
            names={number: name for name, number in self._labels.items()},
            name=task.texts.get("name", "") or "video",
            size=task.size,
            frame_count=last,
            occluded=filled.occluded,
            keyframes=filled.keyframes,
            step=task.step,
        )


_FLAGS = (("outside", "0"), ("occluded", "0"), ("keyframe", "1"))


def _box(name: str, said: Mapping[str, str]) -> tuple[float, ...]:
    """Left, top, right and bottom of what is around a shape."""
    if name == "box":
        box = float(said["xtl"]), float(said["ytl"]), float(said["xbr"]), float(said["ybr"])
        return _turned(box, float(said["rotation"])) if "rotation" in said else box
    if name == "mask":
        left, top = float(said["left"]), float(said["top"])
        return left, top, left + float(said["width"]), top + float(said["height"])
    if name == "ellipse":
        x, y, rx, ry = (float(said[key]) for key in ("cx", "cy", "rx", "ry"))
        return x - rx, y - ry, x + rx, y + ry
    xs, ys = zip(*(map(float, point.split(",")) for point in said["points"].split(";")), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


def _turned(box: tuple[float, float, float, float], degrees: float) -> tuple[float, ...]:
    """The upright box around one that is turned about its middle."""
    left, top, right, bottom = box
    along, across = abs(np.cos(np.radians(degrees))), abs(np.sin(np.radians(degrees)))
    width, height = right - left, bottom - top
    half = np.array([width * along + height * across, width * across + height * along]) / 2
    middle = np.array([left + right, top + bottom]) / 2
    return (*(middle - half).tolist(), *(middle + half).tolist())


CVAT = FileFormat(
    "CVAT for video 1.1",
    read,
    write,
    ".xml",
    many=False,
    lacks=frozenset(
        {
            "scores",
            "masks",
            "keypoints",
            "oriented boxes",
            "times of frames",
            "a frame rate",
            "classes that change on the way",
        }
    ),
)
