"""Two clips of streets, at the places where tracks go wrong: which id each object has there, and pictures of it.

    python scripts/studies/street_mistakes.py CLIPS --out OUT

CLIPS holds people.mp4 and traffic.mp4; what is to be seen in them, outlined by eye, is docs/tables/street-mistakes.csv
(pixels; of what is hidden the visible part). Both are tracked as `track` does it by default. Prints for each object the
tracks on it with their overlap, and leaves in OUT pictures.png, the frames with the boxes, and street_mistakes.png, the
boxes alone.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Annotated, NamedTuple

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import typer
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from options import Out, study
from tracker import open_source
from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.mot import FRAME, ID, LEFT, SCORE, Table, results
from tracker.jobs.run import Output, run
from tracker.output.draw import colour
from tracker.structures import Image

TABLE = Path(__file__).parents[2] / "docs" / "tables" / "street-mistakes.csv"
SAME = 0.4  # least overlap over union of a track's box with the object that it is on
ROOM = 0.12  # of its extent that is shown around a place
CELL = 1.65  # inches: height of a frame


class Outline(NamedTuple):
    """An object as it is seen in one frame: left, top, right, bottom in pixels."""

    place: str
    clip: str
    frame: int
    thing: str
    box: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Look:
    """One frame of a place.

    Attributes:
        outlines: what is to be seen. ids: (N,) of the tracks that are reported there. boxes: (N, 4) theirs, xyxy.
    """

    outlines: list[Outline]
    ids: np.ndarray
    boxes: np.ndarray

    def on(self, outline: Outline) -> str:
        """The tracks on an object, the nearest first, with their overlap."""
        overlap = iou(self.boxes, np.array([outline.box]))[:, 0]
        order = [n for n in np.argsort(-overlap) if overlap[n] >= SAME]
        return " + ".join(f"{self.ids[n]} ({overlap[n]:.2f})" for n in order) or "none"


def outlines(table: Path = TABLE) -> list[Outline]:
    """What a table has."""
    with table.open(newline="", encoding="utf-8") as file:
        return [
            Outline(row["place"], row["clip"], int(row["frame"]), row["object"],
                    tuple(float(row[side]) for side in ("left", "top", "right", "bottom")))
            for row in csv.DictReader(file)
        ]  # fmt: skip


def tracked(clip: Path, out: Path, offline: bool) -> Table:
    """The rows that `track` writes of a clip."""
    (result,) = run([clip], output=Output(out, clip.stem, exist_ok=True, video=False, offline=offline))
    if result.error:
        raise result.error
    return results(out / clip.stem / "tracks.txt")


def looks(tables: dict[str, Table]) -> Iterator[tuple[str, list[Look]]]:
    """Each place with its frames, in the table's order."""
    for place, rows in groupby(outlines(), key=lambda outline: outline.place):
        frames = [list(seen) for _, seen in groupby(rows, key=lambda outline: outline.frame)]
        of_place = []
        for seen in frames:
            table = tables[seen[0].clip]
            here = table[table[:, FRAME] == seen[0].frame]
            of_place.append(Look(seen, here[:, ID].astype(int), tlwh_to_xyxy(here[:, LEFT:SCORE])))
        yield place, of_place


def window(place: list[Look]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of what is shown of a place."""
    boxes = np.array([outline.box for look in place for outline in look.outlines])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    room = ROOM * (high - low).max()
    left, top, right, bottom = *(low - room), *(high + room)
    return left, top, right, bottom


def draw(axes: Axes, look: Look, place: tuple[float, float, float, float], picture: Image | None) -> None:
    """One frame of a place: outlines dashed, tracks in their colour."""
    left, top, right, bottom = place
    if picture is not None:
        axes.imshow(picture[..., ::-1], interpolation="lanczos")
    axes.set(xlim=(left, right), ylim=(bottom, top), xticks=[], yticks=[], aspect="equal")
    axes.set_title(f"frame {look.outlines[0].frame}", fontsize=8, pad=2)
    for outline in look.outlines if picture is None else []:
        x, y, *corner = outline.box
        axes.add_patch(Rectangle((x, y), corner[0] - x, corner[1] - y, fc="0.9", ec="0.35", ls="--", lw=1))
        axes.text((x + corner[0]) / 2, corner[1], outline.thing, fontsize=5.5, ha="center", va="bottom", color="0.25")
    for number, box in zip(look.ids.tolist(), look.boxes, strict=True):
        if box[0] > right or box[2] < left or box[1] > bottom or box[3] < top:
            continue
        paint = tuple(part / 255 for part in colour(number)[::-1])
        axes.add_patch(Rectangle(box[:2], box[2] - box[0], box[3] - box[1], fill=False, ec=paint, lw=1.8))
        label = {"fontsize": 7, "va": "top", "clip_on": True, "bbox": {"fc": paint, "ec": "none", "pad": 0.8}}
        axes.text(max(box[0], left), max(box[1], top), str(number), **label)


def sheet(places: list[tuple[str, list[Look]]], path: Path, pictures: dict[tuple[str, int], Image]) -> None:
    """All places, one a row."""
    columns = max(len(place) for _, place in places)
    figure, grid = plt.subplots(
        len(places), columns, figsize=(CELL * columns, (CELL + 0.25) * len(places)), squeeze=False
    )
    for row, (name, place) in zip(grid, places, strict=True):
        row[0].set_ylabel(name, fontsize=8)
        for axes, look in zip(row, place, strict=False):
            key = look.outlines[0].clip, look.outlines[0].frame
            draw(axes, look, window(place), pictures.get(key))
        for axes in row[len(place) :]:
            axes.set_axis_off()
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=130)
    plt.close(figure)


def frames_of(clip: Path, wanted: set[int]) -> dict[tuple[str, int], Image]:
    """The pictures of these frames."""
    with open_source(clip) as source:
        return {(clip.stem, frame.number): frame.image for frame in source if frame.number in wanted}


def main(
    clips: Annotated[Path, typer.Argument(help="Folder with people.mp4 and traffic.mp4.")],
    out: Out = Path("runs/street-mistakes"),
    offline: Annotated[bool, typer.Option(help="With offline post-processing, as `track --offline`.")] = False,
) -> None:
    """Print which track is on what, and draw it."""
    wanted: dict[str, set[int]] = {}
    for outline in outlines():
        wanted.setdefault(outline.clip, set()).add(outline.frame)
    places = list(looks({clip: tracked(clips / f"{clip}.mp4", out, offline) for clip in wanted}))
    for name, place in places:
        for look in place:
            for outline in look.outlines:
                print(f"{name}: {outline.clip} {outline.frame}, {outline.thing}: {look.on(outline)}")
    pictures: dict[tuple[str, int], Image] = {}
    for clip, frames in wanted.items():
        pictures |= frames_of(clips / f"{clip}.mp4", frames)
    sheet(places, out / "pictures.png", pictures)
    sheet(places, out / "street_mistakes.png", {})


if __name__ == "__main__":
    study(main)
