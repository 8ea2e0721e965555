"""How wrong positions and speeds on the ground are.

    python scripts/studies/ground.py --out OUT [--wildtrack ../shared/data/pedestrians_gt]

Leaves OUT/speeds.csv and OUT/wildtrack.csv.

Speeds are of paths whose truth is known, so they are synthetic: people (or cars) go at known speeds before four
cameras, detections have the lasting errors of a real detector (`tracker.datasets.lifelike`), and are tracked and
written half a second later as `track` does. The filter's constants were chosen with other seeds (0 to 2), and so
was that feet are less certain sideways the wider a box is.

WILDTRACK's seven cameras see one square, and the ids of people are shared, but its truth has no metres. So for each
pair of cameras the homography is fitted from the foot points of the one to those of the same people in the other in
frames 1 to 200, and held against frames 201 to 400; pixels there are made metres by the height of the person's box,
taken for 1.75 m. These boxes were drawn by projecting places of one ground into all pictures: what is left is the
homography's and the lens' error, not an annotator's.
"""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from options import Out, study
from tracker import Detections, GroundMotion, GroundPlane, Tracker
from tracker.analytics.ground.homography import fitted, mapped
from tracker.config import Config
from tracker.datasets import lifelike
from tracker.datasets.mot import FRAME, HEIGHT, ID, LEFT, SCORE, read_table

PERSON_M = 1.75
_SHAPES = {"people": (0.55, PERSON_M), "cars": (1.9, 1.5)}  # width and height in metres
_SECONDS = 20.0
_COUNT = 14
_RATES = ("10", "25", "varying")
_FIT_FRAMES = 200


@dataclass(frozen=True)
class Camera:
    """A camera above the origin that looks along y and down.

    Attributes:
        tilt: down, in radians. height: above the ground in metres. focal: in pixels.
        objects: what goes there. speeds: slowest and fastest of them in metres a second.
        ground: left, right, near and far end of where they go, in metres.
        braking: of those that stop, in m/s².
        size: of the picture in pixels.
    """

    tilt: float
    height: float
    focal: float
    objects: str
    speeds: tuple[float, float]
    ground: tuple[float, float, float, float]
    braking: float = 1.5
    size: tuple[int, int] = (1920, 1080)

    def view(self, place: Any, up: float = 0.0) -> Any:
        """Pixels (N, 2) of points (N, 2) so high above the ground."""
        x, y = np.asarray(place, np.float64).T
        height = self.height - up
        depth = y * math.cos(self.tilt) + height * math.sin(self.tilt)
        down = height * math.cos(self.tilt) - y * math.sin(self.tilt)
        return np.stack([x, down], axis=1) / depth[:, None] * self.focal + np.divide(self.size, 2)

    def plane(self) -> GroundPlane:
        """Calibrated from the corners of where its objects go, and their middle."""
        left, right, near, far = self.ground
        places = [[left, near], [right, near], [left, far], [right, far], [(left + right) / 2, (near + far) / 2]]
        return GroundPlane.from_points(self.view(places), places, frame_size=self.size)


CAMERAS = {
    "street": Camera(0.35, 4.0, 1100, "people", (0.7, 2.2), (-6, 6, 7, 20)),
    "tower": Camera(0.6, 9.0, 1300, "people", (0.7, 2.2), (-8, 8, 7, 24)),
    "shop": Camera(0.5, 2.8, 800, "people", (0.4, 1.6), (-3, 3, 3.2, 9)),
    "road": Camera(0.35, 7.0, 1100, "cars", (4, 16), (-10, 10, 13, 45), braking=3.0),
}


