"""Video files and streams, decoded by libav (PyAV)."""

from __future__ import annotations

import errno
import math
import time
from collections.abc import Generator, Iterator
from contextlib import closing
from fractions import Fraction
from functools import partial
from http.client import HTTPException
from itertools import chain, islice
from pathlib import Path
from threading import Event
from typing import IO, Any

import av
import av.error
from av import Packet
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from tracker.errors import SourceError
from tracker.video.bookmark import Bookmark, digest
from tracker.video.live import LiveReader
from tracker.video.pixels.converter import Converter
from tracker.video.reader import DEFAULT_RATE, Picture, Reader
from tracker.video.truncated import is_truncated
from tracker.video.url import SILENCE_S, fetch, host, redacted, scheme

_TEXT_ART = {"tty", "bin", "xbin", "adf", "idf"}  # libav would draw any text file as a video of letters
_WEB = ("http", "https")
_RECORDED = 1.5  # times as fast as it plays
INDEXED = ("mov", "matroska")  # formats whose index finds a key frame by its time
_FAR = 500  # pictures: nearer to the beginning all are decoded, which takes seconds
_BEFORE_S = 1.0  # a key frame is sought so long before a picture, ...
_SETTLED = 24  # ... and so many lie between at least: more than any codec orders anew
_OVER_TCP = {"rtsp_transport": "tcp"}  # over UDP, lost packets smear the picture until the next key frame
_PROBED = {"fpsprobesize": "3"}  # frames; for libav's 20 a camera of ten a second takes two, and they come all at once


def url_reader(url: str, reconnect_s: float) -> Reader:
    """The reader of a URL: HTTP holds files as well as streams, everything else is a live stream.

    Raises:
        SourceError: nothing there, no answer, no video. No message holds the URL's password, and neither does the
            chain of exceptions, whose libav messages repeat the URL.
    """
    container = _open_url(url)
    return HttpReader(url, container) if _is_file(url, container) else StreamReader(url, container, reconnect_s)


class FileReader:
    """A video file. What can be read of a truncated or damaged one comes before the error.

    Attributes:
        frame_threads: decode several frames at once: fastest for a file alone, and each thread holds pictures.
    """

    live = False

    def __init__(self, path: Path) -> None:
        self.frame_threads = True
        self.shown = str(path)
        self.name = path.stem
        self._path = path
        self._truncated = is_truncated(path)
        self._fresh: InputContainer | None = self._open()
        self.fps, self.frame_count = _rate_and_count(self._fresh, self.shown)

    def pictures(self, _: Event) -> Iterator[Picture]:
        container, self._fresh = self._fresh or self._open(), None
        return self._all_of(_pictures(container, self.shown, self.frame_threads), 0)

    def pictures_from(self, bookmark: Bookmark, stop: Event) -> Iterator[Picture]:
        found = None if self._truncated else sought(self._open(), self.shown, bookmark)
        return (
            islice(self.pictures(stop), bookmark.index, None) if found is None else self._all_of(found, bookmark.index)
        )

    def _all_of(self, pictures: Iterator[Picture], seen: int) -> Iterator[Picture]:
        """The pictures, `seen` of the file's came before; where it is damaged, what can be read behind that."""
        damaged = False
        try:
            for picture in pictures:
                seen += 1
                yield picture
        except (_DamagedPacket, av.error.FFmpegError):
            damaged = True
        if damaged or self._truncated:
            broken = self._truncated
            try:  # the rest frame by frame, so that no sound one is lost
                for picture in islice(_pictures(self._open(), self.shown), seen, None):
                    seen += 1
                    yield picture
            except av.error.FFmpegError:
                broken = True
            if broken:
                how = "truncated" if self._truncated else "damaged"
                raise SourceError(f"{self.shown} is {how}: {seen} frames could be read; copy or download it again")

    def _open(self) -> InputContainer:
        try:
            return _open(
                f"file:{self._path}", self.shown
            )  # without "file:", libav takes the "a" of "a:b.mp4" for a protocol
        except SourceError:
            if self._truncated:
                raise SourceError(
                    f"{self.shown} is truncated and its index lost: 0 frames could be read; copy or download it again"
                ) from None
            raise


def pictures_from(path: Path, time_s: float) -> Generator[Picture, None, None]:
    """The pictures of a file from the last key frame not after `time_s` on, with times since its first picture.

    Raises:
        SourceError: no video. av.error.FFmpegError: it cannot be read any further.
    """
    with closing(_pictures(_open(f"file:{path}", str(path)), str(path))) as pictures:
        origin_s = next((stamp for stamp, _ in pictures), None)
    container = _open(f"file:{path}", str(path))
    stream = video_stream(container, str(path))
    if origin_s is None or stream.time_base is None:
        container.close()
        return
    container.seek(math.floor((origin_s + time_s) / stream.time_base), stream=stream)
    with closing(_pictures(container, str(path))) as pictures:
        for stamp, image in pictures:
            yield None if stamp is None else stamp - origin_s, image


