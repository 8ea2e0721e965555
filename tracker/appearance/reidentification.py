"""Which of the new tracks is somebody who was here before: by looks, and by where motion allows them to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.appearance.gallery import Recall, combined
from tracker.config import AssociationConfig
from tracker.structures import Floats, Ints, Mask


@dataclass(frozen=True, eq=False)
class Returns:
    """What was thought of A absent identities and Y new tracks.

    Attributes:
        absent: (A,) int64 ids of who is not here. young: (Y,) int64 ids of the new tracks, as they went until now.
        odds: (A, Y) float32 log-odds that the two are one object; -inf where they cannot be.
    """

    absent: Ints
    young: Ints
    odds: Floats


def return_odds(known: Recall, looks: Floats, motion: Floats, ruled_out: Mask) -> Floats:
    """(G, M) log-odds that absent identities are these new tracks, come back; -inf where that is ruled out.

    Args:
        looks: (G, K, M) log-odds by each of the looks that are kept. motion: (G, M) by where they are.
    """
    any_of_them = np.log(np.float32(max(len(known.ids), 1)))
    odds: Floats = combined(looks, known) + motion - any_of_them
    odds[ruled_out] = -np.inf
    return odds


def match_returns(odds: Floats, config: AssociationConfig) -> tuple[Ints, Ints]:
    """Lost tracks that come back, by log-odds (N, M) alone: mutual best pairs that stand clear of every runner-up.

    A wrong return gives two people one id, a missed one only splits a track: so in doubt nobody returns.

    Returns:
        (K,) rows and (K,) columns.
    """
    n, m = odds.shape
    if not n or not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best = odds.argmax(axis=1)
    rows = np.flatnonzero(
        (odds[np.arange(n), best] >= config.return_odds) & (odds.argmax(axis=0)[best] == np.arange(n))
    )
    columns = best[rows]
    value = odds[rows, columns]
    others = odds.copy()
    others[rows, columns] = -np.inf
    runner_up = np.maximum(others[rows].max(axis=1), others[:, columns].max(axis=0))
    clear = value - runner_up >= config.return_margin
    return rows[clear], columns[clear]
