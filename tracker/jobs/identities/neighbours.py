"""The nearest neighbours of every vector among all: exactly, or of very many by an index.

The index is faiss's: an inverted file of vectors quantised to a byte a dimension. It is made in one thread from a fixed
start, so it is the same each time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.structures import Floats, Ints
from tracker.system.extras import extra

COUNT = 32  # neighbours of each
EXACT = 50_000  # vectors up to which all pairs are compared: half a minute of one core
_BLOCK = 1024
_ADDED = 60_000  # vectors that are added to an index together
_TRAINED_ON, _ROUNDS = 40, 8  # vectors a list of the inverted file, and how often these are gone through
PROBED = 32  # lists that are looked through for a vector

Vectors = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """Attributes:
    pairs: (P, 2) int64 rows of vectors, the lower one first, each pair once, in order.
    similarity: (P,) float32 cosine similarities.
    """

    pairs: Ints
    similarity: Floats


def neighbours(vectors: Vectors, least: float) -> Neighbours:
    """The pairs of which one is among the `COUNT` nearest of the other, and that are at least so similar.

    Args:
        vectors: (N, D) unit vectors.

    Raises:
        MissingExtraError: there are more than `EXACT`, and faiss is not installed.
    """
    searched = _exactly if len(vectors) <= EXACT else by_index
    if len(vectors) < 2 or not least < math.inf:
        return Neighbours(np.zeros((0, 2), np.int64), np.zeros(0, np.float32))
    found = searched(vectors, least)
    pairs = np.unique(np.sort(found, axis=1), axis=0)
    similarity = np.empty(len(pairs), np.float32)
    for begin in range(0, len(pairs), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        one, other = (vectors[pairs[part, side]].astype(np.float32) for side in (0, 1))
        np.einsum("pd,pd->p", one, other, out=similarity[part])
    alike = similarity >= least
    return Neighbours(pairs[alike], similarity[alike])


def _exactly(vectors: Vectors, least: float) -> Ints:
    """(Q, 2) pairs of a row and one of its nearest."""
    every, found = vectors.astype(np.float32), []
    for begin in range(0, len(every), _BLOCK):
        similarity = every[begin : begin + _BLOCK] @ every.T
        similarity[np.arange(len(similarity)), begin + np.arange(len(similarity))] = -np.inf
        if len(every) > COUNT:
            bound = np.partition(similarity, -COUNT, axis=1)[:, -COUNT, None]
            similarity[similarity < bound] = -np.inf
        row, column = np.nonzero(similarity >= least - 1e-4)  # a product of other blocks is rounded otherwise
        found.append(np.column_stack([row + begin, column]))
    return np.concatenate(found)


def by_index(vectors: Vectors, least: float) -> Ints:
    """The same by an index, approximately."""
    index, found = made_index(vectors), []
    for begin in range(0, len(vectors), _BLOCK):
        similarity, columns = index.search(vectors[begin : begin + _BLOCK].astype(np.float32), COUNT + 1)
        rows = np.arange(begin, begin + len(columns))[:, None]
        row, place = np.nonzero((similarity >= least - 0.02) & (columns >= 0) & (columns != rows))
        found.append(np.column_stack([row + begin, columns[row, place]]))
    return np.concatenate(found)


def made_index(vectors: Vectors) -> Any:
    """faiss's index of (N, D) unit vectors.

    Raises:
        MissingExtraError: it is not installed.
    """
    faiss = extra("faiss", "identities")
    faiss.omp_set_num_threads(1)
    lists = math.isqrt(len(vectors))
    index = faiss.index_factory(vectors.shape[1], f"IVF{lists}_HNSW32,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.cp.niter = _ROUNDS
    index.train(vectors[:: max(1, len(vectors) // (_TRAINED_ON * lists))].astype(np.float32))
    for begin in range(0, len(vectors), _ADDED):
        index.add(vectors[begin : begin + _ADDED].astype(np.float32))
    index.nprobe = PROBED
    return index
