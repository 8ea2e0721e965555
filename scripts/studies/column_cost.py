"""What masks cost that travel with 30 people at 1080p, in processor time, with and without them in turn.

    python scripts/studies/column_cost.py [--model yolov8n-seg.onnx] [--rounds 5]

Generated: 30 people walk through a still street, each with a mask. A detector looks at every frame, so that its time
counts, and what it finds is replaced by these people. Three things are timed: a run without and with a video and
tracks.jsonl, and `Tracker.update` alone. What a network's masks take to be worked out is timed apart, of 30 boxes.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from options import study
from tracker import Config, Detections, Tracker
from tracker.columns.masks import Masks
from tracker.detection.decoding import NetworkOutput, carried
from tracker.detection.letterbox import Letterboxed, letterbox_sizes
from tracker.jobs.run import Output, run

SIZE, PEOPLE, FRAMES = (1080, 1920), 30, 40
PERSON = (180, 70)  # px: height and width


class People:
    """A detector whose results are 30 walking people, in the frames' order, with masks or without."""

    def __init__(self, detector: Any, masks: bool) -> None:
        self._detector, self._masks, self.names = detector, masks, {0: "person"}
        self._frame = 0

    def __call__(self, frames: Any) -> list[Detections]:
        if self._detector is not None:
            self._detector(frames)
        found = []
        for _ in frames:
            found.append(people(self._frame, self._masks))
            self._frame += 1
        return found


def people(frame: int, masks: bool) -> Detections:
    """The people of a frame by its number."""
    chance = np.random.default_rng(0)
    start, step = chance.uniform((0, 0), (1700, 880), (PEOPLE, 2)), chance.uniform(-2, 2, (PEOPLE, 2))
    corner = np.clip(start + frame * step, 0, (1840, 890)).astype(int)
    boxes = np.hstack([corner, corner + PERSON[::-1]])
    shape = np.zeros(PERSON, np.uint8)
    cv2.ellipse(shape, (35, 90), (34, 89), 0, 0, 360, 1, -1)
    columns = {"masks": Masks.of_crops([shape.astype(bool)] * PEOPLE, corner.tolist(), SIZE)} if masks else {}
    return Detections(boxes, np.full(PEOPLE, 0.9), names={0: "person"}, **columns)


def street(folder: Path) -> Path:
    """A video of so many frames; what it shows matters little."""
    path = folder / "street.mp4"
    texture = np.random.default_rng(0).integers(0, 256, (54, 96, 3), np.uint8)
    picture = cv2.resize(texture, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), 25, SIZE[::-1])
    for frame in range(FRAMES):
        image = picture.copy()
        for left, top, right, bottom in people(frame, False).xyxy.astype(int).tolist():
            cv2.rectangle(image, (left, top), (right, bottom), (60, left % 200, top % 200), -1)
        writer.write(image)
    writer.release()
    return path


def of_update() -> Callable[[bool], float]:
    """Milliseconds of processor time a frame of `update`, of boxes and the columns that they carry."""

    def spent(masks: bool) -> float:
        tracker = Tracker()
        times = []
        for frame, found in enumerate([people(frame, masks) for frame in range(FRAMES)]):
            begun = time.process_time()
            tracker.update(None, found, time_s=frame / 25)
            times.append(1000 * (time.process_time() - begun))
        return statistics.median(times)

    return spent


def of_run(clip: Path, folder: Path, tracker: Tracker, detector: Any, video: bool) -> Callable[[bool], float]:
    """The same of a run, the detector's time with it."""

    def spent(masks: bool) -> float:
        vars(tracker.networks)["detector"] = People(detector, masks)
        tracker.reset()
        output = Output(folder / "runs", f"{video}", exist_ok=True, video=video, json=video)
        begun = time.process_time()
        run([clip], tracker, output)
        return 1000 * (time.process_time() - begun) / FRAMES

    return spent


def decoding_ms() -> float:
    """Milliseconds to work out the masks of 30 boxes from a network's prototypes."""
    chance = np.random.default_rng(0)
    boxed = Letterboxed(SIZE, *letterbox_sizes(SIZE, 640, 32, False, False))
    height, width = boxed.size
    prototypes = chance.standard_normal((1, 32, height // 4, width // 4)).astype(np.float32)
    boxes = people(0, False).xyxy
    rows = np.hstack([boxes, np.ones((PEOPLE, 2)), chance.standard_normal((PEOPLE, 32))]).astype(np.float32)
    output, times = NetworkOutput(np.insert(rows, 0, 0, axis=1), prototypes), []
    for _ in range(30):
        begun = time.process_time()
        carried(output, 0, rows, boxes, boxed)
        times.append(1000 * (time.process_time() - begun))
    return statistics.median(times)


def main(
    model: Annotated[str, typer.Option(help="Of the detector whose time counts. Default: the embedded one.")] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Of each with and without masks, in turn.")] = 5,
) -> None:
    """Print milliseconds of processor time a frame, without and with masks, and the median of their ratios."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tracker = Tracker(Config().override({"detector": {"model": model, "skip_repeats": False}, "device": "cpu"}))
        detector, clip = tracker.detector, street(folder)
        cases = {
            "update": of_update(),
            "run": of_run(clip, folder, tracker, detector, video=False),
            "run with video and tracks.jsonl": of_run(clip, folder, tracker, detector, video=True),
        }
        for what, spent in cases.items():
            spent(True)  # loads what is loaded once
            pairs = [(spent(False), spent(True)) for _ in range(rounds)]
            without, with_masks = (statistics.median(times) for times in zip(*pairs, strict=True))
            ratio = statistics.median(after / before for before, after in pairs)
            print(f"{what}: {without:.1f} ms without masks, {with_masks:.1f} with, {100 * (ratio - 1):+.1f} %")
    print(f"masks of 30 boxes from a network's prototypes: {decoding_ms():.1f} ms")


if __name__ == "__main__":
    study(main)