class HttpReader:
    """A video file on a web server."""

    live = False

    def __init__(self, url: str, container: InputContainer) -> None:
        self.shown = redacted(url)
        self.name = host(url)
        self._url = url
        self._fresh: InputContainer | None = container
        self.fps, self.frame_count = _rate_and_count(container, self.shown)

    def pictures(self, stop: Event) -> Iterator[Picture]:
        container, self._fresh = self._fresh or _open_url(self._url), None
        length_known, is_mp4 = container.size > 0, container.format.name.startswith("mov")
        seen = 0
        try:
            for picture in _pictures(container, self.shown):
                seen += 1
                yield picture
            return
        except av.error.FFmpegError as error:
            # without a length, libav reports the end as an I/O error, and nothing tells whether it was the end
            ended = isinstance(error, av.error.OSError) and not length_known
        if is_mp4 and seen == 0:  # its index is at the end and the server cannot seek (Python's http.server)
            with self._fetched(stop) as file:
                yield from _pictures(_open(file, self.shown), self.shown)
        elif not (ended and seen):
            raise SourceError(f"{self.shown} broke off after {seen} frames; check the connection and try again")

    def _fetched(self, stop: Event) -> IO[bytes]:
        try:
            return fetch(self._url, stop)
        except (OSError, HTTPException):
            raise SourceError(f"{self.shown} cannot be downloaded; check the connection and try again") from None


class StreamReader(LiveReader):
    """A network stream (RTSP over TCP, RTMP, UDP), an HTTP camera (multipart JPEG) or an endless HTTP file."""

    def __init__(self, url: str, container: InputContainer, reconnect_s: float) -> None:
        shown = redacted(url)
        super().__init__(shown, host(url), _rate_and_count(container, shown)[0], reconnect_s)
        self._url = url
        self._fresh: InputContainer | None = container

    def session(self) -> Iterator[Picture]:
        container, self._fresh = self._fresh or _open_url(self._url), None
        end_s = _end(container)
        clocked = container.format.name != "mpjpeg"  # where libav has no times it counts 25 frames a second
        begun, first_s, last_s = time.monotonic(), None, 0.0
        reason, ended = "the server ended it", scheme(self._url) in _WEB
        try:
            for stamp, image in _pictures(container, self.shown, silence_s=SILENCE_S):
                last_s = last_s if stamp is None else stamp
                first_s = last_s if first_s is None else first_s
                yield stamp if clocked else time.monotonic(), image
        except av.error.FFmpegError as error:
            # without a length, libav reports the end as an I/O error
            reason, ended = _reason(error), ended and error.errno == errno.EIO
        # what came faster than it plays was no camera but a recording
        played_s = 0.0 if first_s is None or not clocked else last_s - first_s
        if ended and played_s > _RECORDED * (time.monotonic() - begun):
            return
        if end_s is None or last_s < end_s - 1:
            raise SourceError(f"{self.shown}: {reason}")


def _is_file(url: str, container: InputContainer) -> bool:
    """Whether a URL holds a file: it says its length or its duration; a playlist's own length counts for nothing."""
    if scheme(url) not in _WEB or container.format.name == "mpjpeg":
        return False
    return container.duration is not None or (container.size > 0 and container.format.name != "hls")


def _open_url(url: str) -> InputContainer:
    options = _PROBED | (_OVER_TCP if scheme(url).startswith("rtsp") else {})
    return _open(url, redacted(url), options=options, timeout=SILENCE_S)


def _open(
    source: str | IO[bytes], shown: str, options: dict[str, str] | None = None, timeout: float | None = None
) -> InputContainer:
    """An opened container that has a video.

    Raises:
        SourceError: it cannot be opened or holds no video.
    """
    try:
        container = av.open(source, "r", options=options or {}, timeout=timeout, metadata_errors="replace")
    except av.error.FFmpegError as error:
        if timeout is None and isinstance(error, av.error.InvalidDataError):
            raise SourceError(f"{shown} is no video that can be read; give a video file (.mp4, .mkv ...)") from None
        raise SourceError(f"{shown} cannot be opened: {_reason(error)}") from None
    if container.format.name in _TEXT_ART:
        container.close()
        raise SourceError(f"{shown} is text or data and no video; give a video file (.mp4, .mkv ...)")
    video_stream(container, shown)
    return container


def _reason(error: av.error.FFmpegError) -> str:
    """What happened and what to do, without libav's own message, which repeats the URL and its password."""
    if isinstance(error, av.error.ExitError | TimeoutError):
        return f"no answer within {SILENCE_S:g} s; check the address and that it is on"
    if isinstance(error, av.error.InvalidDataError):  # also where an RTSP server is silent
        return "no video answers there; check the address and that it is on"
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there; check the address and port and that it is on"
    if isinstance(error, av.error.HTTPUnauthorizedError | av.error.HTTPForbiddenError):
        return "the user or password is refused; write them as user:password@ before the host"
    if isinstance(error, av.error.HTTPNotFoundError):
        return "the server has no such video (404); check the path"
    return f"{(error.strerror or type(error).__name__).lower()}; check the address and the connection"


