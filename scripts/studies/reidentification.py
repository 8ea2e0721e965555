"""Re-identification: people leave, as many strangers pass, those who left come back elsewhere in another order.

Counts the old ids that are given back against those that are given to the wrong one (a stranger, or another of those
who left), by how long they were away and by `association.reid_odds`. All is generated, for twelve people with
appearance of three kinds, and for sixty with the pictures of a benchmark:

clean embeddings of one person have cosine .75, those of two about 0;
statistics  similarities as the embedded network has them on PETS09-S2L1 (docs/appearance.md): between people .49
            +- .13, of one person .88 after 0.4 s, falling to .72;
crops       pictures of people of a sequence with identities (the earlier half of a track leaves, the later half
            returns) and single people of a folder with YOLO labels as strangers, pasted into empty frames at 60 to
            160 pixels and looked at by the embedded network. They change for as long as their clip is, not the
            gap;
same camera, other camera  pictures of people of a re-identification benchmark (--held, people that the network has
            not learned from): who comes back is seen in other pictures, by the same camera or by another one. Here
            there are frames, too, into which the pictures are pasted, so that colours are seen as well.

python scripts/studies/reidentification.py OUT --people people --strangers coco256 --held joint/held
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import typer
from numpy.typing import NDArray

from options import study
from tracker import Config, Detections, Gallery, Tracker
from tracker.appearance.embedder import Embedder
from tracker.boxes import occluded_fraction, tlwh_to_xyxy
from tracker.datasets.mot import CLASS, FRAME, HEIGHT, ID, LEFT, MotSequence
from tracker.datasets.reid_folders import ReidImage, pictures
from tracker.structures import Image
from tracker.system.images import read_image
from tracker.train.appearance.crops import collect

FPS, SEEN = 30, 20  # frames/s, frames that everybody is seen for
PEOPLE, MANY = 12, 60  # how many leave, and how many pass; with pictures of a benchmark
GAPS_S = (5.0, 20.0, 62.0, 240.0)  # 62 s are 1,860 frames
ODDS = (-2.0, -1.0, 0.0, 0.5, 1.0, 2.0)  # 1 is the default
DEFAULT_ODDS = 1.0
BOX, APART = (40, 100), 90  # width and height of everybody, and from one to the next, in pixels
GIVEN_UP_S = 1.7  # after which motion has lost everybody
OWN = 17  # dimensions in which people differ, for similarities that spread as measured
EMBEDDINGS = 10  # kept of each half of a track
SINGLE = 36  # strangers from the folder to draw from

Vectors = NDArray[np.float64]
Look = tuple[Vectors, Image | None]  # embedding, and the picture it was taken of
Appearance = Callable[[int, float], Look]  # person (behind those who leave: strangers) and time -> how it looks then


def clean(rng: np.random.Generator) -> Appearance:
    """Cosine .75 within, about 0 between."""
    people = _unit(rng.normal(size=(2 * PEOPLE, 512)))
    return lambda who, _: (np.sqrt(0.75) * people[who] + np.sqrt(0.25) * _unit(rng.normal(size=512)), None)


def statistics(rng: np.random.Generator) -> Appearance:
    """What all people share, a person's own, what changes within seconds, and what each picture adds."""
    axes = np.linalg.qr(rng.normal(size=(512, 1 + OWN)))[0].T
    shared, own = axes[0], _unit(rng.normal(size=(2 * PEOPLE, OWN)))
    drift, since = _unit(rng.normal(size=(2 * PEOPLE, OWN))), np.zeros(2 * PEOPLE)

    def embedding(who: int, time_s: float) -> Look:
        kept = np.exp(-(time_s - since[who]) / 3)
        drift[who] = kept * drift[who] + np.sqrt(1 - kept**2) * _unit(rng.normal(size=OWN))
        since[who] = time_s
        picture = rng.normal(size=OWN) / np.sqrt(OWN)
        parts = np.sqrt(0.44) * own[who] + np.sqrt(0.37) * drift[who] + np.sqrt(0.19) * picture
        return _unit(np.sqrt(0.49) * shared + np.sqrt(0.51) * parts @ axes[1:]), None

    return embedding


