"""The annotated video: H.264 in MP4, playable at any moment, in parts where it is long."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np

from tracker.errors import OutputError
from tracker.structures import Image, Tracks
from tracker.system.files import to_disk, writing
from tracker.system.snapshots.resumable import Names, Resumable

if TYPE_CHECKING:
    from tracker.video.source import Frame

# Encoding is what costs most of a street's frame. With a constant quantizer x264 need not find out beforehand what a
# frame will take, as it does for a rate factor: a sixth of the work. What is lost is not seen; the price is that strong
# noise takes up to 57 % more of the disk. So it would with motion in whole pixels (`subme=0`), which would save a tenth
# more.
FAST = {"preset": "ultrafast", "qp": "28", "x264-params": "no-deblock=0:subme=1"}


class VideoWriter(Resumable):
    """H.264 in an MP4 that browsers play, frame by frame at the times of the source.

    While it grows, the file is a sequence of fragments, playable up to the last of them; `close` turns it into a plain
    MP4 with its index (FFmpeg's `hybrid_fragmented`). Until then the index is held in memory, 82 bytes a frame, so a
    long video goes on in `NAME-0002.mp4`, `NAME-0003.mp4`, ..., each a video of its own that begins at time 0 with the
    frame after the last one's. So it does after a gap that is longer than an MP4's times can tell.

    A frame of another size than a part's first is fitted into it with black borders. An odd width or height gains one
    line, which H.264's colour format needs; what is larger than H.264 allows is scaled down.

    Who goes on with what an earlier process left (`take_over`) copies what that has encoded and encodes the rest. What
    it has written there since its last key frame, and is in no whole fragment yet, is part of what is saved.

    Args:
        path: the `.mp4` to write.
        fps: nominal frames/s of the source; the real times of the frames decide when each is shown.
        encoder: x264's options, beside those that let every frame out at once.
        part_frames: frames of a part at most.
        begun: called with the name of each part but the first, before it is written.
        aside: folder for the earlier process's file while it is copied.
    """

    saved = ("_parts", "_frames", "_size", "_first_s", "_last_s", "_last_pts", "_whole", "_since")
    rebuilt: ClassVar[Names] = (
        "path",
        "_fps",
        "_encoder",
        "_part_frames",
        "_begun",
        "_aside",
        "_first_path",
        "_container",
        "_stream",
    )
    rebuilt += ("_picture", "_planes", "_image")

    _TIME_BASE = Fraction(1, 90_000)
    _FRAGMENT_S = 1.0
    _LONGEST_GAP_S = 6 * 3600.0  # MP4 counts what lies between two frames in 32 bits: 6.6 hours
    _LARGEST = 16_384  # px, a side of x264's pictures

    def __init__(
        self,
        path: Path,
        fps: float,
        encoder: Mapping[str, str] = FAST,
        part_frames: int = 1_000_000,
        begun: Callable[[str], None] = lambda _: None,
        aside: Path | None = None,
    ) -> None:
        self.path = path
        self._part_frames = part_frames
        self._begun = begun
        self._first_path = path
        self._parts = 0
        self._frames = 0  # of the part
        self._fps = Fraction(fps if fps > 0 else 30).limit_denominator(1001)
        self._encoder = encoder
        self._size = (0, 0)
        self._container: Any = None
        self._stream: Any = None
        self._picture: Any = None  # what the encoder is given: of each frame in the same memory, ...
        self._planes = np.zeros((0, 0), np.uint8)  # ... by way of these, as OpenCV has them ...
        self._image: Image | None = None  # ... and made of this; None: it is not filled yet
        self._first_s = self._last_s = 0.0
        self._last_pts = -1
        self._aside = aside
        self._whole = 0  # frames of the part in whole fragments, ...
        self._since: list[tuple[bytes, int, bool]] = []  # ... and those behind them: packet, time, is it a key frame

    def write(self, frame: Frame, tracks: Tracks | None = None) -> None:  # noqa: ARG002 - what is drawn is in the image
        """Encode the frame's image."""
        if self._frames == self._part_frames or frame.time_s - self._last_s > self._LONGEST_GAP_S:
            self.close()
        if self._container is None:
            self._open(frame)
        self._frames += 1
        self._last_s = frame.time_s
        if not (frame.repeated and frame.image is self._image):
            self._fill(frame.image)
        picture = self._picture
        pts = round((frame.time_s - self._first_s) / self._TIME_BASE)
        picture.pts = self._last_pts = max(pts, self._last_pts + 1)  # times that stand still or go back would be lost
        picture.time_base = self._TIME_BASE
        with writing(self.path):
            self._mux(self._stream.encode(picture))

    def _fill(self, image: Image) -> None:
        """Make the encoder's picture of an image."""
        cv2.cvtColor(self._fit(image), cv2.COLOR_BGR2YUV_I420, dst=self._planes)
        begin = 0
        for plane in self._picture.planes:
            end = begin + plane.width * plane.height
            rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)  # which may be longer
            rows[:, : plane.width] = self._planes.ravel()[begin:end].reshape(plane.height, plane.width)
            begin = end
        self._image = image

    def _mux(self, packets: list[Any]) -> None:
        """Add packets of the encoder, one a frame; with each key frame the fragment before it is written."""
        for packet in packets:
            known = bytes(packet), int(packet.pts), bool(packet.is_keyframe)
            self._container.mux(packet)
            if known[2]:
                self._whole, self._since = self._whole + len(self._since), []
            self._since.append(known)

    @property
    def written(self) -> list[Path]:
        """The files that there are, complete but the last."""
        return [self._part(number) for number in range(1, self._parts + 1)]

    def _part(self, number: int) -> Path:
        first = self._first_path
        return first if number == 1 else first.with_stem(f"{first.stem}-{number:04d}")

    def _taken_over(self) -> None:
        """Copy what an earlier process has encoded into a file of its own, which goes on behind it."""
        if not self._parts:
            return
        self.path = self._part(self._parts)
        assert self._aside is not None
        old = self._aside / self.path.name
        since, self._since, whole, self._whole = self._since, [], self._whole, 0
        with writing(self.path):
            if not old.is_file():  # else an earlier copy was not finished
                self.path.replace(old)
            self._begin()
            self._mux_file(old, whole)
            self._mux([self._packet(*known) for known in since])
            to_disk(self.path)
            old.unlink()

    def _mux_file(self, old: Path, frames: int) -> None:
        """Add the first frames of a file that an encoder with the same options has made.

        Raises:
            OutputError: it does not hold them any more.
        """
        import av
        from av.bitstream import BitStreamFilterContext

        copied = 0
        try:
            with av.open(f"file:{old}") as container:
                stream = container.streams.video[0]
                as_encoded = BitStreamFilterContext("h264_mp4toannexb", stream)
                for packet in container.demux(stream) if frames else ():
                    for encoded in as_encoded.filter(packet):
                        encoded.stream = self._stream
                        self._mux([encoded])
                        copied += 1
                    if copied == frames:
                        break
        except av.error.InvalidDataError:
            pass
        if copied < frames:
            raise OutputError(f"{self.path} has been changed since the run was interrupted; run without --resume")

    def _packet(self, content: bytes, pts: int, is_keyframe: bool) -> Any:
        import av

        packet = av.Packet(content)
        packet.stream, packet.time_base, packet.is_keyframe = self._stream, self._TIME_BASE, is_keyframe
        packet.pts = packet.dts = pts
        return packet

    def close(self) -> None:
        """Flush the encoder and complete the file, or the part; nothing is left where there was no frame."""
        if self._container is None:
            return
        container, self._container = self._container, None
        with writing(self.path):
            try:
                container.mux(self._stream.encode(None))  # nothing: every frame is let out at once
                container.close()
            except OSError:
                with suppress(OSError):
                    container.close()
                _cut_to_whole_boxes(self.path)
                raise

    def _open(self, frame: Frame) -> None:
        self._parts += 1
        if self._parts > 1:
            self.path = self._part(self._parts)
            self._begun(self.path.name)
        height, width = frame.image.shape[:2]
        scale = min(1.0, self._LARGEST / max(width, height))
        self._size = _even(width * scale), _even(height * scale)
        self._first_s, self._last_pts, self._frames = frame.time_s, -1, 0
        self._whole, self._since = 0, []
        self._begin()

    def _begin(self) -> None:
        """Open the part's file and encoder."""
        import av

        movflags = "hybrid_fragmented+frag_keyframe+empty_moov+default_base_moof"
        with writing(self.path):
            self._container = av.open(
                f"file:{self.path}", "w", format="mp4", options={"movflags": movflags, "flush_packets": "1"}
            )
        stream = self._container.add_stream("libx264", rate=self._fps, options={"tune": "zerolatency", **self._encoder})
        width, height = self._size
        self._picture, self._image = av.VideoFrame(width, height, "yuv420p"), None
        self._planes = np.empty((height * 3 // 2, width), np.uint8)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        context = stream.codec_context
        context.time_base = self._TIME_BASE
        context.gop_size = max(1, round(self._fps * self._FRAGMENT_S))
        context.thread_count = min(4, max(1, (os.cpu_count() or 1) // 2))  # the detector needs the others
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


def _even(length: float) -> int:
    """The next even number of pixels."""
    return 2 * max(1, -int(-length // 2))


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
