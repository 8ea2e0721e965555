"""Ids that fish get in docs/how-to/unknown-objects.md, from us and from Ultralytics' ByteTrack on the same boxes.

    python scripts/studies/fish.py zebrafish-eight.avi [runs/fish/detector.safetensors] [--imgsz 480]

Boxes are the network's, without one those of the still background. Printed are ids in the whole video, and where only
what follows the labelled part is tracked. Ours are those of a file: with fixed-lag smoothing.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated

import numpy as np
import typer

from options import study
from peers import ultralytics
from tracker import Detections, Tracker, Tracks, open_source
from tracker.config import DetectorConfig
from tracker.detection.detector import YoloDetector

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def boxes(video: Path, model: Path | None, imgsz: int) -> list[Detections]:
    """What is found in each frame."""
    sys.path.insert(0, str(EXAMPLES))
    from own_detector import detect, still_background

    network = YoloDetector(DetectorConfig(str(model), imgsz=imgsz)) if model else None
    background = None if model else still_background(str(video))
    with open_source(video) as source:
        return [network([f.image])[0] if network else detect(f.image, background) for f in source]


def ours(video: Path, found: list[Detections], start: int) -> int:
    tracker = Tracker(device="cpu")

    def updates() -> Iterator[Tracks]:
        with open_source(video) as source:
            for frame, seen in zip(source, found, strict=True):
                if frame.number > start:
                    yield tracker.update(frame.image, seen, time_s=frame.time_s)

    return len({number for tracks in tracker.smooth(updates()) for number in tracks.ids.tolist()})


def byte_track(found: list[Detections], size: tuple[int, int], start: int) -> int:
    update = ultralytics("bytetrack", False, False, SimpleNamespace(size=size))  # type: ignore[arg-type]
    rows = (np.column_stack([seen.xyxy, seen.scores, seen.classes]).astype(np.float32) for seen in found[start:])
    return len({number for row in rows for number in update(row)[:, 4].tolist()})


def main(
    video: Annotated[Path, typer.Argument(help="The video.")],
    model: Annotated[Path | None, typer.Argument(help="Weights that know fish.")] = None,
    imgsz: Annotated[int, typer.Option(help="Size of the network's pictures in pixels.")] = 480,
    labelled_s: Annotated[float, typer.Option(help="What the network learned from is from before.")] = 9.0,
) -> None:
    found = boxes(video, model, imgsz)
    with open_source(video) as source:
        height, width = next(iter(source)).image.shape[:2]
        labelled = round(labelled_s * source.fps)
    for name, start in (("whole video", 0), (f"from {labelled_s:g} s on", labelled)):
        theirs = byte_track(found, (width, height), start)
        print(f"{name}: {ours(video, found, start)} ids, ByteTrack {theirs}")


if __name__ == "__main__":
    study(main)
