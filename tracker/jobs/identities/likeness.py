"""What a similarity of tracks means in an archive, as re-identification sees it in a stream (`SimilarityScale`).

Tracks of one video that are there at the same time are different objects, and show how alike those look here;
embeddings of one track show how alike one object looks. Where the two hardly differ, embeddings tell nothing apart, and
nothing is one identity by them.
"""

from __future__ import annotations

import math

import numpy as np

from tracker.appearance.normalisation import SimilarityScale
from tracker.appearance.similarity import LONGEST_S, Calibration
from tracker.columns.coco_runs import within
from tracker.jobs.identities.video_embeddings import VideoEmbeddings
from tracker.structures import Floats, Ints

PER_LOG_TRACKS = 0.5
"""Log-odds of appearance from which clusters are one identity, for each factor of e in the number of tracks: among more
tracks one is more likely to look the same by chance. Chosen by `scripts/studies/identities.py` on people that the
embedded network learned from, of Market-1501, of whom there were up to 2,722 tracks."""

_PAIRS = 20_000  # of a video that are learned from: it is an estimate
_ONE = np.zeros(1, np.int64)


class Likeness:
    """What is known of the objects of one class, by one network.

    Args:
        calibration: of the network.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration
        self._scale = SimilarityScale.before_any(calibration)

    def learn(self, means: Floats, part: VideoEmbeddings) -> None:
        """Take in a video's tracks of this class, and what each looks like on average, (T, D)."""
        pairs = meetings(part)
        pairs = pairs[:: max(1, math.ceil(len(pairs) / _PAIRS))]
        different = np.einsum("pd,pd->p", means[pairs[:, 0]], means[pairs[:, 1]])
        self._scale.learn_different(different, np.zeros(len(pairs), np.int64))
        rest = np.zeros_like(means)
        looks = part.embeddings.astype(np.float32)
        np.add.at(rest, part.track, looks)
        others = rest[part.track] - looks
        length = np.linalg.norm(others, axis=1)
        several = np.bincount(part.track, minlength=len(part))[part.track] > 1
        same = np.einsum("ed,ed->e", looks, others)[several] / length[several]
        self._scale.learn_same(same, np.zeros(len(same), np.int64))

    def odds(self, similarity: Floats) -> Floats:
        """(P,) log-odds that tracks as similar as this are of one object, were both answers as likely beforehand."""
        return self._scale.log_odds(self._calibration, np.asarray(similarity, np.float32), LONGEST_S, _ONE)

    def least(self, tracks: int, more_odds: float = 0.0) -> float:
        """The similarity from which clusters are one identity; infinite where no similarity is evidence.

        Args:
            tracks: how many there are. more_odds: that are asked for, beyond what was found to be best.
        """
        none, full = self.odds(np.array([0.0, 1.0], np.float32)).tolist()
        odds = PER_LOG_TRACKS * math.log(max(tracks, 1)) + more_odds
        return (odds - none) / (full - none) if full > none else math.inf


def meetings(part: VideoEmbeddings) -> Ints:
    """(P, 2) pairs of rows of tracks, the lower one first, that are there at the same time."""
    row, begin, end = part.stays[:, 0].astype(np.int64), part.stays[:, 1], part.stays[:, 2]
    order = np.argsort(begin, kind="stable")
    row, begin, end = row[order], begin[order], end[order]
    until = np.searchsorted(begin, end, side="right")  # those that begin before it ends
    many = np.maximum(until - np.arange(len(row)) - 1, 0)
    one, place = within(many)
    pairs = np.sort(np.column_stack([row[one], row[one + 1 + place]]), axis=1)
    return np.unique(pairs[pairs[:, 0] != pairs[:, 1]], axis=0)
