"""Tracks and detections compared by their embeddings: all pairs of a few, of many those that are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracker.appearance.contradiction import cut_off
from tracker.structures import CONFIRMED, PREDICTED, Detections, Floats, Ints

_FEW = 2**16  # pairs that one matrix product compares before anybody asks
_BLOCK = 512  # of more, pairs whose embeddings are gathered at once: so many stay in the cache
_MOMENT_S = 1.0  # embeddings of one object that are no further apart show how alike those are at best
_UNSEEN = -1.1  # log-odds, one to three, of a lost track that meets what could not be embedded


class Comparison:
    """How alike N tracks and M detections look.

    Where a lost track and a detection that could not be embedded meet, the log-odds are negative: where it was lost
    others come out as well, above all at the picture's edge, and overlap alone has to be clearer there. What the
    picture's border cuts off looks like another object: that says nothing against a track seen in the frame before.

    Args:
        embeddings: (S, D) of all slots; rows of NaN where there is none. slots: (N,) the tracks'.
        age: (N,) seconds since the tracks' embeddings were taken.
        status: (N,) of the tracks. found: the detections, with features. size: of the picture, where there is one.
        odds: similarities (..., M) to M detections, seconds that broadcast, and classes (M,) -> log-odds.
        bonus: log-odds -> what they add to the similarity of motion.
    """

    def __init__(
        self,
        embeddings: Floats,
        slots: Ints,
        age: Floats,
        status: Ints,
        found: Detections,
        size: tuple[float, float] | None,
        odds: Callable[[Floats, Floats, Ints], Floats],
        bonus: Callable[[Floats], Floats],
    ) -> None:
        assert found.features is not None
        features, classes = found.features, found.classes
        self._embeddings, self._slots, self._age = embeddings, slots, age
        self._features, self._classes = features, classes
        self._known_lost = (status == PREDICTED) & ~np.isnan(embeddings[slots, 0])
        self._seen, self._missing = status == CONFIRMED, np.isnan(features[:, 0])
        self._cut = np.zeros(len(found), bool) if size is None else cut_off(found.xyxy, size)
        self._odds, self._bonus = odds, bonus
        self._every: tuple[Floats, Floats] | None = None  # similarity and log-odds of all pairs
        self._asked = np.zeros(0, np.int64), np.zeros(0, np.float32)  # pairs compared, ascending, and their similarity
        if len(slots) * len(features) <= _FEW:
            row, column = np.arange(len(slots))[:, None], np.arange(len(features))
            similarity = embeddings.take(slots, axis=0) @ features.T
            self._every = similarity, self._judged(similarity, row, column)

    def __call__(self, row: Ints, column: Ints) -> Floats:
        """What the embeddings of these rows of tracks and of detections add; shapes (P,) and (P,), or (R, 1) and (C,).

        Positive where they look alike, negative where they do not, 0 where nothing is known.
        """
        return self._bonus(self.odds(row, column))

    def odds(self, row: Ints, column: Ints) -> Floats:
        """Log-odds that these are one object, 0 where nothing is known; shapes as of a call."""
        if self._every is not None:
            return self._every[1][row, column]
        return self._judged(self._similarity(row, column), row, column)

    def lately(self, row: Ints, column: Ints) -> Floats:
        """(P,) cosine similarities of pairs, NaN where an embedding is missing or the track's is old."""
        similarity = self._similarity(row, column)
        similarity[self._age[row] > _MOMENT_S] = np.nan
        return similarity

    def _similarity(self, row: Ints, column: Ints) -> Floats:
        """Cosine similarities, NaN where an embedding is missing."""
        if self._every is not None:
            return self._every[0][row, column]
        if row.ndim > 1:
            return self._embeddings[self._slots[row[:, 0]]] @ self._features[column].T
        pairs, similarity = row * len(self._features) + column, np.empty(len(row), np.float32)
        asked, known = self._asked
        place = np.searchsorted(asked, pairs)
        new = np.flatnonzero(asked.take(place, mode="clip") != pairs) if len(asked) else np.arange(len(pairs))
        if len(new) < len(pairs):
            similarity = known.take(place, mode="clip")
        for begin in range(0, len(new), _BLOCK):
            part = new[begin : begin + _BLOCK]
            own = self._embeddings.take(self._slots[row[part]], axis=0)
            similarity[part] = np.einsum("pd,pd->p", own, self._features.take(column[part], axis=0))
        if len(new):
            pairs, known = np.concatenate([asked, pairs[new]]), np.concatenate([known, similarity[new]])
            order = np.argsort(pairs, kind="stable")
            self._asked = pairs[order], known[order]
        return similarity

    def _judged(self, similarity: Floats, row: Ints, column: Ints) -> Floats:
        odds = self._odds(similarity, self._age[row], self._classes[column])
        missing, cut = self._missing[column], self._cut[column]
        if np.count_nonzero(missing):
            odds[self._known_lost[row] & missing] = _UNSEEN
        if np.count_nonzero(cut):
            odds[self._seen[row] & cut & (odds < 0)] = 0
        return odds
