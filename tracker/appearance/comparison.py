"""Tracks and detections compared by their embeddings: all pairs of a few, of many those that are asked for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tracker.structures import Detections, Floats, Ints, Mask

_FEW = 2**16  # pairs that one matrix product compares before anybody asks
_BLOCK = 512  # of more, pairs whose embeddings are gathered at once: so many stay in the cache
_UNSEEN = -1.1  # log-odds, one to three, of a lost track that meets what could not be embedded


class Comparison:
    """How alike N tracks and M detections look.

    Where a lost track and a detection that could not be embedded meet, the log-odds are negative: where it was lost
    others come out as well, above all at the picture's edge, and overlap alone has to be clearer there.

    Args:
        embeddings: (N, 512) of the tracks; rows of NaN where there is none. age: (N,) seconds since they were taken.
        lost: (N,) which of the tracks are. found: the detections, with features.
        odds: similarities (..., M) to M detections, seconds that broadcast, and classes (M,) -> log-odds.
        bonus: log-odds -> what they add to the similarity of motion.
    """

    def __init__(
        self,
        embeddings: Floats,
        age: Floats,
        lost: Mask,
        found: Detections,
        odds: Callable[[Floats, Floats, Ints], Floats],
        bonus: Callable[[Floats], Floats],
    ) -> None:
        assert found.features is not None
        features, classes = found.features, found.classes
        self._embeddings, self._age, self._features, self._classes = embeddings, age, features, classes
        self._known_lost, self._missing = lost & ~np.isnan(embeddings[:, 0]), np.isnan(features[:, 0])
        self._odds, self._bonus = odds, bonus
        self._every: tuple[Floats, Floats] | None = None  # similarity and log-odds of all pairs
        if len(embeddings) * len(features) <= _FEW:
            similarity, lost = embeddings @ features.T, self._known_lost[:, None]
            self._every = similarity, self._doubted(similarity, age[:, None], classes, lost, self._missing)

    def __call__(self, row: Ints, column: Ints) -> Floats:
        """What the embeddings of these rows of tracks and of detections add; shapes (P,) and (P,), or (R, 1) and (C,).

        Positive where they look alike, negative where they do not, 0 where nothing is known.
        """
        return self._bonus(self.odds(row, column))

    def odds(self, row: Ints, column: Ints) -> Floats:
        """Log-odds that these are one object, 0 where nothing is known; shapes as of a call."""
        if self._every is not None:
            return self._every[1][row, column]
        lost, missing = self._known_lost[row], self._missing[column]
        return self._doubted(self._similarity(row, column), self._age[row], self._classes[column], lost, missing)

    def lately(self, row: Ints, column: Ints, seconds: float) -> Floats:
        """(P,) cosine similarities of pairs, NaN where an embedding is missing or the track's is older than this."""
        similarity = self._similarity(row, column)
        similarity[self._age[row] > seconds] = np.nan
        return similarity

    def _similarity(self, row: Ints, column: Ints) -> Floats:
        """Cosine similarities, NaN where an embedding is missing."""
        if self._every is not None:
            return self._every[0][row, column]
        if row.ndim > 1:
            return self._embeddings[row[:, 0]] @ self._features[column].T
        similarity = np.empty(len(row), np.float32)
        for begin in range(0, len(row), _BLOCK):
            part = slice(begin, begin + _BLOCK)
            own, other = self._embeddings.take(row[part], axis=0), self._features.take(column[part], axis=0)
            np.einsum("pd,pd->p", own, other, out=similarity[part])
        return similarity

    def _doubted(self, similarity: Floats, age: Floats, classes: Ints, known_lost: Mask, missing: Mask) -> Floats:
        odds = self._odds(similarity, age, classes)
        if np.count_nonzero(known_lost) and np.count_nonzero(missing):
            odds[known_lost & missing] = _UNSEEN
        return odds
