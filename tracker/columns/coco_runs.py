"""COCO's run-length encoding of masks as text and back, many masks at once.

A mask is the numbers of pixels, down the columns of its frame, that are outside, inside, outside, ... of it: its
counts. From the fourth on a count is told as the difference to the last of its kind, and each number in letters of five
bits, the lowest first, of which the last one has the sign (https://github.com/cocodataset/cocoapi, `rleToString`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.errors import InputError

Ints = NDArray[np.int64]

_MOST_LETTERS = 7  # five bits each, that a number of 32 bits takes at most


def within(sizes: Ints) -> tuple[Ints, Ints]:
    """Of values in parts of these sizes, one after another: (V,) which part each is in, and which it is there, from 0.

    >>> [values.tolist() for values in within(np.array([2, 0, 3]))]
    [[0, 0, 2, 2, 2], [0, 1, 0, 1, 2]]
    """
    part = np.repeat(np.arange(len(sizes)), sizes)
    return part, np.arange(len(part)) - (np.cumsum(sizes) - sizes)[part]


def texts(edges: NDArray[np.int32], sizes: Ints, pixels: int) -> list[str]:
    """Of N masks of frames of so many pixels.

    Args:
        edges: where their runs begin and end in turn, one mask after another. sizes: (N,) how many of each.
    """
    part, place = within(sizes)
    # each mask's edges between 0 and the last pixel: what lies between two of them is a count
    bounds = sizes + 2
    begin = np.cumsum(bounds) - bounds
    values = np.zeros(int(bounds.sum()), np.int64)
    values[begin + sizes + 1] = pixels
    values[begin[part] + place + 1] = edges
    kept = np.ones(len(values), bool)
    kept[begin] = False  # a mask's first bound ends no count
    last = begin + sizes + 1
    empty = (sizes > 0) & (values[last] == values[last - 1])  # the mask goes on to the last pixel
    kept[last[empty]] = False
    counts = np.diff(values, prepend=0)[kept]
    many = sizes + 1 - empty
    part, place = within(many)
    steps = counts.copy()
    later = np.flatnonzero(place > 2)
    steps[later] -= counts[later - 2]
    letters, taken = _letters(steps)
    stop = np.append(0, np.cumsum(taken))[np.cumsum(many)]
    text = letters.tobytes().decode("ascii")
    return [text[a:b] for a, b in pairwise([0, *stop.tolist()])]


def decoded(encoded: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> tuple[NDArray[np.int32], Ints]:
    """The edges of N masks, one mask after another, and how many each has (N,).

    Args:
        encoded: with counts as text, or as a list of them. size: height and width of their frames.

    Raises:
        InputError: one that is of another size, or none.
    """
    together = _together(encoded, size)
    if together is None:
        parts = [_one(one, size) for one in encoded]
        return np.concatenate([np.zeros(0, np.int32), *parts]), np.array([len(part) for part in parts], np.int64)
    return together


def _together(encoded: Sequence[Mapping[str, Any]], size: tuple[int, int]) -> tuple[NDArray[np.int32], Ints] | None:
    """The same of texts; None where there is something that has to be looked at alone: what is none, or another size,
    or has counts of zero, which we do not write.
    """
    try:
        said = [one["counts"] for one in encoded if tuple(one["size"]) == size]
        letters = "".join(said).encode("ascii")
    except (KeyError, TypeError, UnicodeEncodeError):
        return None
    if not said or len(said) < len(encoded) or not all(said):
        return None
    try:
        steps, last = _numbers(letters)
    except ValueError:
        return None
    ends = np.cumsum([len(one) for one in said])
    stop = np.searchsorted(last, ends)
    if (last[stop - 1] != ends - 1).any():  # one goes on in the next
        return None
    many, pixels = np.diff(stop, prepend=0), size[0] * size[1]
    # in two columns, a mask below the other: then a count's difference is to the one above it, but for a mask's first
    rows = (many + 1) // 2
    begin = 2 * (np.cumsum(rows) - rows)
    counts = np.zeros(2 * int(rows.sum()), np.int64)
    counts[np.arange(len(steps)) + np.repeat(begin - (stop - many), many)] = steps
    first, counts[begin] = counts[begin], 0
    sums = np.cumsum(counts.reshape(-1, 2), axis=0)
    before = np.vstack([np.zeros((1, 2), np.int64), sums])[begin // 2]
    counts = (sums - np.repeat(before, rows, axis=0)).reshape(-1)
    counts[begin] = 1  # which may be 0, unlike any other
    odd = many % 2 == 1
    none = (begin + many)[odd]  # beside the last of an odd number
    counts[none] = 1
    if counts.min() <= 0 or counts.max() > pixels or first.min() < 0 or first.max() > pixels:
        return None
    counts[begin], counts[none] = first, 0
    edges = np.cumsum(counts)
    if (edges[begin + 2 * rows - 1] != pixels * np.arange(1, len(many) + 1)).any():
        return None
    edges -= np.repeat(pixels * np.arange(len(many)), 2 * rows)
    kept = np.ones(len(edges) // 2, bool)
    kept[none // 2] = False
    return edges.reshape(-1, 2)[kept].reshape(-1).astype(np.int32), many // 2 * 2


def _letters(numbers: Ints) -> tuple[NDArray[np.uint8], Ints]:
    """Letters (L,) for numbers (K,), and how many each takes (K,)."""
    size = np.where(numbers < 0, ~numbers, numbers)
    many = np.ones(len(numbers), np.int64)
    longer = np.flatnonzero(size >> 4)  # few are
    for level in range(1, _MOST_LETTERS):
        many[longer] = level + 1
        longer = longer[size[longer] >> 5 * level + 4 > 0]
    place = np.cumsum(many) - many
    letters = np.empty(int(many.sum()), np.uint8)
    letters[place] = (numbers & 31) + 48
    rest, left = numbers, many
    while len(more := np.flatnonzero(left > 1)):
        letters[place[more]] += 32  # it goes on
        rest, left, place = rest[more] >> 5, left[more] - 1, place[more] + 1
        letters[place] = (rest & 31) + 48
    return letters, many


def _one(encoded: Mapping[str, Any], size: tuple[int, int]) -> NDArray[np.int32]:
    """The edges (E,) of a mask from COCO's run-length encoding.

    Raises:
        InputError: it is none of a frame of this size.
    """
    try:
        counts = encoded["counts"]
        if isinstance(counts, str | bytes):
            counts = _counts(counts.encode("ascii") if isinstance(counts, str) else counts)
        runs = np.asarray(counts, np.int64)
        pixels = size[0] * size[1]
        fits = tuple(encoded["size"]) == size and runs.ndim == 1 and ((runs >= 0) & (runs <= pixels)).all()
        fits = fits and runs.sum() == pixels
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"a mask is none in COCO's run-length encoding ({error}); encode it again") from error
    if not fits:
        raise InputError(f"a mask is not of the frame of {size[1]} x {size[0]} pixels; encode it for that size")
    edges = runs.cumsum()[: len(runs) // 2 * 2]
    places, times = np.unique(edges, return_counts=True)
    once = places[times % 2 == 1]  # without runs of no pixels, which we do not write
    return np.asarray(once, np.int32)


def _counts(letters: bytes) -> Ints:
    """The lengths of runs from COCO's letters: what `_letters` writes, and the differences before it undone."""
    steps, _ = _numbers(letters)
    counts = steps.copy()
    counts[1::2] = steps[1::2].cumsum()
    counts[2::2] = steps[2::2].cumsum()
    return counts


def _numbers(letters: bytes) -> tuple[Ints, Ints]:
    """The numbers (K,) of which these are the letters, and where each has its last one (K,).

    Raises:
        ValueError: there are others among them, the last number goes on, or one is too large.
    """
    values = np.frombuffer(letters, np.uint8) - np.uint8(48)  # what is below has come to be above
    if len(values) and (values.max() > 63 or values[-1] & 32):
        raise ValueError("letters that are none")
    last = np.flatnonzero(values < 32)
    many = np.diff(last, prepend=-1)
    if many.max(initial=0) > _MOST_LETTERS:
        raise ValueError("a number that is too large")
    first = last - many + 1
    numbers = (values[first] & 31).astype(np.int64)
    longer = np.flatnonzero(many > 1)  # few are
    for level in range(1, _MOST_LETTERS):
        numbers[longer] |= (values[first[longer] + level] & 31).astype(np.int64) << 5 * level
        longer = longer[many[longer] > level + 1]
    negative = np.flatnonzero(values[last] & 16)
    numbers[negative] -= 1 << 5 * many[negative]
    return numbers, last
