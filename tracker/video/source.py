"""Sources: a video file, a folder or glob of images, a camera, an HTTP or RTSP URL, all read the same way.

    with open_source("people.mp4") as source:
        for frame in source:
            frame.image, frame.number, frame.time_s

Frames are decoded ahead in a thread, a few at most. Whatever goes wrong in it is raised where the frames are read,
after the last frame that could be had. Live sources drop frames that were not fetched, rather than lag.
"""

from __future__ import annotations

import glob
import math
import os
import re
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from types import TracebackType
from typing import Self

from tracker.errors import SourceError, UsageError, nearest_file
from tracker.structures import Image
from tracker.system.images import SUFFIXES, is_image, natural_order
from tracker.video.bookmark import Bookmark
from tracker.video.clock import Clock
from tracker.video.container import FileReader, url_reader
from tracker.video.image_folder import ImageReader, folder_images
from tracker.video.live import RECONNECT_S
from tracker.video.reader import Reader, read_on
from tracker.video.url import SCHEMES, has_one_slash, host, is_url, lacks_scheme, redacted, scheme
from tracker.video.webcam import CameraReader

AHEAD = 4  # frames decoded before they are asked for: 25 MB at 1080p, enough to hide uneven decoding
AHEAD_LIVE = 2  # fewer means newer
JOIN_S = 2.0  # a thread that waits for a silent network is not waited for; it ends with the network's time-out


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a source.

    Attributes:
        image: (H, W, 3) uint8 BGR, contiguous.
        number: position in the source from 1, counting the frames that `vid_stride` or a live source leaves out.
        time_s: seconds since the first frame, by the container's time stamps; always advancing.
        repeated: it shows the picture before it once more, and late_s: it is shown so many seconds after it was
            captured; both where that was looked for (`tracker.video.repeats`).
        bookmark: where it is in the source; None of a live one.
    """

    image: Image
    number: int
    time_s: float
    repeated: bool = False
    late_s: float = 0.0
    bookmark: Bookmark | None = field(default=None, repr=False)

    @property
    def captured_s(self) -> float:
        """When it was captured, as far as that is known: `time_s`, or before."""
        return self.time_s - self.late_s


def open_source(
    source: str | int | Path | Sequence[str | Path],
    vid_stride: int = 1,
    reconnect_s: float = RECONNECT_S,
    fps: float | None = None,
) -> Source:
    """Opens one source.

    Args:
        source: a video file, a folder of images (or a MOTChallenge sequence with `img1`), an image, a sequence of
            images, a glob pattern, a camera number (0, "0" or "/dev/video0"), or a URL.
        vid_stride: take every `vid_stride`-th frame.
        reconnect_s: how long a live source that has worked is tried again after its last picture, with growing pauses;
            `math.inf`: for ever. Its absence counts in the frames' times.
        fps: frames/s of a recorded source that tells none or wrong ones, in the place of its own times; None: its own
            (of images those of a `seqinfo.ini`, else 30).

    Raises:
        SourceError: it does not exist, may not be read, holds no pictures, does not answer.
        UsageError: `vid_stride` below 1, `reconnect_s` below 0, `fps` no positive number, or given of a live source.
    """
    if vid_stride < 1:
        raise UsageError(f"vid_stride is {vid_stride}; it must be at least 1")
    if not reconnect_s >= 0:
        raise UsageError(f"reconnect_s is {reconnect_s}; it must be at least 0")
    if fps is not None and not 0 < fps < math.inf:
        raise UsageError(f"fps is {fps}; it must be a number above 0")
    reader = open_reader(source, reconnect_s)
    if fps is not None and reader.live:
        raise UsageError(f"{reader.shown} is live, its frames come at their own times; leave out --fps")
    return Source(reader, vid_stride, fps)


def separate(sources: Iterable[str | int | Path]) -> list[str | int | Path | list[Path]]:
    """What `open_source` takes one by one: a glob's videos each, its images and loose ones together by folder.

    A shell turns `frames/*.jpg` into a thousand arguments, which are one source and not a thousand.
    """
    separated: list[str | int | Path | list[Path]] = []
    folders: dict[Path, list[Path]] = {}
    for source in chain.from_iterable(_matches(given) or (given,) for given in sources):
        if not isinstance(source, str | Path) or not is_image(Path(source)) or not _is_there(source):
            separated.append(source)
            continue
        path = Path(source)
        if path.parent not in folders:
            separated.append(folders.setdefault(path.parent, []))
        folders[path.parent].append(path)
    for images in folders.values():
        images.sort(key=natural_order)
    return separated


class Source:
    """An opened source; iterate it for its frames, from the start each time (a live one: from now), until it is closed.

    `close` may be called in any thread. The iteration that is running ends, and so does one that was still to begin;
    who iterates once more gets an error.

    Attributes:
        name: short name for folders: `people` of people.mp4, a folder's name, `camera0`, a URL's host.
        fps: nominal frames/s of what is delivered, so after `vid_stride`; the true times are in the frames.
        frame_count: how many frames will be delivered, an estimate from the metadata; None where unknown or live.
        size: (width, height) of the first frame in pixels; later ones may differ.
        live: frames come whether or not they are read.
    """

    _unread: bool  # whether the thread that was started last still waits for its iteration

    def __init__(self, reader: Reader, vid_stride: int = 1, fps: float | None = None) -> None:
        self._reader = reader
        self._stride = vid_stride
        self._fps = fps
        self.name = reader.name
        self.live = reader.live
        self.fps = (fps or reader.fps) / vid_stride
        count = None if reader.live else reader.frame_count
        self.frame_count = None if count is None else -(-count // vid_stride)
        self._closed = False
        self._start()
        first = self._ahead.first()
        assert first is not None  # nobody else could close it
        height, width = first.image.shape[:2]
        self.size: tuple[int, int] | None = (width, height)

    def __iter__(self) -> Iterator[Frame]:
        """The frames; a `SourceError` after the last one where there should have been more.

        Raises:
            UsageError: it has been read and closed.
        """
        if self._closed and not self._unread:
            raise UsageError(f"{self._reader.shown} is closed; open it again, or read it before it is closed")
        return self._read()

    def go_on(self, bookmark: Bookmark, last: int | None = None) -> None:
        """Let the next iteration begin at a bookmark of the same source, and end with the frame of number `last`."""
        self._end()
        self._start(bookmark, last)

    def close(self) -> None:
        """Ends the decoding thread and closes file, device or connection."""
        self._closed = True
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read(self) -> Iterator[Frame]:
        if not self._unread and not self._closed:
            self._end()
            self._start()
        self._unread = False
        ahead, end = self._ahead, self._end
        try:
            yield from ahead
        finally:
            end()

    def _start(self, bookmark: Bookmark | None = None, last: int | None = None) -> None:
        # No reference to the source, which can be collected
        frames = partial(_frames, self._reader, self._stride, self._fps, bookmark, last)
        self._ahead = _ReadAhead(frames, self._reader)
        self._end = weakref.finalize(self, self._ahead.close)
        self._unread = True
        if self._closed:  # by another thread, which may have ended the one before
            self._end()


class _ReadAhead:
    """A thread that decodes a few frames ahead of the loop that takes them."""

    def __init__(self, frames: Callable[[threading.Event], Iterator[Frame]], reader: Reader) -> None:
        self._live = reader.live
        self._shown = reader.shown
        self._first: Frame | None = None
        self._ready: deque[Frame] = deque()
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._taken = self._ended = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(frames,), name=f"decode {reader.name}", daemon=True)
        self._thread.start()

    def first(self) -> Frame | None:
        """The first frame, waited for; None where this was closed meanwhile.

        Raises:
            SourceError: there is none.
        """
        self._first = self._first or self._take()
        if self._stop.is_set():
            return None
        if self._first is None:
            raise SourceError(f"{self._shown} holds no frame that can be decoded; check it in a video player")
        return self._first

    def __iter__(self) -> Iterator[Frame]:
        frame = self.first()
        while frame is not None:
            yield frame
            frame = self._take()

    def close(self) -> None:
        with self._changed:
            self._stop.set()
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join(JOIN_S)

    def _run(self, frames: Callable[[threading.Event], Iterator[Frame]]) -> None:
        try:
            for frame in frames(self._stop):
                if not self._give(frame):
                    break
        except BaseException as error:  # of any kind: it is the reader's to handle, which waits in another thread
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _give(self, frame: Frame) -> bool:
        """Puts a frame down for the reader; False where it will not be fetched."""
        with self._changed:
            while self._live and self._taken and len(self._ready) >= AHEAD_LIVE:  # for the first one somebody waits
                self._ready.popleft()
            self._changed.wait_for(lambda: len(self._ready) < AHEAD or self._stop.is_set())
            if not self._stop.is_set():
                self._ready.append(frame)
                self._changed.notify_all()
            return not self._stop.is_set()

    def _take(self) -> Frame | None:
        """The next frame; None after the last. Raises what ended the thread."""
        with self._changed:
            self._changed.wait_for(lambda: self._ready or self._ended or self._stop.is_set())
            if self._ready:
                self._taken = True
                self._changed.notify_all()
                return self._ready.popleft()
        if self._error is not None and not self._stop.is_set():
            raise self._error
        return None


def _frames(
    reader: Reader, stride: int, fps: float | None, begin: Bookmark | None, last: int | None, stop: threading.Event
) -> Iterator[Frame]:
    begin = begin or Bookmark(0, None, Clock(1 / (fps or reader.fps)), in_order=True)
    clock, in_order, last_s = copy(begin.clock), begin.in_order, -math.inf
    pictures = reader.pictures(stop) if reader.live else read_on(reader, begin, stop)
    for index, (stamp, image) in enumerate(islice(pictures, last and last - begin.index), begin.index):
        before = copy(clock)
        time_s = clock(stamp if fps is None else None)
        in_order = in_order and stamp is not None and stamp > last_s
        last_s = last_s if stamp is None else stamp
        if index % stride == 0:
            bookmark = None if reader.live else Bookmark(index, stamp, before, in_order)
            yield Frame(image(), index + 1, time_s, bookmark=bookmark)


def open_reader(source: str | int | Path | Sequence[str | Path], reconnect_s: float) -> Reader:
    """What `open_source` reads with; arguments and errors as there."""
    if isinstance(source, int):
        return CameraReader(source, reconnect_s)
    if not isinstance(source, str | Path):
        return _images([Path(path) for path in source], "the list of images")
    text = str(source)
    if not text:
        raise SourceError("the source is an empty text; give a video, a folder of images, a camera number or a URL")
    if is_url(text):
        return _url(text.strip(), reconnect_s)
    device = re.fullmatch("(/dev/video)?([0-9]+)", text)
    if device and (device[1] or not _is_there(text)):
        return CameraReader(int(device[2]), reconnect_s)
    if lacks_scheme(text) and not _matches(text):
        raise SourceError(
            f"{redacted(text)} is no file; a stream begins with its protocol, write rtsp://USER:PASSWORD@HOST/PATH"
        )
    return _path(Path(source))


def _url(url: str, reconnect_s: float) -> Reader:
    check_url(url)
    return url_reader(url, reconnect_s)


def check_url(url: str) -> None:
    """Raise SourceError where a URL cannot be one of a video, whatever answers there."""
    if has_one_slash(url):
        raise SourceError(f"{redacted(url)} has one slash where a URL has two; write {scheme(url)}://HOST/PATH")
    if scheme(url) not in SCHEMES:
        raise SourceError(f"{redacted(url)}: unknown protocol {scheme(url)}://; use one of: {', '.join(SCHEMES)}")
    if not host(url):
        raise SourceError(f"{redacted(url)} names no host; write {scheme(url)}://HOST/PATH")


def _is_there(path: str | Path) -> bool:
    """Whether something has that name; in a folder without permission nothing has, where `Path.exists` would raise."""
    return os.path.exists(path)  # noqa: PTH110


def _path(path: Path) -> Reader:
    try:
        if path.is_dir():
            return _images(folder_images(path), f"folder {path}")
        if not path.exists():
            return _pattern(path)
        if not path.is_file():  # a pipe would be waited for
            raise SourceError(
                f"{path} is a pipe or a device, no file; give a file, or serve it under an address (tcp://)"
            )
        path.open("rb").close()
        if path.stat().st_size == 0:
            raise SourceError(f"{path} is empty (0 bytes); copy or download it again")
    except PermissionError as error:
        raise SourceError(f"no permission to read {path}; change it (chmod +r) or run as its owner") from error
    except OSError as error:  # a name that is too long, a disk that fails
        raise SourceError(f"{path} cannot be read ({error.strerror}); check the path") from error
    return ImageReader([path], str(path)) if is_image(path) else FileReader(path)


def _pattern(path: Path) -> Reader:
    """What a glob finds; where it is none, the path is missing."""
    found = _matches(path)
    if found is None:
        raise SourceError(missing(path))
    if not found:
        raise SourceError(f"no file matches {str(path)!r}; check the pattern and the folder it is meant for")
    if len(found) == 1:
        return _path(found[0])
    return _images(found, f"pattern {str(path)!r}")


def _images(paths: Sequence[Path], shown: str) -> Reader:
    other = next((path for path in paths if not is_image(path)), None)
    if other is not None:
        raise SourceError(f"{shown} holds {other}, which is no image; give several videos as several sources")
    if not paths:
        raise SourceError(f"{shown} holds no images ({' '.join(sorted(SUFFIXES))}); give a folder of images or a video")
    return ImageReader(paths, shown)


def _matches(source: str | int | Path) -> Sequence[Path] | None:
    """The files a glob finds, in natural order; None where the source is no pattern."""
    text = str(source)
    if isinstance(source, int) or not re.search("[*?[]", text) or is_url(text) or _is_there(text):
        return None
    found = map(Path, glob.glob(text, recursive=True))  # noqa: PTH207 - Path.glob takes no absolute pattern
    return sorted(filter(os.path.isfile, found), key=natural_order)


def missing(path: Path) -> str:
    """What is said of a path at which nothing is."""
    folder = path.parent
    if not folder.is_dir():
        return f"no file {path}: there is no folder {folder}; check the path"
    near = nearest_file(path.name, [entry.name for entry in folder.iterdir()])
    return f"no file {path}; " + (f"did you mean {folder / near}?" if near else "check the path")
