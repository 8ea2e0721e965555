"""Linear assignment: of pairs of rows and columns those that gain most together, no row and no column twice.

Only pairs that may be matched come in, few of all in a frame full of objects. Jonker-Volgenant (`lap`) decides between
those that compete.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import lap
import numpy as np
from numpy.typing import NDArray

from tracker.structures import Floats, Ints, Mask

_FEW = 100  # competing rows up to here are solved quicker as a full matrix

Gains = NDArray[np.floating[Any]]


class Candidates(NamedTuple):
    """Candidates of tracks (rows) and detections (columns), ordered by track.

    Attributes:
        row, column: (P,) rows of tracks and of detections. similarity: (P,) float32, from 0.
    """

    row: Ints
    column: Ints
    similarity: Floats

    def take(self, keep: Ints) -> Candidates:
        """Those at these places."""
        return Candidates(self.row.take(keep), self.column.take(keep), self.similarity.take(keep))

    def matrix(self, tracks: int, detections: int) -> Floats:
        """(N, M) float32, 0 where there is no pair."""
        similarity = np.zeros((tracks, detections), np.float32)
        similarity[self.row, self.column] = self.similarity
        return similarity


def assign(similarity: Floats, gate: float) -> tuple[Ints, Ints]:
    """Hungarian assignment: the pairs that maximise the sum of (similarity - gate), of those above the gate.

    Args:
        similarity: (N, M). gate: least similarity of a pair.

    Returns:
        (K,) rows and (K,) columns, in the caller's own numbering, ordered by row.
    """
    row, column = above = (similarity > gate).nonzero()
    return best_pairs(Candidates(row, column, similarity[above]), gate)


def best_pairs(pairs: Candidates, gate: float) -> tuple[Ints, Ints]:
    """`assign` of pairs, all above the gate. Those that are each other's only choice need no solver."""
    row, column, similarity = pairs
    if len(row) < 2:
        return row, column
    contested = (np.bincount(row) > 1)[row] | (np.bincount(column) > 1)[column]
    if not contested.any():
        return row, column
    best = ~contested
    best[contested] = _solved(row[contested], column[contested], similarity[contested].astype(np.float64) - gate)
    return row[best], column[best]


def _solved(row: Ints, column: Ints, gain: Gains) -> Mask:
    """(P,) which of the pairs, that compete, have the largest sum of gains (P,), all above 0."""
    rows, columns = np.bincount(row).nonzero()[0], np.bincount(column).nonzero()[0]
    row, column = rows.searchsorted(row), columns.searchsorted(column)
    # lap minimises with the option of leaving out a pair at `limit`: cost = limit - gain keeps all gains positive
    limit = float(gain.max()) + 1.0
    solve = _by_matrix if len(rows) <= _FEW else _by_list
    partner = solve(len(rows), len(columns), row, column, limit - gain, limit)
    return np.asarray(partner.take(row) == column)


def _by_matrix(n: int, m: int, row: Ints, column: Ints, cost: Gains, limit: float) -> Ints:
    """(n,) the column of each row; what is no pair where it is left out."""
    matrix = np.full((n, m), limit + 1.0)
    matrix[row, column] = cost
    partner: Ints = lap.lapjv(matrix, extend_cost=True, cost_limit=limit)[1]
    return partner


def _by_list(n: int, m: int, row: Ints, column: Ints, cost: Gains, limit: float) -> Ints:
    """The same without the matrix: of thousands that compete, each has but a few choices.

    Everyone has a stand-in of the other kind, at the limit: row i column m + i, column j row n + j. Where a row and a
    column are paired, so are their stand-ins.
    """
    alone = np.r_[:n], np.r_[n : n + m], n + column
    others = np.r_[m : m + n], np.r_[:m], m + row
    row, column = np.concatenate([row, *alone]), np.concatenate([column, *others])
    cost = np.concatenate([cost, np.full(n + m + len(cost), limit)])
    order = np.lexsort((column, row))
    begin = np.bincount(row + 1).cumsum()
    table = cost[order], begin.astype(np.int32), column[order].astype(np.int32)
    partner: Ints = lap.lapmod(n + m, *table, return_cost=False)[0]
    return partner
