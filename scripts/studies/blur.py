"""Is everybody unreadable that `track --blur` is to hide? `python scripts/studies/blur.py SOURCE [OPTION...]`

Tracks a source (a sequence with ground truth, or a video) twice, with `--blur` and without, and compares the picture of
every person, and of the upper part where the head is, with the same part of the picture that is drawn on, encoded and
shown live, pixel by pixel before that is done: drawing and encoding change pixels, too, and would flatter. People are
those of the ground truth; where there is none, those that the run without `--blur` has. Crops are compared as they are
saved. How much of whole frames is clear says what the measure gives where nothing is hidden.

--worst FOLDER leaves the pictures of the boxes of which most is clear, to be looked at.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.config import Config
from tracker.datasets.mot import read_table
from tracker.jobs import result_files
from tracker.jobs.run import Output, run
from tracker.output.draw import Annotator
from tracker.structures import Image, Tracks
from tracker.video.source import Frame, open_source

READABLE = 0.1  # of a picture that is clear: less shows nobody
PATCH = 7  # px
NEAR = 14  # grey levels: what encoding a crop changes a pixel by, mostly
HEAD = 0.25  # of a person's box, from above
SAME = 0.5  # IoU of a person's box and its track's
LEAST_PX = 4
SHOWN = 24  # pictures that are left to be looked at


def clear(before: Image, after: Image, near: int = 0) -> float:
    """The share of a picture's (h, w, 3) patches with detail that are the same, but for `near`, in another of its size.

    A patch of one colour, or of two with a straight edge between, is none of them: blocks may look like that.
    """
    square = np.ones((PATCH, PATCH), np.uint8)
    apart = cv2.dilate(cv2.absdiff(before, after).max(axis=2), square)
    detailed = cv2.morphologyEx(cv2.cvtColor(before, cv2.COLOR_BGR2GRAY), cv2.MORPH_GRADIENT, square) > 3 * NEAR
    return float((apart[detailed] <= near).mean()) if detailed.any() else 0.0


def parts(box: np.ndarray, pictures: tuple[Image, Image]) -> Iterator[tuple[Image, Image]]:
    """The whole of a box (4,) in two pictures, and its head."""
    height, width = pictures[0].shape[:2]
    left, top, right, bottom = np.clip(np.rint(box), 0, [width, height, width, height]).astype(int)
    for end in (bottom, top + round(HEAD * (bottom - top))):
        if min(right - left, end - top) >= LEAST_PX:
            yield tuple(picture[top:end, left:right] for picture in pictures)  # type: ignore[misc]


@dataclass
class Person:
    """A box (4,) in a frame, as a person has it.

    Attributes:
        share: its IoU with a track's. clear: how much of it is clear, and of its head.
        apart: how many of its pixels have changed. pictures: of the box, as it was and as it is.
    """

    frame: int
    box: np.ndarray
    share: float
    clear: list[float]
    apart: float
    pictures: tuple[Image, Image]


class Comparison:
    """A source's pictures beside what a run makes of them, before it draws.

    Args:
        people: frame -> boxes (N, 4) of the ground truth; None: there is none, and tracks are taken for it.
    """

    def __init__(self, source: Path, people: dict[int, np.ndarray] | None) -> None:
        self._frames, self._truth = iter(open_source(source)), people
        self.people: list[Person] = []
        self.whole: list[float] = []  # of some frames, how much is clear

    def see(self, number: int, picture: Image, tracks: Tracks) -> None:
        """Compare the next frame."""
        before = next(self._frames)
        assert before.number == number
        pictures = before.image, picture
        if number % 20 == 1:
            self.whole.append(clear(*pictures))
        tracked = tracks.confirmed.xyxy
        here = tracked if self._truth is None else self._truth.get(number, tracked[:0])
        for box, share in zip(here, iou(here, tracked).max(axis=1, initial=0), strict=True):
            pairs = list(parts(box, pictures))
            if pairs:
                apart = float((pairs[0][0] != pairs[0][1]).any(axis=2).mean())
                left = [clear(*pair) for pair in pairs]
                copies = pairs[0][0].copy(), pairs[0][1].copy()
                self.people.append(Person(number, box, float(share), left, apart, copies))

    def annotator(self) -> type[Annotator]:
        """Draws as a run does, and has its pictures seen before."""
        comparison = self

        class Seeing(Annotator):
            _clear: Image

            def write(self, frame: Frame, tracks: Tracks) -> None:
                if not (frame.repeated and frame.image is self._drawn):
                    self._clear = frame.image.copy()
                comparison.see(frame.number, self._clear, tracks)
                super().write(frame, tracks)

        return Seeing


def summed_up(people: list[Person]) -> dict[str, float]:
    """How much of people, and of their heads, is clear, and how many of their pixels have changed."""
    worst = np.array([max(person.clear) for person in people] or [0.0])
    apart = np.array([person.apart for person in people] or [1.0])
    return {
        "people": len(people),
        "readable": int((worst > READABLE).sum()),
        "clear_mean": round(float(worst.mean()), 4),
        "clear_most": round(float(worst.max()), 3),
        "pixels_changed_mean": round(float(apart.mean()), 3),
        "pixels_changed_least": round(float(apart.min()), 3),
    }


def boxes(path: Path) -> dict[int, np.ndarray]:
    """Frame -> boxes (N, 4) of a table in MOTChallenge's format."""
    rows = read_table(path)
    return {int(frame): tlwh_to_xyxy(rows[rows[:, 0] == frame, 2:6]) for frame in np.unique(rows[:, 0])}


