"""Masks of objects as runs of pixels: exact, as large as their outlines, and rows can be picked without a copy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from tracker.columns.checked import as_array
from tracker.columns.coco_runs import decoded, texts, within
from tracker.errors import InputError

Covered = NDArray[np.bool_]  # (h, w), which pixels an object covers

_NONE = -1  # `first` of a row without a mask
_BLOCK = 1 << 10  # masks that are looked at together


@dataclass(frozen=True, eq=False)
class Masks:
    """Which pixels N objects of a frame cover.

    The pixels of the frame are numbered down its columns, as in COCO's run-length encoding, and a mask is the numbers
    at which it begins and ends, in turn. Rows of a mask, index array or slice share the runs of all.

    Attributes:
        edges: (E,) int32 beginnings and ends of runs of all masks, one mask after another.
        first, last: (N,) int64: a row's mask is `edges[first:last]`; first is -1 where a row has no mask.
        size: height and width of the frame in pixels.

    Examples:
        >>> masks = Masks.of(np.array([[[0, 1, 1], [0, 1, 0]]]))
        >>> masks.edges.tolist(), masks.to_coco()
        ([2, 5], [{'size': [2, 3], 'counts': '231'}])
        >>> masks.take(np.array([0, -1])).known.tolist()
        [True, False]
    """

    edges: NDArray[np.int32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    size: tuple[int, int]

    @classmethod
    def of(cls, masks: Any) -> Masks:
        """Of an array (N, H, W) of booleans, or of zeros and ones.

        Raises:
            InputError: another shape or other values.
        """
        array = as_array("masks", masks)
        if array.ndim != 3 or array.dtype.kind not in "biuf":
            raise InputError(
                f"masks is {array.dtype} of shape {array.shape}; expected booleans of shape (N, H, W), H and W of the "
                "frame, or tracker.Masks"
            )
        if array.dtype != np.bool_:
            covered = array != 0
            if array.dtype.kind == "f" and not np.array_equal(covered, array):
                raise InputError("masks holds other numbers than 0 and 1; compare with a threshold first")
            array = covered
        parts = np.ascontiguousarray(array).view(np.uint8)
        rectangles = [cv2.boundingRect(part) if part.size else (0, 0, 0, 0) for part in parts]
        crops = [mask[y : y + h, x : x + w] for mask, (x, y, w, h) in zip(array, rectangles, strict=True)]
        return cls.of_crops(crops, [(x, y) for x, y, _, _ in rectangles], (array.shape[1], array.shape[2]))

    @classmethod
    def of_crops(cls, crops: Sequence[Covered], corners: Sequence[Sequence[int]], size: tuple[int, int]) -> Masks:
        """Of the parts (h, w) of frames of (height, width) that the objects are in, each inside its frame.

        Args:
            corners: left and top of each.
        """
        edges, many = _runs(crops, corners, size[0])
        ends = np.append(0, many.cumsum())
        return cls(edges, ends[:-1], ends[1:], size)

    @classmethod
    def from_coco(cls, encoded: Sequence[Mapping[str, Any] | None], size: tuple[int, int]) -> Masks:
        """Of COCO's run-length encodings, compressed or as lists of counts, None: no mask; what `to_coco` gives.

        Args:
            size: height and width of the frame.

        Raises:
            InputError: one that is of another size, or none.

        Examples:
            >>> Masks.from_coco([{"size": [2, 3], "counts": "231"}, None], (2, 3)).dense()[0].astype(int).tolist()
            [[0, 1, 1], [0, 1, 0]]
        """
        known = np.array([one is not None for one in encoded], bool)
        given = [one for one in encoded if one is not None]
        parts = [decoded(given[begin : begin + _BLOCK], size) for begin in range(0, len(given), _BLOCK)]
        edges = np.concatenate([np.zeros(0, np.int32), *(edges for edges, _ in parts)])
        ends = np.cumsum(np.concatenate([np.zeros(1, np.int64), *(sizes for _, sizes in parts)]))
        first, last = np.full(len(known), _NONE), np.full(len(known), _NONE)
        first[known], last[known] = ends[:-1], ends[1:]
        return cls(edges, first, last, size)

    @classmethod
    def joined(cls, parts: Sequence[Masks], size: tuple[int, int]) -> Masks:
        """The rows of some, all of frames of that size, one after another."""
        moved = np.cumsum([0, *(len(part.edges) for part in parts)])[:-1]
        edges = np.concatenate([np.zeros(0, np.int32), *(part.edges for part in parts)])
        pieces = [
            np.where(part.known, np.stack([part.first, part.last]) + by, _NONE)
            for part, by in zip(parts, moved, strict=True)
        ]
        first, last = np.concatenate([np.zeros((2, 0), np.int64), *pieces], axis=1)
        return cls(edges, first, last, size)

    def __len__(self) -> int:
        return len(self.first)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Masks:
        """The masks of the rows of a mask, index array or slice."""
        return replace(self, first=self.first[rows], last=self.last[rows])

    def take(self, index: NDArray[np.int64]) -> Masks:
        """The masks of rows (M,); -1: none."""
        first, last = (np.append(part, _NONE)[index] for part in (self.first, self.last))
        return replace(self, first=first, last=last)

    @property
    def known(self) -> NDArray[np.bool_]:
        """(N,) which rows have a mask; it may cover no pixel."""
        return np.asarray(self.first != _NONE)

    @property
    def areas(self) -> NDArray[np.int64]:
        """(N,) how many pixels each covers."""
        sizes = self.last - self.first
        edges = self.own_edges.astype(np.int64)
        covered = np.append(0, np.cumsum(edges[1::2] - edges[0::2]))
        stop = np.cumsum(sizes) // 2
        return np.asarray(covered[stop] - covered[stop - sizes // 2])

    @property
    def own_edges(self) -> NDArray[np.int32]:
        """(E,) the edges of the rows, one row after another: `last - first` of each."""
        part, place = within(self.last - self.first)
        return np.asarray(self.edges[self.first[part] + place])

    @property
    def boxes(self) -> NDArray[np.int64]:
        """(N, 4) left, top, right and bottom of what each covers; zeros where that is nothing."""
        parts = [self[begin : begin + _BLOCK]._few_boxes() for begin in range(0, len(self), _BLOCK)]
        return np.concatenate([np.zeros((0, 4), np.int64), *parts])

    def _few_boxes(self) -> NDArray[np.int64]:
        boxes = np.zeros((len(self), 4), np.int64)
        many = (self.last - self.first) // 2
        rows = np.flatnonzero(many)
        if not len(rows):
            return boxes
        edges, height = self.own_edges, self.size[0]
        begin = (np.cumsum(many) - many)[rows]
        (left, top), (right, bottom) = (np.divmod(pixels, height) for pixels in (edges[0::2], edges[1::2] - 1))
        across = left != right  # from the foot of a column to the head of the next
        top, bottom = np.where(across, 0, top), np.where(across, height - 1, bottom)
        low = (np.minimum.reduceat(values, begin) for values in (left, top))
        high = (np.maximum.reduceat(values, begin) + 1 for values in (right, bottom))
        boxes[rows] = np.column_stack([*low, *high])
        return boxes

    def crops(self) -> list[tuple[Covered, int, int]]:
        """The part (h, w) of the frame that each mask is in, and its left and top; of an empty one no pixel."""
        boxes, many = self.boxes, self.last - self.first
        left, top, right, bottom = boxes.T
        tall, wide = bottom - top, right - left
        begin = np.append(0, (tall * wide).cumsum())  # of the parts' pixels, down their columns, one part after another
        of = np.arange(len(self)).repeat(many)
        ends = np.arange(len(of)) % 2  # whose pixel is the one before
        column, row = np.divmod(self.own_edges - ends, self.size[0])
        places = begin[of] + (column - left[of]) * tall[of] + row - top[of] + ends
        bounds = np.concatenate([[0], places, begin[-1:]])
        lengths = bounds[1:] - bounds[:-1]
        covered = (np.arange(len(lengths)) % 2 > 0).repeat(lengths)
        corners = zip(left.tolist(), top.tolist(), wide.tolist(), tall.tolist(), pairwise(begin.tolist()), strict=True)
        return [(covered[a:b].reshape(w, h).T, x, y) for x, y, w, h, (a, b) in corners]

    def dense(self) -> NDArray[np.bool_]:
        """(N, H, W), all False where a row has no mask."""
        whole = np.zeros((len(self), *self.size), bool)
        for mask, (part, left, top) in zip(whole, self.crops(), strict=True):
            mask[top : top + part.shape[0], left : left + part.shape[1]] = part
        return whole

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """What NumPy takes them for: `dense`."""
        if copy is False:
            raise ValueError("masks are kept as runs; an array of them is always a copy")
        return self.dense().astype(dtype or bool, copy=False)

    def to_coco(self) -> list[dict[str, Any] | None]:
        """Each mask in COCO's run-length encoding, `{"size": [H, W], "counts": text}`; None where a row has none."""
        size, pixels = list(self.size), self.size[0] * self.size[1]
        parts = (self[begin : begin + _BLOCK] for begin in range(0, len(self), _BLOCK))
        return [
            {"size": size, "counts": text} if known else None
            for part in parts
            for text, known in zip(
                texts(part.own_edges, part.last - part.first, pixels), part.known.tolist(), strict=True
            )
        ]


