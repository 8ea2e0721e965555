"""Whose identity a track has, and for how long an object goes under a wrong one.

Purity and inverse purity (here: completeness) are those of clustering, with the tracks as the clusters of what was
matched (Manning, Raghavan and Schütze, Introduction to Information Retrieval, 2008, 16.3; Amigó et al., Information
Retrieval 12, 2009); Smith et al. (Evaluating Multi-Object Tracking, 2005) have them of single tracks and objects, as
tracker purity and object purity. A track that takes over other objects costs purity, an object that is split among
tracks completeness. Only matched boxes count: missed objects and false alarms change neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tracker.evaluation.matching import MatchTable
from tracker.structures import Ints

METRICS = ("Purity", "Completeness", "WrongID", "WrongID_frames", "WrongID_s")


@dataclass(frozen=True, eq=False)
class Identities:
    """What the `METRICS` of one sequence, or of several together, are made of.

    Attributes:
        matched: number of matches.
        pure: those of them that are of the object which their track has most often.
        own: those of them that are under their object's own id.
        life: frames from each object's first match to its last, over all objects.
        wrong: (W,) frames that each stretch under another id lasts.
        wrong_s: (W,) the same in seconds.
    """

    matched: int
    pure: int
    own: int
    life: int
    wrong: Ints
    wrong_s: NDArray[np.float64]

    @classmethod
    def of(cls, matches: MatchTable, fps: float) -> Identities:
        """Those of one sequence at `fps` frames/s."""
        wrong = wrong_frames(matches)
        goes_on = np.concatenate([[False], matches.same_object() & (wrong[:-1] > 0)])[: len(wrong)]
        stretches = wrong[(wrong > 0) & ~goes_on]
        return cls(
            matched=len(wrong),
            pure=int((_majority(matches.tracks, matches.objects) == matches.objects).sum()),
            own=int((wrong == 0).sum()),
            life=int(_held(matches).sum()),
            wrong=stretches,
            wrong_s=stretches / fps,
        )

    @classmethod
    def together(cls, parts: Sequence[Identities]) -> Identities:
        """Those of several sequences."""
        return cls(
            matched=sum(part.matched for part in parts),
            pure=sum(part.pure for part in parts),
            own=sum(part.own for part in parts),
            life=sum(part.life for part in parts),
            wrong=np.concatenate([part.wrong for part in parts]),
            wrong_s=np.concatenate([part.wrong_s for part in parts]),
        )

    def scores(self) -> dict[str, float]:
        """The `METRICS`: three in percent (0 where nothing was matched), and medians (0 where no id was wrong)."""
        middle = [float(np.median(lengths)) if len(lengths) else 0.0 for lengths in (self.wrong, self.wrong_s)]
        shares = (self.pure / max(1, self.matched), self.own / max(1, self.matched))
        percent = [100 * share for share in (*shares, int(self.wrong.sum()) / max(1, self.life))]
        return dict(zip(METRICS, [*percent, *middle], strict=True))


def wrong_frames(matches: MatchTable) -> Ints:
    """(M,) for how many frames from each match on its object goes under another id than its own; 0 under its own.

    Its own id is the track that it has most often, of equals the first. The wrong one stays until the object is seen
    under its own again, or to the object's last match.
    """
    held = _held(matches)
    wrong = _majority(matches.objects, matches.tracks) != matches.tracks
    last = np.ones(len(wrong), bool)  # of a stretch
    last[:-1] = ~(matches.same_object() & wrong[1:])
    ends = np.flatnonzero(last)[np.cumsum(last) - last]
    until = np.cumsum(held)
    return np.where(wrong, until[ends] - until + held, 0)


def _held(matches: MatchTable) -> Ints:
    """(M,) frames for which an object was last seen under the id of this match: to the next one; 1 for its last."""
    frames = np.ones(len(matches.frames), np.int64)
    same = matches.same_object()
    frames[:-1][same] = np.diff(matches.frames)[same]
    return frames


def _majority(groups: Ints, members: Ints) -> Ints:
    """(M,) the member that each one's group has most often; of equals the first."""
    pairs, first, counts = np.unique(np.column_stack([groups, members]), axis=0, return_index=True, return_counts=True)
    pairs = pairs[np.lexsort((first, -counts, pairs[:, 0]))]
    names, best = np.unique(pairs[:, 0], return_index=True)
    most: Ints = pairs[best, 1][np.searchsorted(names, groups)]
    return most