def crops_clear(before: Path, after: Path) -> list[float]:
    """How much of each crop is clear in that of the same name."""
    pairs = ((path, after / path.name) for path in sorted(before.glob("*.jpg")))
    return [clear(*(cv2.imread(str(path)) for path in pair), near=NEAR) for pair in pairs]


def leave(people: list[Person], folder: Path) -> None:
    """The pictures of the boxes of which most is clear, as they were and as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for person in sorted(people, key=lambda person: -max(person.clear))[:SHOWN]:
        beside = cv2.hconcat(list(person.pictures))
        name = (
            f"{max(person.clear):.3f} frame {person.frame}, IoU {person.share:.2f}, {person.box.round().tolist()}.png"
        )
        cv2.imwrite(str(folder / name), cv2.resize(beside, None, fx=6, fy=6, interpolation=cv2.INTER_NEAREST))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--blur", default="person")
    parser.add_argument("--model", default="")
    parser.add_argument("--out", type=Path, default=Path("runs/blur"))
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--worst", type=Path)
    given = parser.parse_args()
    config = Config().override({"detector": {"model": given.model, "classes": ["person"]}})
    plain = Output(given.out, "plain", True, video=False, crops=True, offline=given.offline)
    hidden = Output(given.out, "hidden", True, crops=True, offline=given.offline, blur=(given.blur,))
    truth = given.source / "gt" / "gt.txt"
    comparison = Comparison(given.source, boxes(truth) if truth.is_file() else None)
    (before,) = run([given.source], config, plain)
    result_files.Annotator = comparison.annotator()  # type: ignore[attr-defined]
    (after,) = run([given.source], config, hidden)
    assert before.folder and after.folder
    assert (before.folder / "tracks.txt").read_bytes() == (after.folder / "tracks.txt").read_bytes()
    tracked, others = ([p for p in comparison.people if (p.share >= SAME) == one] for one in (True, False))
    crops = crops_clear(before.folder / "crops", after.folder / "crops")
    found = {
        "tracked": summed_up(tracked),
        "not tracked": summed_up(others),
        "crops": {"people": len(crops), "clear_most": round(max(crops), 3)},
        "whole frames": {"compared": len(comparison.whole), "clear_mean": round(float(np.mean(comparison.whole)), 3)},
    }
    print(json.dumps(found, indent=2))
    if given.worst is not None:
        leave(tracked, given.worst)


if __name__ == "__main__":
    main()
