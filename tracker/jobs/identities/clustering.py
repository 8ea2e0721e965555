"""Which tracks are one identity: average-linkage clustering of what they look like, under constraints.

The two most alike clusters are merged first, as long as any two are alike enough. The similarity of two clusters is the
mean over all pairs of their tracks, which is the product of the sums of their vectors: one vector a cluster is enough,
however many tracks it has. Tracks of one video that are there at the same time are two objects, so clusters that hold
such tracks are never merged. Only clusters that are neighbours by some pair of tracks are compared at all.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from tracker.jobs.identities.neighbours import Neighbours, Vectors
from tracker.structures import Floats, Ints

Stays = Mapping[int, list[tuple[float, float]]]
"""Of a cluster, by video: from when to when any of its tracks is there."""


def clustered(vectors: Vectors, near: Neighbours, stays: Callable[[int], Stays], least: float) -> Ints:
    """The cluster of each of N tracks, (N,): the row of its first one.

    Args:
        vectors: (N, D) unit vectors. near: pairs of rows that are alike.
        stays: when the track of a row is there.
        least: mean cosine similarity from which two clusters are one.
    """
    clusters = _Clusters(vectors, stays)
    heap = [(-value, *pair, 0, 0) for value, pair in zip(near.similarity.tolist(), near.pairs.tolist(), strict=True)]
    for _, one, other, *_ in heap:
        clusters.link(one, other)
    heapq.heapify(heap)
    while heap:
        value, one, other, *merges = heapq.heappop(heap)
        if -value < least:
            break
        if merges != [clusters.merges[one], clusters.merges[other]]:  # of how the two were before
            continue
        if clusters.meet(one, other):
            clusters.unlink(one, other)
            continue
        for neighbour, similarity in clusters.merge(one, other):
            pair = sorted((one, neighbour))
            heapq.heappush(heap, (-similarity, *pair, *(clusters.merges[part] for part in pair)))
    return clusters.labels


class _Clusters:
    """Clusters by the row of their first track.

    Attributes:
        merges: how often each has changed. labels: (N,) the cluster of each track.
    """

    def __init__(self, vectors: Vectors, stays: Callable[[int], Stays]) -> None:
        self._vectors = vectors
        self._stays_of = stays
        self._stays: dict[int, Stays] = {}  # of those that were looked at
        self._sums: dict[int, Floats] = {}  # of vectors; of a single track its own
        self._members: dict[int, list[int]] = {}
        self._near: defaultdict[int, set[int]] = defaultdict(set)
        self.merges: defaultdict[int, int] = defaultdict(int)
        self.labels = np.arange(len(vectors))

    def link(self, one: int, other: int) -> None:
        """They may be alike."""
        self._near[one].add(other)
        self._near[other].add(one)

    def unlink(self, one: int, other: int) -> None:
        """They are never merged, whatever joins either."""
        self._near[one].discard(other)
        self._near[other].discard(one)

    def meet(self, one: int, other: int) -> bool:
        """Whether a track of the one and a track of the other are there at the same time in a video."""
        fewer, more = sorted((self._there(one), self._there(other)), key=len)
        return any(_overlap(there, more[video]) for video, there in fewer.items() if video in more)

    def merge(self, one: int, other: int) -> list[tuple[int, float]]:
        """Merge the second cluster into the first; the neighbours of what comes of it, and how similar they are."""
        self.labels[self._of(other)] = one
        self._sums[one] = self._sum(one) + self._sum(other)
        self._members[one] = self._of(one) + self._of(other)
        self._sums.pop(other, None)
        self._members.pop(other, None)
        self._stays[one] = _together(self._there(one), self._there(other))
        del self._stays[other]
        self.merges[one] += 1
        self.merges[other] = -1  # it is no more
        self.unlink(one, other)
        for neighbour in self._near.pop(other):
            self._near[neighbour].discard(other)
            self.link(one, neighbour)
        near = sorted(self._near[one])
        if not near:
            return []
        sums = np.stack([self._sum(neighbour) for neighbour in near])
        sizes = np.array([len(self._of(neighbour)) for neighbour in near]) * len(self._of(one))
        return list(zip(near, (sums @ self._sums[one] / sizes).tolist(), strict=True))

    def _there(self, cluster: int) -> Stays:
        if cluster not in self._stays:
            self._stays[cluster] = self._stays_of(cluster)
        return self._stays[cluster]

    def _sum(self, cluster: int) -> Floats:
        known = self._sums.get(cluster)
        return self._vectors[cluster].astype(np.float32) if known is None else known

    def _of(self, cluster: int) -> list[int]:
        return self._members.get(cluster, [cluster])


def _overlap(one: Iterable[tuple[float, float]], other: list[tuple[float, float]]) -> bool:
    return any(start <= end_there and start_there <= end for start, end in one for start_there, end_there in other)


def _together(one: Stays, other: Stays) -> Stays:
    both = {video: list(there) for video, there in one.items()}
    for video, there in other.items():
        both.setdefault(video, []).extend(there)
    return both