class Crops:
    """Real people, pasted."""

    def __init__(self, people: Path, strangers: Path) -> None:
        self._embedder, rng = Embedder(), np.random.default_rng(0)
        sequence = MotSequence.read(people)
        truth, images = sequence.ground_truth(), sequence.images()
        shown: dict[int, list[NDArray[np.uint8]]] = {}
        for number in range(1, len(images) + 1, 6):
            rows = truth[(truth[:, FRAME] == number) & (truth[:, CLASS] == 1)]
            boxes = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1])
            occluded = occluded_fraction(boxes, boxes) - np.eye(len(boxes))
            image = read_image(images[number - 1])
            for row, box, occlusion in zip(rows, np.maximum(boxes, 0).astype(int), occluded.max(axis=1), strict=True):
                if occlusion < 0.3 and box[3] - box[1] > 60:
                    shown.setdefault(int(row[ID]), []).append(image[box[1] : box[3], box[0] : box[2]])
        self.known = [self._halves(p, rng) for p in shown.values() if len(p) * 6 / sequence.fps >= 2]
        single = [crop.image for crop in collect([strangers]) if crop.person and crop.image.shape[0] > 120]
        self.single = [self._pasted([single[i]], rng) for i in rng.permutation(len(single))[:SINGLE]]

    def __call__(self, rng: np.random.Generator) -> Appearance:
        """Twelve of the people of the sequence. The rest of its tracks may be of the same people: no strangers."""
        order = rng.permutation(len(self.known))
        others = [self.single[i] for i in rng.permutation(len(self.single))[:PEOPLE]]

        def embedding(who: int, time_s: float) -> Look:
            embeddings = self.known[order[who]][int(time_s > SEEN / FPS)] if who < PEOPLE else others[who - PEOPLE]
            return embeddings[rng.integers(len(embeddings))], None

        return embedding

    def _halves(self, pictures: list[NDArray[np.uint8]], rng: np.random.Generator) -> tuple[Vectors, Vectors]:
        middle = len(pictures) // 2
        return self._pasted(pictures[:middle], rng), self._pasted(pictures[middle:], rng)

    def _pasted(self, pictures: list[NDArray[np.uint8]], rng: np.random.Generator) -> Vectors:
        """Features (EMBEDDINGS, 512) of pictures in empty frames, boxes off by some percent as a detector's are."""
        features = []
        for picture in (pictures[i] for i in rng.integers(0, len(pictures), EMBEDDINGS)):
            height = int(np.exp(rng.uniform(np.log(60), np.log(160))))
            width = max(8, round(height * picture.shape[1] / picture.shape[0]))
            frame = np.full((height + 80, width + 80, 3), rng.integers(60, 200), np.uint8)
            frame[40:-40, 40:-40] = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
            box = np.array([40, 40, 40 + width, 40 + height]) + rng.normal(0, 0.04, 4) * [width, height, width, height]
            features.append(self._embedder(frame, box[None])[0])
        return np.stack(features).astype(np.float64)


