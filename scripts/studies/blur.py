"""Is everybody unreadable that `track --blur` is to hide? `python scripts/studies/blur.py SOURCE [OPTION...]`

Tracks a source (a sequence with ground truth, or a video) twice, with `--blur` and without, and compares the picture of
every person, and of the upper part where the head is, with the same part of the blurred video, and every crop with the
blurred one: how much of it is as it was. The whole frames say what encoding leaves clear. People
are those of the ground truth; where there is none, those that the run without `--blur` has.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.config import Config
from tracker.datasets.mot import read_table
from tracker.jobs.run import Output, run
from tracker.structures import Image
from tracker.video.source import open_source

READABLE = 0.1  # of a picture that is clear: less shows nobody
PATCH = 7  # px
NEAR = 14  # grey levels: what encoding changes a pixel by, mostly
HEAD = 0.25  # of a person's box, from above
SAME = 0.5  # IoU of a person's box and its track's
LEAST_PX = 4


def clear(before: Image, after: Image) -> float:
    """The share of a picture's (h, w, 3) patches with detail that are the same in another of its size.

    A patch of one colour, or of two with a straight edge between, is none of them: blocks may look like that.
    """
    square = np.ones((PATCH, PATCH), np.uint8)
    apart = cv2.dilate(cv2.absdiff(before, after).max(axis=2), square)
    detailed = cv2.morphologyEx(cv2.cvtColor(before, cv2.COLOR_BGR2GRAY), cv2.MORPH_GRADIENT, square) > 3 * NEAR
    return float((apart[detailed] <= NEAR).mean()) if detailed.any() else 0.0


def parts(box: np.ndarray, pictures: tuple[Image, Image]) -> Iterator[tuple[Image, Image]]:
    """The whole of a box (4,) in two pictures, and its head."""
    height, width = pictures[0].shape[:2]
    left, top, right, bottom = np.clip(np.rint(box), 0, [width, height, width, height]).astype(int)
    for end in (bottom, top + round(HEAD * (bottom - top))):
        if min(right - left, end - top) >= LEAST_PX:
            yield tuple(picture[top:end, left:right] for picture in pictures)  # type: ignore[misc]


def boxes(path: Path) -> dict[int, np.ndarray]:
    """Frame -> boxes (N, 4) of a table in MOTChallenge's format."""
    rows = read_table(path)
    return {int(frame): tlwh_to_xyxy(rows[rows[:, 0] == frame, 2:6]) for frame in np.unique(rows[:, 0])}


def summed_up(left: list[list[float]], changed: list[float]) -> dict[str, float]:
    """Of each person's detail left, in the whole box and in the head, and how its pixels differ in grey levels."""
    worst = np.array([max(values) for values in left] or [0.0])
    return {
        "people": len(left),
        "readable": int((worst > READABLE).sum()),
        "clear_median": round(float(np.median(worst)), 3),
        "clear_most": round(float(worst.max()), 3),
        "with_pixel_difference": round(float(np.mean(np.array(changed or [1.0]) > 0)), 4),
    }


def measured(source: Path, before: Path, after: Path) -> dict[str, dict[str, float]]:
    """How readable people are in the blurred video and in the crops, from the folders of both runs."""
    tracked = boxes(after / "tracks.txt")
    truth = source / "gt" / "gt.txt"
    people = boxes(truth) if truth.is_file() else tracked
    groups: dict[str, tuple[list[list[float]], list[float]]] = {"tracked": ([], []), "not tracked": ([], [])}
    none, outside = np.zeros((0, 4)), []
    with open_source(source) as frames, open_source(after / "video.mp4") as video:
        for frame, blurred in zip(frames, video, strict=True):
            height, width = frame.image.shape[:2]
            pictures = frame.image, blurred.image[:height, :width]
            here = people.get(frame.number, none)
            if frame.number % 20 == 1:
                outside.append(clear(*pictures))
            overlap = iou(here, tracked.get(frame.number, none)).max(axis=1, initial=0)
            for box, share in zip(here, overlap, strict=True):
                pairs = list(parts(box, pictures))
                if pairs:
                    left, changed = groups["tracked" if share >= SAME else "not tracked"]
                    left.append([clear(*pair) for pair in pairs])
                    changed.append(float(np.abs(np.subtract(*pairs[0], dtype=np.int16)).mean()))
                    if max(left[-1]) > READABLE:
                        print(f"frame {frame.number}, IoU {share:.2f}: {box.round().tolist()} {np.round(left[-1], 2)}")
    crops = [
        [clear(*(cv2.imread(str(folder / "crops" / path.name)) for folder in (before, after)))]
        for path in sorted((before / "crops").glob("*.jpg"))
    ]
    print(f"of whole frames {np.mean(outside):.2f} is clear")
    return {**{name: summed_up(*group) for name, group in groups.items()}, "crops": summed_up(crops, [])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--blur", default="person")
    parser.add_argument("--model", default="")
    parser.add_argument("--out", type=Path, default=Path("runs/blur"))
    parser.add_argument("--offline", action="store_true")
    given = parser.parse_args()
    config = Config().override({"detector": {"model": given.model, "classes": ["person"]}})
    plain = Output(given.out, "plain", True, video=False, crops=True, offline=given.offline)
    hidden = Output(
        given.out, "hidden", True, crops=True, labels=False, trails=False, offline=given.offline, blur=(given.blur,)
    )
    (before,), (after,) = (run([given.source], config, output) for output in (plain, hidden))
    assert before.folder and after.folder
    assert (before.folder / "tracks.txt").read_bytes() == (after.folder / "tracks.txt").read_bytes()
    print(json.dumps(measured(given.source, before.folder, after.folder), indent=2))


if __name__ == "__main__":
    main()