def paths(camera: Camera, times: Any, rng: np.random.Generator) -> tuple[Any, Any]:
    """Places (T, N, 2) of objects that go on slight bends, and their speeds (T, N).

    Of seven one stands still, and two brake, stand for two seconds and go again, every twelve seconds.
    """
    left, right, near, far = camera.ground
    fastest = rng.uniform(*camera.speeds, _COUNT)
    kind = np.arange(_COUNT) % 7
    fastest[kind == 0] = 0
    place = np.stack([rng.uniform(left, right, _COUNT), rng.uniform(near, far, _COUNT)], axis=1)
    heading = rng.uniform(-math.pi, math.pi, _COUNT)
    bend = rng.normal(0, 0.06, _COUNT)  # radians a second
    cycle = (times[:, None] + rng.uniform(0, 12, _COUNT)) % 12
    slower_s = np.maximum(fastest, 0.1) / camera.braking
    share = np.where(kind >= 5, np.clip((np.abs(cycle - 6) - 1) / slower_s, 0, 1), 1.0)
    speed = fastest * share
    places = np.zeros((len(times), _COUNT, 2))
    for n, seconds in enumerate(np.diff(times, prepend=times[0]).tolist()):
        heading = heading + bend * seconds * share[n]
        place = place + (speed[n] * seconds)[:, None] * np.stack([np.cos(heading), np.sin(heading)], axis=1)
        places[n] = place
    return places, speed


def speeds(camera: Camera, rate: str, seed: int) -> dict[str, float]:
    """Errors of one camera at one frame rate: medians in percent, share of rows whose interval holds."""
    rng = np.random.default_rng(seed)
    fps = 30.0 if rate == "varying" else float(rate)
    times = np.arange(0, _SECONDS, 1 / fps)
    places, true = paths(camera, times, rng)
    width, height = _SHAPES[camera.objects]
    truth = []
    for n, place in enumerate(places):
        foot, head = camera.view(place), camera.view(place, height)
        tall = foot[:, 1] - head[:, 1]
        wide = tall * width / height
        box = np.stack([foot[:, 0] - wide / 2, head[:, 1], wide, tall], axis=1)
        there = (box[:, 0] > 0) & (box[:, 0] + wide < camera.size[0]) & (box[:, 1] > 0) & (foot[:, 1] < camera.size[1])
        there &= (place[:, 1] > camera.ground[2]) & (place[:, 1] < camera.ground[3])
        truth += [[n + 1, i + 1, *box[i], 1, 1, 1] for i in np.flatnonzero(there)]
    table = np.array(truth, np.float64)
    found = lifelike.from_truth(table, len(times), fps, camera.size, rng, false_alarms=0)
    shown = np.ones(len(times), bool)
    if rate == "varying":
        shown = rng.random(len(times)) < 0.4
    config = Config().override({"appearance": {"enabled": False}, "camera": {"method": "none"}, "device": "cpu"})
    tracker, motion = Tracker(config), GroundMotion(camera.plane())
    numbers = np.flatnonzero(shown)

    def updates() -> Any:
        for n in numbers.tolist():
            rows = found[found[:, FRAME] == n + 1]
            box = rows[:, LEFT : HEIGHT + 1].copy()
            box[:, 2:] += box[:, :2]
            yield tracker.update(None, Detections(box, rows[:, SCORE]), time_s=float(times[n]))

    rows = []
    for n, tracks in zip(numbers.tolist(), tracker.smooth(updates()), strict=True):
        said = motion.update(tracks)
        boxes = table[table[:, FRAME] == n + 1]
        foot = np.stack([boxes[:, LEFT] + boxes[:, LEFT + 2] / 2, boxes[:, LEFT + 1] + boxes[:, HEIGHT]], axis=1)
        own = np.stack([tracks.xyxy[:, [0, 2]].mean(axis=1), tracks.xyxy[:, 3]], axis=1)
        for row in np.flatnonzero(np.isfinite(said.speed_m_s)) if len(boxes) else ():
            near = np.linalg.norm(foot - own[row], axis=1)
            best = int(near.argmin())
            if near[best] < 0.3 * boxes[best, HEIGHT]:
                i = int(boxes[best, ID]) - 1
                off = np.linalg.norm(said.position_m[row] - places[n, i])
                rows.append([i, tracks.ids[row], said.speed_m_s[row], said.speed_std_m_s[row], true[n, i], off])
    found_rows = np.array(rows)
    i, track, speed, std, actual, off = found_rows.T
    goes = actual > 0.2 * camera.speeds[0]
    whole = [
        abs(speed[track == t].mean() / actual[track == t].mean() - 1)
        for t in np.unique(track[goes])
        if len(set(i[track == t])) == 1 and (track == t).sum() >= 2 * len(numbers) / _SECONDS
    ]
    return {
        "rows": float(len(rows)),
        "median error of a row %": 100 * float(np.median(np.abs(speed - actual)[goes] / actual[goes])),
        "median error of a track's mean %": 100 * float(np.median(whole))
        if whole
        else math.nan,  # none was followed for 2 s
        "mean signed error %": 100 * float((speed[goes] / actual[goes] - 1).mean()),
        "90 % interval holds %": 100 * float((np.abs(speed - actual) <= 1.645 * std).mean()),
        "standing, m/s": float(np.median(speed[actual == 0])) if (actual == 0).any() else math.nan,
        "position, median m": float(np.median(off)),
    }