class GatheredMasks:
    """Masks of rows, taken one by one in any order: as runs in memory, and only some thousand of them as text."""

    def __init__(self, rows: int, size: tuple[int, int]) -> None:
        """Of so many rows, of frames of (height, width)."""
        self._size = size
        self._place = np.full(rows, -1)  # of a row's among all
        self._parts: list[Masks] = []
        self._text: list[dict[str, Any]] = []
        self._many = 0

    def add(self, row: int, encoded: dict[str, Any]) -> None:
        """Take one as COCO has it, in place of the row's last one.

        Raises:
            InputError: as of `Masks.from_coco`; `all` may raise it, too.
        """
        self._place[row] = self._many
        self._many += 1
        self._text.append(encoded)
        if len(self._text) == 4 * _BLOCK:
            self._decode()

    @property
    def all(self) -> Masks | None:
        """One of each row; None where none was taken."""
        self._decode()
        return Masks.joined(self._parts, self._size).take(self._place) if self._many else None

    def _decode(self) -> None:
        self._parts.append(Masks.from_coco(self._text, self._size))
        self._text.clear()


def rectangles(xyxy: NDArray[Any], size: tuple[int, int]) -> NDArray[np.int64]:
    """(N, 4) the pixels of a frame of (height, width) in boxes (N, 4): left, top, and behind the last right, bottom."""
    return np.asarray(np.clip(np.ceil(xyxy), 0, [size[1], size[0]] * 2), np.int64)


