"""Identities over an archive: people of Market-1501 as tracks of many videos, and an index of up to ten million.

    python scripts/studies/identities.py people SHARED/data/reid/market1501/train OUT
    python scripts/studies/identities.py index OUT --most 10000000

`people`: each recording of a camera (24 in the names of the files) is a video, with the times that the names have, at
25 frames/s; a person's pictures in it no more than ten seconds apart are a track, there from its first picture to its
last. Identities are found as `track identities` finds them, and compared with the people: of all pairs of tracks, how
many of those under one identity are of one person (precision), how many of one person are under one identity (recall),
and F1. The threshold is chosen on the 400 people that the embedded network learned from, in parts of 50 to 400, and
then stands in `tracker/jobs/identities/likeness.py`; the other 200 (every third by number) say what it is worth.

`index`: synthetic vectors of 512 dimensions: people whose similarity is .33 +- .09, each with tracks as similar as .85.
"""

from __future__ import annotations

import json
import re
import time
from collections import defaultdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import psutil
import typer
from numpy.typing import NDArray

from joint_training import EVERY
from options import study
from tracker.appearance.embedder import Embedder
from tracker.datasets.reid_folders import ReidImage, pictures
from tracker.jobs.identities.clustering import clustered
from tracker.jobs.identities.entries import Entries
from tracker.jobs.identities.finding import identified
from tracker.jobs.identities.likeness import PER_LOG_TRACKS, meetings
from tracker.jobs.identities.neighbours import made_index, neighbours
from tracker.jobs.identities.video_embeddings import VideoEmbeddings
from tracker.system.images import read_image

FPS, AWAY_S = 25, 10.0
PARTS = (50, 100, 200, 400)  # people that the threshold is chosen on
ODDS = np.arange(-2.0, 1.6, 0.5)  # more than what is chosen
FOUND, LEAST = 100_000, 0.65  # synthetic tracks up to which everybody is found, and how alike they have to be
LEARNT, HELD = "learned from", "held out"
_NAME = re.compile(r"^\d+_(c\ds\d)_(\d+)_")

Rows = NDArray[np.float32]