def wildtrack(folder: Path) -> list[dict[str, Any]]:
    """For each camera, errors in metres of the fit and afterwards: medians, mean over all others it is mapped to."""
    tables = [read_table(folder / f"WILDTRACK-C{n}" / "gt" / "gt.txt") for n in range(1, 8)]
    rows = []
    for a, one in enumerate(tables):
        pairs = np.array([mapped_to(one, other) for b, other in enumerate(tables) if a != b])
        fit, after = pairs.mean(axis=0)
        values = {"fit m": f"{fit:.4f}", "after m": f"{after:.4f}", "ratio": f"{after / fit:.2f}"}
        worse = int((pairs[:, 1] > 1.2 * pairs[:, 0]).sum())
        rows.append({"camera": a + 1, **values, "pairs worse by 20 %": worse, "worst pair, m": f"{pairs.max():.4f}"})
    return rows


def mapped_to(one: Any, other: Any) -> tuple[float, float]:
    """Median error in metres, in the frames of the fit and afterwards, of a camera's feet in another's picture."""
    _, left, right = np.intersect1d(_key(one), _key(other), return_indices=True)
    before = one[left, FRAME] <= _FIT_FRAMES
    here, there = _feet(one[left]), _feet(other[right])
    homography = fitted(here[before], there[before])
    off = np.linalg.norm(mapped(homography, here)[0] - there, axis=1) * PERSON_M / other[right, HEIGHT]
    return float(np.median(off[before])), float(np.median(off[~before]))


def _key(table: Any) -> Any:
    return table[:, FRAME] * 1e6 + table[:, ID]


def _feet(table: Any) -> Any:
    return np.stack([table[:, LEFT] + table[:, LEFT + 2] / 2, table[:, LEFT + 1] + table[:, HEIGHT]], axis=1)


def main(
    out: Out,
    seeds: Annotated[int, typer.Option(help="How many times each speed is measured.")] = 3,
    wildtrack_folder: Annotated[Path | None, typer.Option("--wildtrack", help="Folder of WILDTRACK-C1 to -C7.")] = None,
) -> None:
    """Errors of positions and speeds on the ground."""
    rows = []
    for name, camera in CAMERAS.items():
        for rate in _RATES:
            found = [speeds(camera, rate, 100 + seed) for seed in range(seeds)]
            mean = {key: f"{np.nanmean([one[key] for one in found]):.2f}" for key in found[0]}
            rows.append({"camera": name, "frames/s": rate, **mean})
            print(rows[-1], flush=True)
    _write(out / "speeds.csv", rows)
    if wildtrack_folder is not None:
        cameras = wildtrack(wildtrack_folder)
        for row in cameras:
            print(row)
        _write(out / "wildtrack.csv", cameras)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    study(main)
