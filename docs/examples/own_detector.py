"""Track what another detector finds, here what differs from a still background: python own_detector.py VIDEO OUT.mp4"""

import sys
from collections.abc import Iterator

import cv2
import numpy as np

from tracker import Detections, Tracker, Tracks, open_source

CONTRAST = 30  # grey levels that an object is darker or brighter by than the background
SMALLEST = 60  # pixels of an object


def still_background(video: str) -> np.ndarray:
    """(H, W) grey levels that each pixel has most of the time, by at most 50 frames from all over the video."""
    grey, step = [], 1
    with open_source(video) as source:
        for frame in source:
            if frame.number % step == 0:
                grey.append(cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY))
            if len(grey) > 50:
                grey, step = grey[1::2], 2 * step
    return np.median(grey, axis=0).astype(np.uint8)


def detect(image: np.ndarray, background: np.ndarray) -> Detections:
    """Boxes around all that differs; objects that touch share one."""
    different = cv2.absdiff(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), background) > CONTRAST
    clean = cv2.morphologyEx(different.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    _, _, parts, _ = cv2.connectedComponentsWithStats(clean)
    left, top, width, height, pixels = parts[1:].T  # the first is the background
    boxes = np.stack([left - 2, top - 2, left + width + 2, top + height + 2], axis=1)
    return Detections(boxes[pixels > SMALLEST])


def updates(tracker: Tracker, video: str) -> Iterator[Tracks]:
    """The tracks of each frame. The tracker's own detector is never loaded."""
    background = still_background(video)
    with open_source(video) as source:
        for frame in source:
            found = detect(frame.image, background)
            yield tracker.update(frame.image, detections=found, time_s=frame.time_s)


def main(video: str, out: str) -> None:
    tracker, ids, writer = Tracker(), set(), None
    with open_source(video) as source:  # once more, for the pictures
        for frame, tracks in zip(source, tracker.smooth(updates(tracker, video)), strict=True):
            if writer is None:
                height, width = frame.image.shape[:2]
                writer = cv2.VideoWriter(out, cv2.VideoWriter_fourcc(*"mp4v"), source.fps, (width, height))
            image = frame.image.copy()
            for number, (left, top, right, bottom) in zip(tracks.ids.tolist(), tracks.xyxy.astype(int), strict=True):
                cv2.rectangle(image, (left, top), (right, bottom), (0, 0, 255), 2)
                cv2.putText(image, str(number), (left, top - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (0, 0, 255), 2)
            writer.write(image)
            ids.update(tracks.ids.tolist())
    if writer is not None:
        writer.release()
    print(f"{len(ids)} ids, wrote {out}")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
