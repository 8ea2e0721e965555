"""Letterboxing: a frame scaled into the rectangle a detector takes, and boxes brought back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.structures import Floats, Image

PAD = 114  # grey of the letterbox, as in YOLO's training

Size: TypeAlias = int | tuple[int, int]
"""What a frame is scaled to fit into: the side of a square, or height and width."""


@dataclass(frozen=True)
class Letterboxed:
    """A frame scaled into a letterbox; sizes are (height, width) in pixels.

    Attributes:
        frame: of the frame. picture: of the frame as it is in the letterbox, in its middle. size: of the letterbox.
    """

    frame: tuple[int, int]
    picture: tuple[int, int]
    size: tuple[int, int]

    @property
    def scale(self) -> NDArray[np.float64]:
        """(2,) pixels of the letterbox to one of the frame, across and down; they differ where a side was rounded."""
        return np.divide(self.picture[::-1], self.frame[::-1])

    @property
    def offset(self) -> NDArray[np.int64]:
        """(2,) where the picture's left and top are."""
        return np.subtract(self.size[::-1], self.picture[::-1]) // 2


def letterbox(frame: Image, imgsz: Size, stride: int = 32, whole: bool = False, stretched: bool = False) -> Image:
    """(H, W, 3) BGR -> RGB as large as fits into `imgsz`, centred on grey to sides that are multiples of `stride`.

    `whole`: to all of `imgsz`, for networks that take nothing else. `stretched`: the picture itself is, as RT-DETR
    takes it.
    """
    (height, width), (tall, wide) = letterbox_sizes(frame.shape, imgsz, stride, whole, stretched)
    if frame.shape[:2] != (height, width):
        frame = cast(Image, cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR))
    boxed = np.full((tall, wide, 3), PAD, np.uint8)
    left, top = (wide - width) // 2, (tall - height) // 2
    boxed[top : top + height, left : left + width] = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    return boxed


def letterbox_sizes(
    shape: tuple[int, ...], imgsz: Size, stride: int, whole: bool = False, stretched: bool = False
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) of the scaled picture of an image of `shape`, at least 1 px each, and of the letterbox around it.

    Unless it is the `whole` of `imgsz`, the letterbox is no larger than the picture needs: the same for 640 and for
    384,640 where the frame is 16:9.
    """
    tall, wide = (-(-side // stride) * stride for side in ((imgsz, imgsz) if isinstance(imgsz, int) else imgsz))
    if stretched:
        return (tall, wide), (tall, wide)
    gain = min(tall / shape[0], wide / shape[1])
    height, width = max(1, round(shape[0] * gain)), max(1, round(shape[1] * gain))
    if whole:
        return (height, width), (tall, wide)
    return (height, width), (-(-height // stride) * stride, -(-width // stride) * stride)


def unletterbox(xyxy: Floats, frame: tuple[int, ...], picture: tuple[int, int], boxed: tuple[int, int]) -> Floats:
    """(N, 4) boxes in the letterbox -> in the frame, clipped to it; `picture` and `boxed` as `letterbox_sizes`."""
    gain = picture[1] / frame[1], picture[0] / frame[0]  # which differ a little where a side was rounded
    left, top = (boxed[1] - picture[1]) // 2, (boxed[0] - picture[0]) // 2
    moved = (xyxy - np.array([left, top, left, top], np.float32)) / np.array([*gain, *gain], np.float32)
    inside: Floats = np.clip(moved, 0, np.array([frame[1], frame[0]] * 2, np.float32))
    return inside
