"""A small real video for tests: a camera pans over a photograph of people that Ultralytics ships."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import ultralytics

BUS = Path(ultralytics.__file__).parent / "assets" / "bus.jpg"


def pan(path: Path, frames: int = 24, size: tuple[int, int] = (320, 240), fps: int = 12, repeat_every: int = 0) -> Path:
    """Write an H.264 clip whose view moves 2 px a frame to the right; two people and a bus are in it.

    Where `repeat_every` is not 0, each so-manieth frame shows the view before it once more.
    """
    photo = cv2.imread(str(BUS))
    width, height = size
    scale = 1.35 * width / photo.shape[1]
    wide = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    top = int(0.42 * wide.shape[0])
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in range(frames):
            step = frame - ((frame + 1) // repeat_every if repeat_every else 0)
            left = min(2 * step, wide.shape[1] - width)
            view = wide[top : top + height, left : left + width]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode(None))
    return path


def crossing(path: Path, size: tuple[int, int] = (320, 240), fps: int = 12) -> Path:
    """Write an H.264 clip of a still camera: after half a second two people cross, one to the right, one to the left.

    Both go from one edge to the other, the one above the other; the one to the left comes half a second later.
    """
    photo = cv2.imread(str(BUS))
    width, height = size
    wall = cv2.resize(photo[150:560], size, interpolation=cv2.INTER_AREA)
    people = [cv2.resize(photo[y : y + 480, x : x + 190], (38, 96)) for x, y in ((50, 400), (670, 400))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"preset": "ultrafast", "crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in range(50):
            view = wall.copy()
            lefts = 9 * (frame - 6) - 38, width - 9 * (frame - 12)
            for person, left, top in zip(people, lefts, (10, 134), strict=True):
                begin, end = np.clip([left, left + 38], 0, width)
                view[top : top + 96, begin:end] = person[:, begin - left : end - left] if begin < end else 0
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode(None))
    return path
