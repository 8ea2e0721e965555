"""A small real video for tests: a camera pans over a photograph of people that Ultralytics ships."""

from fractions import Fraction
from pathlib import Path

import av
import cv2
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
