"""Tables of finished tracks, as `Recorder.table` gives them."""

import numpy as np

from tracker import Status
from tracker.smoothing.track_table import TrackTable

RATE = 25.0


def make_table(rows, frames=100, camera=None, classes=None, embeddings=None):
    """A table of (frame, id, centre x, centre y) rows: boxes of 40 x 80."""
    rows = np.array(sorted(rows, key=lambda row: (row[1], row[0])), np.float64).reshape(-1, 4)
    half = np.array([20, 40])
    n = len(rows)
    embeddings = embeddings or {}
    raw = np.zeros(n, np.int64) if classes is None else np.asarray(classes)
    return TrackTable(
        frames=rows[:, 0].astype(np.int64),
        ids=rows[:, 1].astype(np.int64),
        xyxy=np.concatenate([rows[:, 2:] - half, rows[:, 2:] + half], axis=1).astype(np.float32),
        scores=np.full(n, 0.9, np.float32),
        classes=raw,
        raw_classes=raw,
        status=np.full(n, int(Status.CONFIRMED)),
        detection_index=np.zeros(n, np.int64),
        times_s=np.arange(frames) / RATE,
        camera=np.tile(np.eye(2, 3), (frames, 1, 1)) if camera is None else camera,
        embedding_ids=np.array(sorted(embeddings), np.int64),
        embeddings=np.array([embeddings[i] for i in sorted(embeddings)], np.float32).reshape(-1, 512),
        looked=np.ones(frames, bool),
        cuts=np.zeros(frames, bool),
    )


def walk(i, frames, start=100.0, speed=3.0, y=200.0):
    return [(f, i, start + speed * f, y) for f in frames]
