"""Videos of a gallery whose people are known."""

from collections.abc import Sequence

import numpy as np

from tracker.appearance.similarity import Calibration, load_notes
from tracker.jobs.identities.video_embeddings import VideoEmbeddings

SIZE = 64


def looks(person: int, count: int = 3, alike: float = 0.9, seed: int = 0) -> np.ndarray:
    """(count, SIZE) unit vectors of a person: `alike` to one another, about 0.2 to those of others."""
    rng, own = np.random.default_rng((person, seed)), np.random.default_rng(person)
    shared = np.eye(SIZE)[0]
    self = _unit(np.sqrt(0.2) * shared + np.sqrt(0.8) * _unit(own.normal(size=SIZE)))
    return _unit(np.sqrt(alike) * self + np.sqrt(1 - alike) * _unit(rng.normal(size=(count, SIZE))))


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def video_of(
    source: str,
    people: Sequence[int],
    spans: Sequence[tuple[float, float]] | None = None,
    *,
    name: str = "person",
    weights: str = "net",
    alike: float = 0.9,
    calibration: Calibration | None = None,
) -> VideoEmbeddings:
    """A video with a track of each of these people, each there for these seconds (all at once by default)."""
    count = len(people)
    times = np.array(spans if spans is not None else [(0.0, 10.0)] * count).reshape(-1, 2)
    each = [looks(person, alike=alike, seed=sum(source.encode()) + row) for row, person in enumerate(people)]
    return VideoEmbeddings(
        source=source,
        video=source.rpartition("/")[2].removesuffix(".mp4"),
        weights=weights,
        calibration=calibration or load_notes().calibration,
        names={0: name},
        ids=np.arange(count) + 1,
        classes=np.zeros(count, np.int64),
        first_s=times[:, 0],
        last_s=times[:, 1],
        frames=np.full(count, 20),
        scores=np.full(count, 0.9),
        embeddings=np.concatenate(each or [np.zeros((0, SIZE))]).astype(np.float16),
        track=np.repeat(np.arange(count), 3),
        quality=np.full(3 * count, 0.5, np.float32),
        stays=np.column_stack([np.arange(count), times]),
    )