class Pictures:
    """People of a benchmark, each seen by two cameras and by one of them twice at least."""

    def __init__(self, folder: Path) -> None:
        cameras: dict[str, dict[int, list[ReidImage]]] = {}
        for picture in pictures(folder):
            cameras.setdefault(picture.identity, {}).setdefault(picture.camera, []).append(picture)
        embedder = Embedder()
        self.people: list[tuple[list[Look], list[Look], list[Look]]] = []  # leaving, returning there, and elsewhere
        for seen in cameras.values():
            first, *others = sorted(seen.values(), key=len, reverse=True)
            if len(first) > 1 and others:
                here = self._embedded(embedder, first)
                there = self._embedded(embedder, [picture for camera in others for picture in camera])
                self.people.append((here[: len(here) // 2], here[len(here) // 2 :], there))

    def __call__(self, elsewhere: bool) -> Callable[[np.random.Generator], Appearance]:
        def make(rng: np.random.Generator) -> Appearance:
            order = rng.permutation(len(self.people))

            def embedding(who: int, time_s: float) -> Look:
                seen = self.people[order[who]][(1 + elsewhere) * (who < MANY and time_s > SEEN / FPS)]
                return seen[rng.integers(len(seen))]

            return embedding

        return make

    def _embedded(self, embedder: Embedder, shown: list[ReidImage]) -> list[Look]:
        rows: list[Look] = []
        for picture in shown:
            image = read_image(picture.file)
            embedding = embedder(image, np.array([[0.0, 0, image.shape[1], image.shape[0]]]))[0]
            rows.append((embedding.astype(np.float64), np.asarray(cv2.resize(image, BOX), np.uint8)))
        return rows


def pasted(boxes: Vectors, shown: tuple[Image | None, ...]) -> Image | None:
    """A grey frame with pictures, all or none, at these boxes."""
    frame = np.full((100 + BOX[1] + 100, APART * (2 + len(shown)), 3), 128, np.uint8)
    for picture, left in zip(shown, boxes[:, 0].round().astype(int), strict=True):
        if picture is None:
            return None
        frame[100 : 100 + BOX[1], left : left + BOX[0]] = picture
    return frame


def _unit(rows: Vectors) -> Vectors:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def story(
    appearance: Appearance, people: int, gap_s: float, odds: float, rng: np.random.Generator, elsewhere: bool = False
) -> tuple[int, int, int]:
    """Old ids given back, given to a stranger, and given to another of the people who left.

    With `elsewhere` they come back to another camera, whose tracker shares the gallery.
    """
    config = Config().override({"association": {"reid_odds": odds}, "camera": {"method": "none"}})
    gallery = Gallery(config.bank)
    tracker = Tracker(config, gallery=gallery)

    def ids(who: list[int], start_s: float) -> NDArray[np.int64]:
        """The ids of these people, who stand side by side, at the end of the time they are seen for."""
        for step in range(SEEN):
            time_s = start_s + step / FPS
            left = APART * (1 + np.arange(len(who))) + rng.normal(0, 1, len(who))
            boxes = np.stack([left, np.full(len(who), 100), left + BOX[0], np.full(len(who), 100 + BOX[1])], axis=1)
            features, shown = zip(*(appearance(i, time_s) for i in who), strict=True)
            found = Detections(boxes, features=np.stack(features))
            tracks = tracker.update(pasted(boxes, shown), found, time_s=time_s)
        tracker.update(None, Detections.empty(), time_s=time_s + 1 / FPS)
        given = np.zeros(len(who), np.int64)
        given[tracks.detection_index] = tracks.ids
        return given

    def nobody(start_s: float, seconds: float) -> None:
        """An empty frame every tenth of a second."""
        for time_s in start_s + np.arange(0.1, seconds, 0.1):
            tracker.update(None, Detections.empty(), time_s=time_s)

    shown_s = SEEN / FPS
    old = ids(list(range(people)), 0.0)
    nobody(shown_s, GIVEN_UP_S)
    passing = ids([people + i for i in rng.permutation(people)], shown_s + (gap_s - shown_s) / 2)
    nobody((gap_s + 3 * shown_s) / 2, GIVEN_UP_S)
    back = rng.permutation(people)
    if elsewhere:
        tracker = Tracker(config, gallery=gallery)
    new = ids(back.tolist(), shown_s + gap_s)
    kept = new == old[back]
    return int(kept.sum()), int(np.isin(passing, old).sum()), int((np.isin(new, old) & ~kept).sum())


def plot(result: dict[str, dict[str, list[dict[str, float]]]], path: Path) -> None:
    """Kept against wrongly given, a panel a kind of appearance, a line a gap; a ring where the default stands."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6, 3.2 * len(result)), layout="constrained")
    axes = figure.subplots(len(result), 1, squeeze=False)[:, 0]
    for axis, (kind, gaps) in zip(axes, result.items(), strict=True):
        for gap, points in gaps.items():
            wrong, kept = ([point[key] for point in points] for key in ("wrong", "kept"))
            (line,) = axis.plot(wrong, kept, marker=".", label=f"{gap} s")
            here = [point["odds"] for point in points].index(DEFAULT_ODDS)
            axis.plot(wrong[here], kept[here], "o", ms=10, mfc="none", color=line.get_color())
        axis.set(title=kind, xlim=(-0.5, None), ylim=(0, 103))
        axis.set(xlabel="ids given to the wrong person, %", ylabel="ids given back, %")
        axis.set_xlim(right=max(5.0, axis.get_xlim()[1]))
        axis.grid(alpha=0.3)
    axes[-1].legend(title="away for")
    figure.savefig(path, dpi=180)


def main(
    out: Annotated[Path, typer.Argument(help="Folder for reidentification.json and reidentification.png.")],
    people: Annotated[Path | None, typer.Option(help="Sequence with images and identities of people.")] = None,
    strangers: Annotated[Path | None, typer.Option(help="Folder with images/ and YOLO labels/.")] = None,
    held: Annotated[Path | None, typer.Option(help="Pictures of people of a re-identification benchmark.")] = None,
    trials: Annotated[int, typer.Option(min=1, help="Repetitions with other chance.")] = 5,
    only_default: Annotated[bool, typer.Option(help="With `reid_odds` as it is alone.")] = False,
) -> None:
    """Measure, print a table, and plot."""
    kinds: dict[str, Callable[[np.random.Generator], Appearance]] = {"clean": clean, "statistics": statistics}
    if people and strangers:
        kinds["crops"] = Crops(people, strangers)
    if held:
        shown = Pictures(held)
        kinds |= {"same camera": shown(elsewhere=False), "other camera": shown(elsewhere=True)}
    result: dict[str, dict[str, list[dict[str, float]]]] = {}
    for kind, make in kinds.items():
        count = MANY if kind.endswith("camera") else PEOPLE
        for gap in GAPS_S:
            points = result.setdefault(kind, {}).setdefault(f"{gap:g}", [])
            for odds in (DEFAULT_ODDS,) if only_default else ODDS:
                counts = np.zeros(3)
                for trial in range(trials):
                    rng = np.random.default_rng((trial, int(gap)))
                    counts += story(make(rng), count, gap, odds, rng, kind == "other camera")
                kept, strange, mixed = (100 * counts / (trials * count)).round(2).tolist()
                points.append({"odds": odds, "kept": kept, "wrong": strange + mixed, "strangers": strange})
                print(f"{kind:12s} {gap:5g} s  odds {odds:4g}: kept {kept:6.2f} %  to a stranger {strange:5.2f} %  "
                      f"to another who left {mixed:5.2f} %", flush=True)  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / "reidentification.json").write_text(json.dumps(result, indent=1))
    plot(result, out / "reidentification.png")


if __name__ == "__main__":
    study(main)
