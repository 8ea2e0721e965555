"""What a similarity means, fitted on sequences with identities: the parameters of `similarity.Calibration`.

Logistic regression on pairs of embeddings, those of one identity against those of two, at a range of gaps that weigh
the same; at each gap both answers weigh the same, so that the odds are a likelihood ratio. Two identities count as
different only if they were once seen in one frame: identities from a tracker may be one person under two numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from tracker.appearance.similarity import Calibration
from tracker.errors import DataError
from tracker.evaluation.reid import Embeddings

GAPS = 12
LEAST_PAIRS = 50  # of one identity at a gap, for the gap to count
RIDGE = 1e-3  # keeps what the data does not say near its start

Values = NDArray[np.float64]


def pairs(seen: Embeddings, gap: int) -> tuple[Values, NDArray[np.bool_]]:
    """Similarity of all pairs of embeddings `gap` frames apart and whether they are of one identity."""
    people, member = np.unique(seen.ids, return_inverse=True)
    frames, moment = np.unique(seen.frames, return_inverse=True)
    present = np.zeros((len(people), len(frames)), np.int64)
    present[member, moment] = 1
    together = present @ present.T > 0
    similarity: list[Values] = []
    same: list[NDArray[np.bool_]] = []
    for frame in frames:
        now, later = np.flatnonzero(seen.frames == frame), np.flatnonzero(seen.frames == frame + gap)
        a, b = member[now][:, None], member[later][None]
        known = together[a, b] & (seen.classes[now][:, None] == seen.classes[later][None])  # an identity is with itself
        similarity.append((seen.features[now] @ seen.features[later].T)[known].astype(np.float64))
        same.append((a == b)[known])
    return np.concatenate(similarity), np.concatenate(same)


def fit(all_embeddings: Sequence[Embeddings]) -> Calibration:
    """The calibration under which the pairs of `all_embeddings` are most likely.

    Raises:
        DataError: too few pairs of one identity or of two.
    """
    rows: list[Values] = []  # similarity, log(1 + seconds), same, weight
    moment: list[float] = []  # mean similarity of one identity at each sequence's shortest gap
    for seen in all_embeddings:
        longest = int(np.ptp(seen.frames))
        step = int(np.diff(np.unique(seen.frames)).min()) if longest else 1
        before = len(rows)
        for gap in np.unique(np.round(np.geomspace(step, max(longest, step), GAPS) / step).astype(int)) * step:
            similarity, same = pairs(seen, int(gap))
            if min(same.sum(), (~same).sum()) < LEAST_PAIRS:
                continue
            if len(rows) == before:
                moment.append(float(similarity[same].mean()))
            weight = np.where(same, 0.5 / same.sum(), 0.5 / (~same).sum())
            elapsed = np.full(len(same), np.log1p(gap / seen.fps))
            rows.append(np.stack([similarity, elapsed, same, weight]))
    if not rows:
        raise DataError(
            f"the sequences to calibrate on hold no gap with {LEAST_PAIRS} pairs of one identity and of two; "
            "give longer ones with several people"
        )
    similarity, elapsed, same, weight = torch.from_numpy(np.concatenate(rows, axis=1))
    weight /= len(rows)
    # log-odds = (s0 + s1 t) (similarity - m0 - m1 t), in units that make all four parameters about as large
    unit = torch.tensor([1.0, 0.1, 20.0, 5.0], dtype=torch.float64)
    begin = torch.tensor([0.65, 0.0, 20.0, 0.0], dtype=torch.float64) / unit
    parameters = begin.clone().requires_grad_()
    solver = torch.optim.LBFGS([parameters], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        solver.zero_grad()
        middle, middle_slope, slope, slope_slope = parameters * unit
        odds = (slope + slope_slope * elapsed) * (similarity - middle - middle_slope * elapsed)
        value = F.binary_cross_entropy_with_logits(odds, same, weight, reduction="sum")
        value = value + RIDGE * (parameters - begin).square().sum()
        torch.autograd.backward(value)
        return value

    solver.step(loss)  # type: ignore[no-untyped-call]
    different = similarity[same == 0]
    spread = float(different.mean()), float(different.std()), float(np.mean(moment))
    return Calibration(*(round(float(value), 4) for value in (*(parameters.detach() * unit), *spread)))
