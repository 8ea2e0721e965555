"""The decoded frames of a stream as pictures, in memory that is used again when a picture is gone."""

from __future__ import annotations

from fractions import Fraction
from threading import Lock
from typing import Any, cast

import cv2
import numpy as np
from av.filter import Graph
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tracker.structures import Image

_TURNS = {1: cv2.ROTATE_90_COUNTERCLOCKWISE, 2: cv2.ROTATE_180, 3: cv2.ROTATE_90_CLOCKWISE}  # quarters, left about
_TICK = Fraction(1, 90_000)  # what a filter wants to know of times, which nobody reads
# Those that swscale converts pixel by pixel. With all others it asks where between the pixels colours are, of which a
# filter is not told: 10 bits or an odd height would have them half a pixel aside.
_PLAIN = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p"}


class Converter:
    """Pixels as (H, W, 3) uint8 BGR, turned upright, as wide as they are shown.

    swscale converts with the colour matrix that the file names (usual kinds are equal, bit for bit, to OpenCV's
    decoding), which `cv2.cvtColor` from the planes does not. It writes to a pool of pictures that belongs to this
    stream: where each picture is allocated anew, those of several threads lie scattered over the heaps of all, which
    then keep many times what is in use, and memory that the system hands out anew costs five times what the conversion
    does. Of rare kinds of frames each picture is allocated anew.

    Args:
        stream: whose frames they are. Several threads may convert them.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._shape = _pixel_shape(stream)
        self._turn = Lock()
        self._kind: tuple[Any, ...] = ()
        self._graph = Graph()

    def __call__(self, frame: VideoFrame) -> Image:
        """The picture of a frame, which may be drawn on."""
        converted = self._converted(frame)
        image = cast(Image, converted.to_ndarray())
        if converted is frame:  # the decoder's own picture, which it may make the next one of
            image = image.copy()
        turn = _TURNS.get(round(frame.rotation / 90) % 4)
        return np.ascontiguousarray(image if turn is None else cast(Image, cv2.rotate(image, turn)))

    def _converted(self, frame: VideoFrame) -> VideoFrame:
        """The frame in BGR."""
        width = round(frame.width * self._shape)
        plain = frame.format.name in _PLAIN and width == frame.width and frame.height % 2 == 0
        if not plain or frame.interlaced_frame:  # converted field by field, which filters do otherwise at some heights
            return frame.reformat(format="bgr24", width=width)
        kind = frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range
        with self._turn:
            if kind != self._kind:
                self._graph, self._kind = _graph_for(frame), kind
            self._graph.vpush(frame)
            return self._graph.vpull()


def _graph_for(frame: VideoFrame) -> Graph:
    """What converts frames like this one."""
    graph = Graph()
    graph.threads = 1
    parts = [
        graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=_TICK),
        graph.add("scale", "flags=bilinear"),
        graph.add("format", "bgr24"),
        graph.add("buffersink"),
    ]
    for part, following in zip(parts, parts[1:], strict=False):
        part.link_to(following)
    graph.configure()
    return graph


def _pixel_shape(stream: VideoStream) -> Fraction:
    """Width to height of a pixel (anamorphic video: not 1); 1 where it is unknown, absurd or nearly so."""
    shape = stream.sample_aspect_ratio or Fraction(1)
    return shape if Fraction(1, 4) <= shape <= 4 and abs(shape - 1) > Fraction(1, 50) else Fraction(1)