def video_stream(container: InputContainer, shown: str) -> VideoStream:
    """The video, not the cover picture of a song."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            if stream.codec_context is None:
                raise SourceError(f"{shown} uses a video codec that libav cannot decode; convert it to H.264")
            return stream
    only = " (only sound)" if container.streams.audio else ""
    container.close()
    raise SourceError(f"{shown} has no video stream{only}; give a file with pictures")


def _rate_and_count(container: InputContainer, shown: str) -> tuple[float, int | None]:
    """Nominal frames/s, and the number of frames by the container's count, else by its duration."""
    stream = video_stream(container, shown)
    rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
    rate = float(next((rate for rate in rates if rate and 0 < rate <= 1000), DEFAULT_RATE))
    if stream.frames:
        return rate, stream.frames
    if stream.duration and stream.time_base:
        return rate, round(stream.duration * stream.time_base * Fraction(rate))
    return rate, None if container.duration is None else round(container.duration / av.time_base * rate)


def _end(container: InputContainer) -> float | None:
    """The time stamp a stream ends at in seconds; None for endless ones."""
    if container.duration is None:
        return None
    return ((container.start_time or 0) + container.duration) / av.time_base


def _pictures(
    container: InputContainer, shown: str, frame_threads: bool = False, silence_s: float = math.inf
) -> Generator[Picture, None, None]:
    """Every frame that can be decoded; packets that cannot are passed over, as every player does.

    Args:
        frame_threads: decode several frames at once: fastest, but late by as many frames as there are threads, and a
            damaged packet takes sound neighbours with it.
        silence_s: seconds without a picture after which the source counts as dead, whatever sound goes on. Before the
            first picture, packets of the video count: decoding begins with a key frame, which may take its time.

    Raises:
        _DamagedPacket: with `frame_threads` only.
        SourceError: no picture for `silence_s`.
        av.error.FFmpegError: reading (not decoding) failed, after the last frame.
    """
    with closing(container):
        stream = video_stream(container, shown)
        stream.thread_type = "AUTO" if frame_threads else "SLICE"
        picture = Converter(stream)
        streams = (stream,) if silence_s == math.inf else ()
        packets: Iterator[Packet[Any]] = container.demux(*streams)
        heard, pictured = time.monotonic(), False
        failure: av.error.FFmpegError | SourceError | None = None
        while failure is None:
            try:
                packet: Packet[Any] | None = next(packets, None)
            except av.error.FFmpegError as error:
                packet, failure = _flush(stream), error
            except IndexError:  # PyAV's own, after the end of a file in the middle of which streams appeared
                return
            if packet is None:
                return
            if time.monotonic() - heard > silence_s and failure is None:
                packet, failure = _flush(stream), SourceError(f"{shown}: no picture for {silence_s:g} s")
            if packet.stream.index != stream.index:
                continue
            try:
                frames = stream.decode(packet)
            except av.error.FFmpegError as error:
                if frame_threads:
                    raise _DamagedPacket from error
                continue
            for frame in frames:
                yield frame.time, partial(picture, frame)
            pictured = pictured or bool(frames)
            if frames or not pictured:
                heard = time.monotonic()
        raise failure


def sought(container: InputContainer, shown: str, bookmark: Bookmark) -> Iterator[Picture] | None:
    """The pictures of a file from a bookmark on, decoded from a key frame well before it; None where that is not sure.

    It is where the format has an index that finds key frames, all stamps until there are in order, so that none stands
    for two pictures, and the picture that is found is bit for bit the one that was there, where its digest is known.
    Those right behind a key frame may refer to some before it, so a few have to lie between.
    """
    settled = 0
    last_s = -math.inf
    indexed = container.format.name.startswith(INDEXED)
    if bookmark.stamp_s is not None and bookmark.in_order and bookmark.index >= _FAR and indexed:
        stream = video_stream(container, shown)
        assert stream.time_base is not None
        try:
            container.seek(math.floor((bookmark.stamp_s - _BEFORE_S) / stream.time_base), stream=stream)
            pictures = _pictures(container, shown, frame_threads=True)
            for stamp, image in pictures:
                if stamp is None or not last_s < stamp <= bookmark.stamp_s:
                    break
                if stamp == bookmark.stamp_s:
                    if settled >= _SETTLED and bookmark.digest in (None, digest(image())):
                        return chain([(stamp, image)], pictures)
                    break
                settled, last_s = settled + 1, stamp
        except (_DamagedPacket, av.error.FFmpegError):
            pass
    container.close()
    return None


def _flush(stream: VideoStream) -> Packet[Any]:
    """What `demux` ends with: the decoder gives what it still holds, and times for it."""
    packet = Packet(0)
    packet.stream = stream
    assert stream.time_base is not None
    packet.time_base = stream.time_base
    return packet


class _DamagedPacket(Exception):
    """A packet that cannot be decoded."""