def tracks(images: list[ReidImage], features: Rows, embedder: Embedder) -> tuple[list[VideoEmbeddings], list[str]]:
    """The recordings as videos, in order, and who each of their tracks is of."""
    seen: defaultdict[str, defaultdict[str, list[tuple[float, int]]]] = defaultdict(lambda: defaultdict(list))
    for row, image in enumerate(images):
        recording, frame = _NAME.match(image.file.name).groups()
        seen[recording][image.identity].append((int(frame) / FPS, row))
    videos, people = [], []
    for recording in sorted(seen):
        found: list[list[tuple[float, int]]] = []
        for person in sorted(seen[recording]):
            last = -np.inf
            for time_s, row in sorted(seen[recording][person]):
                if time_s - last > AWAY_S:
                    found.append([])
                    people.append(person)
                found[-1].append((time_s, row))
                last = time_s
        spread = [track[:: max(1, -(-len(track) // 4))] for track in found]  # four pictures at most, as of a track
        spans = np.array([(track[0][0], track[-1][0]) for track in found])
        count = np.arange(len(found))
        videos.append(
            VideoEmbeddings(
                source=recording,
                video=recording,
                weights="",
                calibration=embedder.calibration,
                names={0: "person"},
                ids=count + 1,
                classes=np.zeros(len(found), np.int64),
                first_s=spans[:, 0],
                last_s=spans[:, 1],
                frames=np.array([len(track) for track in found]),
                scores=np.ones(len(found)),
                embeddings=features[[row for track in spread for _, row in track]].astype(np.float16),
                track=np.repeat(count, [len(track) for track in spread]),
                quality=np.ones(sum(map(len, spread)), np.float32),
                stays=np.column_stack([count, spans]),
            )
        )
    return videos, people


def score(found: NDArray[Any], people: list[str]) -> dict[str, float]:
    """Precision, recall and F1 of pairs of tracks, %."""
    _, truth = np.unique(people, return_inverse=True)
    both = np.zeros((found.max() + 1, truth.max() + 1))
    np.add.at(both, (found, truth), 1)
    right, said, true = (float((n * (n - 1) / 2).sum()) for n in (both, both.sum(axis=1), both.sum(axis=0)))
    precision, recall = right / max(said, 1), right / true
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": round(100 * precision, 1), "recall": round(100 * recall, 1), "F1": round(100 * f1, 1)}


def merged_at_once(videos: list[VideoEmbeddings], found: NDArray[Any]) -> tuple[int, int]:
    """How many pairs of tracks are there at the same time, and how many of these are under one identity."""
    first, pairs, wrong = 0, 0, 0
    for video in videos:
        met = meetings(video) + first
        pairs, wrong = pairs + len(met), wrong + int((found[met[:, 0]] == found[met[:, 1]]).sum())
        first += len(video)
    return pairs, wrong


def people(
    folder: Annotated[Path, typer.Argument(help="Pictures of Market-1501.")],
    out: Annotated[Path, typer.Argument(help="Folder for people.json, and embeddings.npy to go on with.")],
) -> None:
    """Choose the threshold on people learned from, and say what it is worth on others."""
    out.mkdir(parents=True, exist_ok=True)
    images, embedder, kept = pictures(folder), Embedder(), out / "embeddings.npy"
    if not kept.exists():
        rows = []
        for image in images:
            crop = read_image(image.file)
            rows.append(embedder(crop, np.array([[0.0, 0, crop.shape[1], crop.shape[0]]]))[0])
        np.save(kept, np.stack(rows))
    features, names = np.load(kept), sorted({image.identity for image in images})
    held = set(names[::EVERY])
    learnt = [name for name in names if name not in held]
    order = np.random.default_rng(0).permutation(len(learnt))
    sets = {(LEARNT, many): {learnt[i] for i in order[:many]} for many in PARTS}
    sets |= {(HELD, 50): set(sorted(held)[::4]), (HELD, 200): held}
    result = []
    for (kind, many), wanted in sets.items():
        rows = [row for row, image in enumerate(images) if image.identity in wanted]
        videos, truth = tracks([images[row] for row in rows], features[rows], embedder)
        entries = Entries(videos)
        for more in ODDS if kind == LEARNT else (0.0,):
            start = time.process_time()
            found, _, _ = identified(entries, float(more))
            met, wrong = merged_at_once(videos, found)
            line = {"people": kind, "many": many, "tracks": len(truth), "more_odds": float(more)}
            line |= {"least": round(entries.likeness[0].least(len(truth), float(more)), 3), **score(found, truth)}
            line |= {"at once": met, "merged": wrong, "identities": int(found.max())}
            line |= {"processor_s": round(time.process_time() - start, 2)}
            result.append(line)
            print("  ".join(f"{name} {value}" for name, value in line.items()), flush=True)
    mean = {m: np.mean([r["F1"] for r in result if r["people"] == LEARNT and r["more_odds"] == m]) for m in ODDS}
    print(f"PER_LOG_TRACKS {PER_LOG_TRACKS}; mean F1 of people learned from by more odds:")
    print("  ".join(f"{more:g}: {value:.1f}" for more, value in mean.items()))
    (out / "people.json").write_text(json.dumps(result, indent=1))


class Synthetic:
    """(N, D) unit vectors, six of each person in a row, as similar as Market-1501's tracks: .33 +- .09 between people,
    who differ in few directions, and .82 within. Made when they are asked for: ten million would be 20 GB."""

    BLOCK = 60_000

    def __init__(self, count: int) -> None:
        self.shape = count, 512
        own = 60  # directions in which people differ, for a spread of .09
        self._axes = np.linalg.qr(np.random.default_rng(0).normal(size=(512, own + 1)))[0].T.astype(np.float32)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, part: slice) -> Rows:
        """A block of `BLOCK`, or, of a step, as many others of the same kind."""
        begin, end, step = part.indices(len(self))
        rng = np.random.default_rng((begin, step))
        rows = -(-(end - begin) // step)
        people = _unit(rng.standard_normal((-(-rows // 6), len(self._axes) - 1), np.float32)) @ self._axes[1:]
        each = np.sqrt(0.33) * self._axes[0] + np.sqrt(0.49) * np.repeat(people, 6, axis=0)[:rows]
        noise = _unit(rng.standard_normal((rows, 512), np.float32))
        return _unit(each + np.sqrt(0.18) * noise).astype(np.float32)


def _unit(rows: Rows) -> Rows:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def index(
    out: Annotated[Path, typer.Argument(help="Folder for index.json.")],
    least: Annotated[int, typer.Option(help="Vectors to begin with.", min=1000)] = 10_000,
    most: Annotated[int, typer.Option(help="And to go up to, by powers of ten.")] = 10_000_000,
    queries: Annotated[int, typer.Option(help="Vectors that are asked for their neighbours.")] = 200,
    usearch: Annotated[bool, typer.Option("--usearch", help="Measure usearch in the place of faiss.")] = False,
) -> None:
    """Time to make the index of synthetic vectors, ms a query, share of the ten nearest found, memory; one thread."""
    out.mkdir(parents=True, exist_ok=True)
    result, count = [], least
    while count <= most:
        vectors = Synthetic(count)
        start = time.process_time()
        asked, right = _nearest(vectors, queries)
        exact_s = time.process_time() - start
        before, start = psutil.Process().memory_info().rss, time.process_time()
        found = _usearch(vectors) if usearch else made_index(vectors)
        built_s, memory = time.process_time() - start, psutil.Process().memory_info().rss - before
        start = time.process_time()
        columns = found.search(asked, 10, threads=1).keys if usearch else found.search(asked, 10)[1]
        asked_s = time.process_time() - start
        same = [[row for row in near if row // 6 == near[0] // 6] for near in right.tolist()]  # of the same person
        recall = np.mean(
            [len({*one} & {*other}) / 10 for one, other in zip(columns.tolist(), right.tolist(), strict=True)]
        )
        people = np.mean(
            [len({*one} & {*other}) / len(other) for one, other in zip(columns.tolist(), same, strict=True)]
        )
        line = {"vectors": count, "build_s": round(built_s, 1), "ms_a_query": round(1000 * asked_s / queries, 3)}
        line |= {"exact_s": round(exact_s, 1), "recall_at_10": round(float(recall), 3)}
        line |= {"recall_of_the_person": round(float(people), 3), "MiB": round(memory / 2**20)}
        if count <= FOUND and not usearch:
            line |= _found(vectors)
        result.append(line)
        print("  ".join(f"{name} {value}" for name, value in line.items()), flush=True)
        (out / f"index{'-usearch' * usearch}-{least}.json").write_text(json.dumps(result, indent=1))
        count *= 10
        del found


def _found(vectors: Synthetic) -> dict[str, float]:
    """Processor seconds of finding everybody, from the vectors to identities, and of how many people that is right."""
    blocks = range(0, len(vectors), vectors.BLOCK)
    every = np.concatenate([vectors[begin : begin + vectors.BLOCK] for begin in blocks]).astype(np.float16)
    start = time.process_time()
    labels = clustered(every, neighbours(every, LEAST), lambda _: {}, LEAST)
    whole = sum(len(set(labels[row : row + 6])) == 1 for row in range(0, len(labels), 6))
    return {"find_s": round(time.process_time() - start, 1), "people_whole": whole, "identities": len(set(labels))}


def _nearest(vectors: Synthetic, queries: int) -> tuple[Rows, NDArray[np.int64]]:
    """(Q, D) of the first vectors, and (Q, 10) the nearest to each of all, itself among them, the nearest first."""
    asked = vectors[: vectors.BLOCK][:: max(1, min(len(vectors), vectors.BLOCK) // queries)][:queries]
    best, rows = np.full((len(asked), 10), -np.inf, np.float32), np.zeros((len(asked), 10), np.int64)
    for begin in range(0, len(vectors), vectors.BLOCK):
        similarity = np.hstack([best, asked @ vectors[begin : begin + vectors.BLOCK].T])
        every = np.hstack([rows, np.tile(np.arange(begin, begin + similarity.shape[1] - 10), (len(asked), 1))])
        place = np.argpartition(-similarity, 9, axis=1)[:, :10]
        best, rows = (np.take_along_axis(part, place, axis=1) for part in (similarity, every))
    return asked, np.take_along_axis(rows, np.argsort(-best, axis=1), axis=1)


def _usearch(vectors: Synthetic) -> Any:
    from usearch.index import Index

    found = Index(ndim=vectors.shape[1], metric="ip", dtype="i8")
    for begin in range(0, len(vectors), vectors.BLOCK):
        part = vectors[begin : begin + vectors.BLOCK]
        found.add(np.arange(begin, begin + len(part)), part, threads=1)
    return found


if __name__ == "__main__":
    study(people, index)
