"""What a run leaves on disk: one class a format, each valid at any moment.

Every writer takes the frames in order and can be stopped at any time: text grows by whole lines, one system call a
frame and without a buffer of its own, so that a killed process leaves no half line; the video grows by fragments that
play without the end of the file. Where the disk is full, what was written stays, cut back to the last whole line or
fragment, and `OutputError` says so. Rows are those of believed tracks (`Tracks.confirmed`); a frame's number counts the
frames of its source from 1, also where some are skipped.
"""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import cv2
import numpy as np

from tracker.errors import OutputError
from tracker.structures import Image, Status, Tracks

if TYPE_CHECKING:
    from tracker.video import Frame


class Writer(Protocol):
    """Takes frames with their tracks, in order."""

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add one frame.

        Raises:
            OutputError: the disk is full, or the file cannot be written for another reason.
        """

    def close(self) -> None:
        """Finish the file. Called once, also after an error."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write `path` into an `OutputError` of one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                f"no space left to write {path}; make room and run again (what was written before is kept)"
            ) from error
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise OutputError(f"cannot write {path}: a file stands where a folder is needed; choose another") from error
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot write {path}: {reason}; choose another folder with --project or --out") from error


class _Lines:
    """A text file that grows by whole lines, without a buffer."""

    def __init__(self, path: Path, header: str = "") -> None:
        self.path = path
        with writing(path):
            self._file = path.open("wb", buffering=0)
        self._size = 0
        self.append(header)

    def append(self, lines: str) -> None:
        data = lines.encode()
        written = 0
        with writing(self.path):
            try:
                while written < len(data):
                    written += self._file.write(data[written:])
            except OSError:
                self._file.truncate(self._size)
                raise
        self._size += len(data)

    def close(self) -> None:
        self._file.close()


