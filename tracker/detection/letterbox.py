"""Letterboxing: a frame scaled into the rectangle a detector takes, and boxes brought back."""

from __future__ import annotations

from typing import cast

import cv2
import numpy as np

from tracker.structures import Floats, Image

PAD = 114  # grey of the letterbox, as in YOLO's training


def letterbox(frame: Image, imgsz: int, stride: int = 32) -> Image:
    """(H, W, 3) BGR -> RGB with a longer side of `imgsz`, centred on grey to sides that are multiples of `stride`."""
    (height, width), (tall, wide) = letterbox_sizes(frame.shape, imgsz, stride)
    if frame.shape[:2] != (height, width):
        frame = cast(Image, cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR))
    boxed = np.full((tall, wide, 3), PAD, np.uint8)
    left, top = (wide - width) // 2, (tall - height) // 2
    boxed[top : top + height, left : left + width] = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
    return boxed


def letterbox_sizes(shape: tuple[int, ...], imgsz: int, stride: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """(height, width) of the scaled picture of an image of `shape`, and of the letterbox around it."""
    width, height = _scaled_size(shape, -(-imgsz // stride) * stride)
    return (height, width), (-(-height // stride) * stride, -(-width // stride) * stride)


def unletterbox(xyxy: Floats, frame: tuple[int, ...], boxed: tuple[int, ...]) -> Floats:
    """(N, 4) boxes in the letterbox -> in the frame, clipped to it."""
    width, height = _scaled_size(frame, max(boxed[:2]))
    gain = min(boxed[0] / frame[0], boxed[1] / frame[1])
    left, top = (boxed[1] - width) // 2, (boxed[0] - height) // 2
    moved = (xyxy - np.array([left, top, left, top], np.float32)) / np.float32(gain)
    inside: Floats = np.clip(moved, 0, np.array([frame[1], frame[0]] * 2, np.float32))
    return inside


def _scaled_size(shape: tuple[int, ...], imgsz: int) -> tuple[int, int]:
    """Width and height of an image of `shape` (H, W, ...) scaled to a longer side of `imgsz`, at least 1 px each."""
    gain = imgsz / max(shape[:2])
    return max(1, round(shape[1] * gain)), max(1, round(shape[0] * gain))
