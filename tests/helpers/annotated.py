"""Annotations of videos that nobody has seen, for hypothesis and for hand-written examples."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations

NAMES = ("person", 'a "b" <c> & ü', "traffic light")
SIZE = (64, 48)


def annotations(rows, frame_count=None, names=("person", "car"), columns=None, fps=10.0, **more) -> Annotations:
    """Of rows (frame, id, left, top, right, bottom) and, where given, (class, score, occluded, keyframe)."""
    defaults = (0, 1.0, False, True)
    table = np.array([(*row, *defaults[len(row) - 6 :]) for row in rows], np.float64).reshape(-1, 10)
    frames = table[:, 0].astype(np.int64)
    count = frame_count or int(frames.max(initial=1))
    return Annotations(
        frames=frames,
        ids=table[:, 1].astype(np.int64),
        xyxy=table[:, 2:6],
        classes=table[:, 6].astype(np.int64),
        scores=table[:, 7],
        occluded=table[:, 8] > 0,
        keyframes=table[:, 9] > 0,
        times_s=np.arange(count) / fps,
        size=more.pop("size", SIZE),
        names=dict(enumerate(names)),
        columns=columns or Columns(),
        **more,
    )


@st.composite
def videos(draw, carried=(), lines=False, scores=True, occluded=True, step=True, changing=True):
    """Annotations with gaps, of objects that come back.

    Args:
        carried: of "masks", "keypoints", "corners".
        lines: rows that are no keyframes lie on the line between their neighbours; else all are keyframes.
        scores, occluded, step, changing: whether there are scores, occluded rows, frames left out, and objects of more
            than one class.
    """
    step = draw(st.sampled_from([1, 1, 3])) if step else 1
    looked_at = draw(st.integers(2, 7))
    count, objects = 1 + (looked_at - 1) * step, draw(st.integers(1, 3))
    there = draw(arrays(bool, (objects, looked_at)))
    which, at = np.nonzero(there)
    rows = len(which)
    corner = draw(arrays(np.int64, (rows, 2), elements=st.integers(0, 3000)))
    extent = draw(arrays(np.int64, (rows, 2), elements=st.integers(1, 1700)))
    ids = np.sort(draw(st.lists(st.integers(1, 10**6), min_size=objects, max_size=objects, unique=True)))
    kinds = draw(arrays(np.int64, (rows,) if changing else (objects,), elements=st.integers(0, len(NAMES) - 1)))
    flags = draw(arrays(bool, (2, rows)))
    boxes = np.concatenate([corner, corner + extent], axis=1) / 100
    keyframes, hidden = np.ones(rows, bool), flags[0] & occluded
    if lines:
        for row in range(1, rows - 1):
            inside = which[row - 1] == which[row + 1] and at[row + 1] - at[row - 1] == 2
            if inside and keyframes[row - 1] and flags[1, row]:
                boxes[row] = np.round((boxes[row - 1] + boxes[row + 1]) / 2, 6)
                keyframes[row], hidden[row] = False, hidden[row - 1]
    return Annotations(
        frames=1 + at * step,
        ids=ids[which],
        xyxy=boxes,
        classes=kinds if changing else kinds[which],
        scores=draw(arrays(np.int64, rows, elements=st.integers(0, 10**4))) / 10**4 if scores else np.ones(rows),
        occluded=hidden,
        keyframes=keyframes,
        times_s=np.arange(count) / draw(st.sampled_from([10.0, 25.0, 29.97])),
        size=SIZE,
        names=dict(enumerate(NAMES)),
        columns=Columns(**{name: draw(_CARRIED[name](rows)) for name in carried if rows}),
        name="a clip.mp4",
        step=step,
    )


@st.composite
def _masks(draw, rows):
    known = draw(arrays(bool, rows))
    known[0] = True
    parts = draw(arrays(bool, (rows, SIZE[1], SIZE[0]), elements=st.booleans(), fill=st.just(False)))
    return Masks.of(parts).take(np.where(known, np.arange(rows), -1))


@st.composite
def _keypoints(draw, rows):
    places = draw(arrays(np.int64, (rows, 4, 2), elements=st.integers(100, 4000))) / 100
    values = np.concatenate([places, draw(arrays(np.int64, (rows, 4, 1), elements=st.integers(1, 100))) / 100], axis=2)
    known = draw(arrays(bool, (rows, 4)))
    known[0, 0] = True
    return np.where(known[..., None], values, np.nan).astype(np.float32)


@st.composite
def _corners(draw, rows):
    values = draw(arrays(np.int64, (rows, 4, 2), elements=st.integers(0, 4000))) / 100
    known = draw(arrays(bool, rows))
    known[0] = True
    return np.where(known[:, None, None], values, np.nan).astype(np.float32)


_CARRIED = {"masks": _masks, "keypoints": _keypoints, "corners": _corners}