class MotWriter:
    """`tracks.txt` in MOTChallenge's format: frame,id,left,top,width,height,score,-1,-1,-1; boxes in pixels."""

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add the frame's lines; none where nothing is tracked."""
        self._lines.append(tracks.to_mot(frame.number))

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class CsvWriter:
    """`tracks.csv`: a row per frame and track.

    | column | unit | meaning |
    | --- | --- | --- |
    | `frame` | | number of the frame in its source, from 1 |
    | `time_s` | seconds | time of the frame by the source's own timestamps |
    | `id` | | the track, from 1, never reused; what was never believed used some numbers up |
    | `class`, `name` | | number and name of its class, by vote over the track's life |
    | `score` | 0 to 1 | the detector's confidence; of a predicted box, the last one |
    | `left`, `top`, `right`, `bottom` | pixels | the box, x to the right and y down |
    | `status` | | `confirmed` (detected in this frame) or `predicted` (not detected: the motion model's box) |
    """

    COLUMNS = ("frame", "time_s", "id", "class", "name", "score", "left", "top", "right", "bottom", "status")

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path, ",".join(self.COLUMNS) + "\n")

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add a row for each track."""
        place = frame.number, f"{frame.time_s:.4f}"
        self._lines.append(
            _csv_text(
                (*place, i, number, name, f"{score:.4f}", *(f"{edge:.2f}" for edge in box), status)
                for i, number, name, score, box, status in _records(tracks)
            )
        )

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class JsonLinesWriter:
    """`tracks.jsonl`: a JSON object per frame, also where nothing is tracked.

    `{"frame": 1, "time_s": 0.0, "tracks": [{"id": 1, "class": 0, "name": "person", "score": 0.9,
    "box": [left, top, right, bottom], "status": "confirmed"}]}`, with the units of `CsvWriter`.
    """

    def __init__(self, path: Path) -> None:
        self._lines = _Lines(path)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Add the frame's object."""
        objects = [
            {
                "id": i,
                "class": number,
                "name": name,
                "score": round(score, 4),
                "box": [round(edge, 2) for edge in box],
                "status": status,
            }
            for i, number, name, score, box, status in _records(tracks)
        ]
        record = {"frame": frame.number, "time_s": round(frame.time_s, 4), "tracks": objects}
        self._lines.append(json.dumps(record, ensure_ascii=False) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._lines.close()


class SummaryWriter:
    """`summary.csv`: a row per track, renewed every few seconds and at the end.

    | column | unit | meaning |
    | --- | --- | --- |
    | `id`, `class`, `name` | | the track and its class |
    | `first_frame`, `last_frame` | | where it was first and last reported |
    | `first_s`, `last_s` | seconds | the same as times |
    | `frames` | | frames it was reported in; fewer than last - first + 1 where it was hidden |
    | `mean_score` | 0 to 1 | mean confidence |
    | `path_px` | pixels | length of the way its centre went |
    | `mean_speed_px_s` | pixels/s | that length over the time it took |

    The way is measured between positions half a second apart, so that the jitter of boxes does not count as movement.
    Memory is a fixed 100 bytes a track, whatever the length of the video.
    """

    COLUMNS = (
        "id",
        "class",
        "name",
        "first_frame",
        "last_frame",
        "first_s",
        "last_s",
        "frames",
        "mean_score",
        "path_px",
        "mean_speed_px_s",
    )
    _REFRESH_S = 10.0
    _STEP_S = 0.5
    _ROW = np.dtype(
        [
            ("id", "i8"),
            ("class", "i8"),
            ("first_frame", "i8"),
            ("last_frame", "i8"),
            ("frames", "i8"),
            ("first_s", "f8"),
            ("last_s", "f8"),
            ("score", "f8"),
            ("path", "f8"),
            ("centre", "f8", (2,)),  # where it is now
            ("anchor", "f8", (2,)),  # where the way is measured up to, and since when
            ("anchor_s", "f8"),
        ]
    )

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = np.zeros(64, self._ROW)
        self._place: dict[int, int] = {}
        self._names: dict[int, str] = {}
        self._save()

    def __len__(self) -> int:
        """How many tracks there are."""
        return len(self._place)

    def write(self, frame: Frame, tracks: Tracks) -> None:
        """Take the frame into account."""
        seen = tracks.confirmed
        self._names.update(seen.names)
        places = np.array([self._place.setdefault(i, len(self._place)) for i in seen.ids.tolist()], np.intp)
        while len(self._place) > len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
        rows = self._rows[places]
        centre = (seen.xyxy[:, :2] + seen.xyxy[:, 2:]) / 2
        new = rows["frames"] == 0
        rows["id"] = seen.ids
        rows["class"] = seen.classes
        rows["first_frame"][new] = frame.number
        rows["first_s"][new] = frame.time_s
        rows["anchor"][new] = centre[new]
        rows["anchor_s"][new] = frame.time_s
        rows["last_frame"] = frame.number
        rows["last_s"] = frame.time_s
        rows["frames"] += 1
        rows["score"] += seen.scores
        rows["centre"] = centre
        step = frame.time_s - rows["anchor_s"] >= self._STEP_S - 1e-6
        rows["path"][step] += np.linalg.norm(centre - rows["anchor"], axis=1)[step]
        rows["anchor"][step] = centre[step]
        rows["anchor_s"][step] = frame.time_s
        self._rows[places] = rows
        if time.monotonic() - self._saved > self._REFRESH_S:
            self._save()

    def close(self) -> None:
        """Write the final rows."""
        self._save()

    def _save(self) -> None:
        """Replace the file at once: whoever reads it finds either the old or the new rows."""
        rows = np.sort(self._rows[: len(self._place)], order="id")
        path = rows["path"] + np.linalg.norm(rows["centre"] - rows["anchor"], axis=1)
        seconds = rows["last_s"] - rows["first_s"]
        speed = np.divide(path, seconds, out=np.zeros_like(path), where=seconds > 0)
        text = ",".join(self.COLUMNS) + "\n"
        text += _csv_text(
            (
                row["id"],
                row["class"],
                self._names.get(int(row["class"]), str(row["class"])),
                row["first_frame"],
                row["last_frame"],
                f"{row['first_s']:.4f}",
                f"{row['last_s']:.4f}",
                row["frames"],
                f"{row['score'] / row['frames']:.4f}",
                f"{length:.1f}",
                f"{pace:.1f}",
            )
            for row, length, pace in zip(rows, path, speed, strict=True)
        )
        replace_text(self.path, text)
        self._saved = time.monotonic()


class VideoWriter:
    """H.264 in an MP4 that browsers play, frame by frame at the times of the source.

    While it grows, the file is a sequence of fragments, playable up to the last of them; `close` turns it into a plain
    MP4 with its index (FFmpeg's `hybrid_fragmented`). A frame of another size than the first is fitted into it with
    black borders; an odd width or height gains one line, which H.264's colour format needs.

    Args:
        path: the `.mp4` to write.
        fps: nominal frames/s of the source; the real times of the frames decide when each is shown.
        quality: x264's constant rate factor; lower is better and larger.
    """

    _TIME_BASE = Fraction(1, 90_000)
    _FRAGMENT_S = 1.0

    def __init__(self, path: Path, fps: float, quality: int = 23) -> None:
        self.path = path
        self._fps = Fraction(fps if fps > 0 else 30).limit_denominator(1001)
        self._quality = quality
        self._size = (0, 0)
        self._container: Any = None
        self._stream: Any = None
        self._first_s = 0.0
        self._last_pts = -1

    def write(self, frame: Frame, tracks: Tracks) -> None:  # noqa: ARG002 - what is drawn is in the image already
        """Encode the frame's image."""
        import av

        if self._container is None:
            self._open(frame)
        planes = np.asarray(cv2.cvtColor(self._fit(frame.image), cv2.COLOR_BGR2YUV_I420), np.uint8)
        picture = av.VideoFrame.from_ndarray(planes, "yuv420p")
        pts = round((frame.time_s - self._first_s) / self._TIME_BASE)
        picture.pts = self._last_pts = max(pts, self._last_pts + 1)  # times that stand still or go back would be lost
        picture.time_base = self._TIME_BASE
        with writing(self.path):
            self._container.mux(self._stream.encode(picture))

    def close(self) -> None:
        """Flush the encoder and complete the file; nothing is left where there was no frame."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with writing(self.path):
            try:
                container.mux(self._stream.encode(None))
                container.close()
            except OSError:
                with suppress(OSError):
                    container.close()
                _cut_to_whole_boxes(self.path)
                raise

    def _open(self, frame: Frame) -> None:
        import av

        height, width = frame.image.shape[:2]
        self._size = (width + width % 2, height + height % 2)
        self._first_s = frame.time_s
        movflags = "hybrid_fragmented+frag_keyframe+empty_moov+default_base_moof"
        with writing(self.path):
            self._container = av.open(
                str(self.path), "w", format="mp4", options={"movflags": movflags, "flush_packets": "1"}
            )
        stream = self._container.add_stream(
            "libx264", rate=self._fps, options={"preset": "superfast", "tune": "zerolatency", "crf": str(self._quality)}
        )
        stream.width, stream.height, stream.pix_fmt = *self._size, "yuv420p"
        context = stream.codec_context
        context.time_base = self._TIME_BASE
        context.gop_size = max(1, round(self._fps * self._FRAGMENT_S))
        context.thread_count = min(4, os.cpu_count() or 1)
        context.colorspace = context.color_primaries = context.color_trc = 6  # BT.601, OpenCV's only conversion
        context.color_range = 1  # 16 to 235
        self._stream = stream

    def _fit(self, image: Image) -> Image:
        """`image` at the size of the video."""
        width, height = self._size
        right, below = width - image.shape[1], height - image.shape[0]
        if (right, below) == (0, 0):
            return image
        if right in (0, 1) and below in (0, 1):
            return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), np.uint8)
        scale = min(width / image.shape[1], height / image.shape[0])
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        part = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        left, top = (width - size[0]) // 2, (height - size[1]) // 2
        right, below = width - size[0] - left, height - size[1] - top
        return np.asarray(cv2.copyMakeBorder(part, top, below, left, right, cv2.BORDER_CONSTANT), np.uint8)


def replace_text(path: Path, text: str) -> None:
    """`replace_file` with text in UTF-8."""
    replace_file(path, text.encode())


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` at once: a reader, or a kill in the middle, finds either the old file or the new.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    draft = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            draft.write_bytes(content)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


def _records(tracks: Tracks) -> Iterator[tuple[int, int, str, float, list[float], str]]:
    """Id, class number and name, score, box and status of each believed track as plain Python values."""
    rows = tracks.confirmed
    columns = rows.ids, rows.classes, rows.scores, rows.xyxy, rows.status
    for i, number, score, box, status in zip(*(column.tolist() for column in columns), strict=True):
        yield i, number, rows.names.get(number, str(number)), score, box, Status(status).name.lower()


def _csv_text(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def _cut_to_whole_boxes(path: Path) -> None:
    """Cut an MP4 file back to its last whole box, so that a strict player does not stumble over half a fragment."""
    with path.open("r+b") as file, suppress(OSError):
        length, end, whole = path.stat().st_size, 0, 0
        while end + 8 <= length:
            file.seek(end)
            size, kind = struct.unpack(">I4s", file.read(8))
            if size == 1:
                size = struct.unpack(">Q", file.read(8))[0]
            if size < 8 or end + size > length:
                break
            end += size
            if kind != b"moof":  # a fragment is its header and the data behind it
                whole = end
        file.truncate(whole)
