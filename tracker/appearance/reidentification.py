"""Which of the new tracks is somebody who was here before: by embeddings, and by where motion allows them to be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.appearance.gallery import Recall, combined
from tracker.config import AssociationConfig
from tracker.structures import Floats, Ints, Mask
from tracker.system.state import Stateful, fits

Sightings = tuple[Ints, NDArray[np.float64]]
"""Ids (K,) and when each was seen last (K,)."""


class Departed(Stateful):
    """Ids (K,) of confirmed tracks that ended a moment ago, and (K,) when each was seen last."""

    saved = ("ids", "seen_s")

    def __init__(self) -> None:
        self.ids, self.seen_s = np.zeros(0, np.int64), np.zeros(0)

    def add(self, ids: Ints, seen_s: NDArray[np.float64], since_s: float) -> None:
        """Also these (N,), seen last at (N,); none that was not seen since then."""
        ids, seen_s = np.concatenate([self.ids, ids]), np.concatenate([self.seen_s, seen_s])
        self.ids, self.seen_s = ids[seen_s >= since_s], seen_s[seen_s >= since_s]

    def _check_state(self) -> None:
        fits(len(self.ids) == len(self.seen_s), "number of departed tracks")


@dataclass(frozen=True, eq=False)
class Returns:
    """What was thought of A absent identities and Y new tracks.

    Attributes:
        absent: (A,) int64 ids of who is not here and may be one of them.
        young: (Y,) int64 ids of the new tracks, as they went until now.
        odds: (A, Y) float32 log-odds that the two are one object; -inf where they cannot be.
    """

    absent: Ints
    young: Ints
    odds: Floats


def met(ids: Ints, sightings: Sightings, born_s: NDArray[np.float64]) -> Mask:
    """(N, M) which identities were seen when, or after, young tracks born at (M,) were first: no object is two.

    What was not seen since a track began cannot have been seen beside it.
    """
    return np.asarray(_last_s(ids, sightings)[:, None] >= born_s)


def unmet(ids: Ints, sightings: Sightings, born_s: NDArray[np.float64]) -> Mask:
    """(M,) which young tracks have not met all of these identities: in a crowd few, and no others are compared."""
    return np.asarray(_last_s(ids, sightings).min(initial=np.inf) < born_s)


def _last_s(ids: Ints, sightings: Sightings) -> NDArray[np.float64]:
    """(N,) when identities were seen last, -inf where never."""
    known, seen_s = sightings
    last_s = np.full(len(ids), -np.inf)
    if len(ids):
        order = np.argsort(ids)
        row = order.take(np.searchsorted(ids, known, sorter=order), mode="clip")
        of_them = ids[row] == known
        np.maximum.at(last_s, row[of_them], seen_s[of_them])
    return last_s


def met_by_all(sightings: Sightings, born_s: NDArray[np.float64]) -> Ints:
    """The ids that all of these young tracks have met, those that are here among them: none has to be compared."""
    known, seen_s = sightings
    return np.asarray(known[seen_s >= born_s.max()])


def reid_odds(known: Recall, embeddings: Floats, otherwise: Floats, ruled_out: Mask) -> Floats:
    """(G, M) log-odds that absent identities are these new tracks, come back; -inf where that is ruled out.

    Args:
        embeddings: (G, K, M) log-odds by each of the embeddings that are kept.
        otherwise: (G, M) by where they are, and by their colours.
    """
    any_of_them = np.log(np.maximum((~ruled_out).sum(axis=0), 1).astype(np.float32))
    odds: Floats = combined(embeddings, known) + otherwise - any_of_them
    odds[ruled_out] = -np.inf
    return odds


def reidentify(odds: Floats, config: AssociationConfig) -> tuple[Ints, Ints]:
    """Re-identification of lost tracks by log-odds (N, M) alone: mutual best pairs well clear of every runner-up.

    A wrong re-identification gives two objects one id, a missed one only splits a track: in doubt there is none.

    Returns:
        (K,) rows and (K,) columns.
    """
    n, m = odds.shape
    if not n or not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best = odds.argmax(axis=1)
    rows = np.flatnonzero((odds[np.arange(n), best] >= config.reid_odds) & (odds.argmax(axis=0)[best] == np.arange(n)))
    columns = best[rows]
    value = odds[rows, columns]
    others = odds.copy()
    others[rows, columns] = -np.inf
    runner_up = np.maximum(others[rows].max(axis=1), others[:, columns].max(axis=0))
    clear = value - runner_up >= config.reid_margin
    return rows[clear], columns[clear]


def motion_odds(expected: Floats, std: Floats, found: Floats) -> Floats:
    """(N, M) log-odds, at most 0, that lost tracks expected at (N, 4) centres and sizes are now at these (M, 4) boxes.

    The log-density of a bivariate Cauchy around the expected centre, heavy-tailed because an occluded object may turn,
    relative to that at a usual distance. Nearness is no evidence: any other object that comes out there is near as
    well.

    Args:
        std: (N, 4) standard deviations of centre x, centre y, width, height.
    """
    centre = (found[:, :2] + found[:, 2:]) / 2
    squared = (((centre[None] - expected[:, None, :2]) / std[:, None, :2]) ** 2).sum(axis=-1)
    odds: Floats = -1.5 * np.maximum(np.log1p(squared) - np.log(np.float32(3)), 0)  # usual: one deviation in x and y
    return odds
