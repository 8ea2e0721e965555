"""A small film of something that no detector knows."""

from pathlib import Path

import cv2
import numpy as np

from tracker.output.video_writer import VideoWriter
from tracker.structures import Tracks
from tracker.video.source import Frame

FISH, FRAMES, FPS = 4, 30, 15
CAMERA = {"preset": "veryfast", "crf": "18"}  # whatever the results' video is encoded with


def film(path: Path) -> Path:
    """Dark blobs that swim to the right, each in a lane of its own."""
    none, empty = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    nobody = Tracks(none, empty, empty[:, 0], none, none, none, none, 0.0, 1 / FPS)
    rng = np.random.default_rng(0)
    floor = rng.integers(140, 160, (128, 160, 3)).astype(np.uint8)
    writer = VideoWriter(path, FPS, CAMERA)
    for t in range(FRAMES):
        image = floor.copy()
        for lane in range(FISH):
            cv2.ellipse(image, (15 + 11 * lane + 3 * t, 16 + 32 * lane), (12, 6), 0, 0, 360, (40, 40, 40), -1)
        writer.write(Frame(image, t + 1, t / FPS), nobody)
    writer.close()
    return path