def part_of(
    raster: NDArray[np.float32], scale: ArrayLike, offset: ArrayLike, rectangle: Sequence[int]
) -> NDArray[np.float32]:
    """The values (b - t, r - l) that a coarser raster (h, w) has at the pixels of a frame.

    Args:
        scale, offset: a place x, y of the frame is at `scale * (x, y) + offset` of the raster.
        rectangle: left, top, right, bottom (l, t, r, b) of the pixels asked for.
    """
    left, top, right, bottom = rectangle
    if right <= left or bottom <= top or not raster.size:
        return np.zeros((max(0, bottom - top), max(0, right - left)), np.float32)
    scale = np.asarray(scale)
    begin = scale * (np.array([left, top]) + 0.5) + np.asarray(offset) - 0.5  # the first pixel's middle
    there = np.column_stack([np.diag(scale), begin])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(
        cv2.warpAffine(raster, there, (right - left, bottom - top), flags=flags, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


def _runs(
    crops: Sequence[Covered], corners: Sequence[Sequence[int]], height: int
) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The edges (E,) of N masks in parts (h, w) of a frame of this height, and how many each has (N,)."""
    shapes = np.array([crop.shape for crop in crops], np.int64).reshape(-1, 2)
    sizes = shapes[:, 1] * (shapes[:, 0] + 1)
    begin = np.append(0, sizes.cumsum())
    down = np.zeros(begin[-1] + 1, bool)  # column after column, with a pixel before each that is not covered
    for crop, first, size in zip(crops, begin[:-1].tolist(), sizes.tolist(), strict=True):
        if crop.size:
            tall, wide = crop.shape
            down[first : first + size].reshape(wide, tall + 1)[:, 1:] = cv2.transpose(crop.view(np.uint8)).view(bool)
    places = np.flatnonzero(down[1:] != down[:-1])
    many = np.diff(np.searchsorted(places, begin))
    of = np.arange(len(crops)).repeat(many)
    left, top = np.array(corners, np.int64).reshape(-1, 2)[of].T
    column, row = np.divmod(places - begin[of], shapes[of, 0] + 1)
    edges = (column + left) * height + row + top
    # a run that goes on from the foot of a column to the head of the next is one
    going_on = np.flatnonzero((edges[1:-1:2] == edges[2::2]) & (of[1:-1:2] == of[2::2]))
    if len(going_on):
        gone = np.concatenate([2 * going_on + 1, 2 * going_on + 2])
        many = many - np.bincount(of[gone], minlength=len(many))
        edges = np.delete(edges, gone)
    return edges.astype(np.int32), many
