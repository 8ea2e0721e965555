"""Objects made unreadable: pixelated by mask, by head or by box, also where they are only expected to be.

Privacy is worth more than a clear picture, so what may be one of them counts: detections of which no track has come
(yet), boxes a little larger than the object, and the place where one was seen a moment ago, or will be in a moment,
that nothing is found of.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tracker.boxes import area, largest, paired_fraction
from tracker.columns.masks import Covered, Masks
from tracker.detection.detector import class_numbers
from tracker.errors import UsageError
from tracker.structures import Detections, Floats, Image, Tracks
from tracker.system.snapshots.resumable import Resumable

HEADS = "heads"
_PERSON = "person"
_NEARLY_HEADS = {"head", "face", "faces"}  # what people write who mean heads
_MARGIN = 0.1  # of a box's longer side, beyond each side: across a person boxes err by as many pixels as along it
_BLOCKS_LONG, _BLOCKS_SHORT = 8, 3  # the most blocks along an object's longer and shorter side: no face, no letter
_LEAST_BLOCK_PX = 6
_SAMPLES = 8  # pixels along a block's side that its colour is made of: more take longer, and nobody sees it
_CELLS = 4  # of a mask along a block's side: what is painted is as coarse
_LEAST_MASK = 0.2  # of its box that a mask covers; one that covers less has missed the object
_HOLD_S = 1.0  # so long the place of an object that nothing is found of is still hidden
_GROWTH = 0.5  # of its longer side, a second: how far the object may have gone from there
_HIDDEN = 0.5  # of such a place that something else hides: then that is the object

_FACE, _EARS, _SHOULDERS = slice(0, 5), slice(3, 5), slice(5, 7)  # of COCO's 17 keypoints
_COCO_POINTS = 17
_SURE = 0.5  # confidence that a keypoint has to have
_BY_FACE, _BY_SHOULDERS, _BY_HEIGHT = 2.0, 0.45, 0.1  # reach of a head from the middle of its face, in lengths of each
_UPPER, _UPPER_BY_WIDTH = 0.3, 0.75  # how far down a person's head may be, in heights and widths of its box


class Blur(Resumable):
    """Pixelates the objects of some classes in one stream's pictures, frame after frame.

    An object with a mask is covered by that, made a little larger; without one, and while it is predicted, its box is.
    "heads" are those of people: around COCO's keypoints of face and shoulders where they are sure, else the upper part
    of the person's box. Blocks are at least a third of the object's shorter side and an eighth of its longer one, too
    large for a face or letters. Who knows what an object looks like may still know it by its colours, size and gait.

    Args:
        classes: names or numbers of classes, and "heads".
        names: class number -> name, of the detector.
        model: its weights, for whoever names a class that it does not know.

    Raises:
        UsageError: a class that the detector does not know; none at all.

    Examples:
        >>> import numpy as np
        >>> picture = np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)
        >>> blur = Blur(["person"], {0: "person"})
        >>> blur(picture, Detections([[20, 20, 60, 60]]), time_s=0.0)
        >>> len(np.unique(picture[20:60, 20:60].reshape(-1, 3), axis=0))
        16
    """

    saved = ("_time_s", "_size", "_left", "_left_s")
    rebuilt = ("_whole", "_headed")

    def __init__(self, classes: Sequence[str], names: Mapping[int, str], model: str = "") -> None:
        wanted = [str(name).strip() for name in classes]
        known = {name.lower() for name in names.values()}
        for name in wanted:
            if name.lower() in _NEARLY_HEADS - known:
                raise UsageError(f"the detector knows no class {name!r}; did you mean 'heads', those of people?")
        whole = [name for name in wanted if name.lower() != HEADS or HEADS in known]
        self._whole = np.array(class_numbers(whole, names, model) or [], np.int64)
        self._headed = np.zeros(0, np.int64)
        if len(whole) < len(wanted):
            if _PERSON not in known:
                raise UsageError(
                    f"the detector knows no class {_PERSON!r}, whose heads could be blurred; name the classes to blur"
                )
            self._headed = np.array(class_numbers([_PERSON], names), np.int64)
        if not wanted:
            raise UsageError("no class to blur; name some, or heads")
        self._time_s, self._size = -math.inf, (0, 0)  # of the last picture, and its width and height
        self._left, self._left_s = np.zeros((0, 4), np.float32), np.zeros(0)  # what was hidden lately, and when last

    @property
    def classes(self) -> list[int]:
        """The numbers of the classes whose objects, or heads, it hides."""
        return sorted({*self._whole.tolist(), *self._headed.tolist()})

    def __call__(
        self, image: Image, *objects: Tracks | Detections | None, time_s: float, soon: Sequence[Floats] = ()
    ) -> None:
        """Pixelate in place.

        Args:
            image: (H, W, 3) BGR, of the frame.
            objects: all that is known of where objects are in it: its tracks, and its detections, of which tracks may
                leave some out; None where nobody looked.
            time_s: of the frame, later than that of the frame before; a new stream may begin where it likes.
            soon: boxes (N, 4) that are hidden, too, unless something else there is: what `Foreseen` says.
        """
        if time_s <= self._time_s:
            self._left, self._left_s = self._left[:0], self._left_s[:0]
        size = (image.shape[1], image.shape[0])
        if len(self._left) and size != self._size:  # a stream has changed the size of its pictures
            self._left = (self._left * np.tile(np.divide(size, self._size), 2)).astype(np.float32)
        self._time_s, self._size = time_s, size
        boxes, alone = [self._left[:0]], [self._left[:0]]
        done: set[tuple[int, int, int]] = set()  # masks: a track has that of its detection
        for rows in (known for known in objects if known is not None):
            whole, headed = self._rows(rows, self._whole), self._rows(rows, self._headed)
            shown = np.ones(len(whole), bool)  # as boxes
            if whole.masks is not None:
                shown = ~_hide_masks(image, whole.xyxy, whole.masks, done)
            alone += [whole.xyxy[shown], heads(headed.xyxy, headed.keypoints)]
            boxes += [whole.xyxy, alone[-1]]
        hidden = np.concatenate(boxes)
        missing = (time_s - self._left_s <= _HOLD_S) & _apart(self._left, hidden)
        left, left_s = self._left[missing], self._left_s[missing]
        self._left, self._left_s = np.concatenate([hidden, left]), np.append(np.full(len(hidden), time_s), left_s)
        longer = (left[:, 2:] - left[:, :2]).max(axis=1, initial=0)
        gone = (_GROWTH * (time_s - left_s) * longer)[:, None] * np.array([-1, -1, 1, 1])
        _hide_boxes(image, np.concatenate([*alone, left + gone, *(_not_among(hidden, boxes) for boxes in soon)]))

    def boxes(self, found: Detections) -> Floats:
        """(N, 4) of what it hides of these."""
        whole, headed = self._rows(found, self._whole), self._rows(found, self._headed)
        return np.concatenate([whole.xyxy, heads(headed.xyxy, headed.keypoints)])

    @staticmethod
    def _rows(rows: Tracks | Detections, classes: NDArray[np.int64]) -> Tracks | Detections:
        """Those of these classes, by their track's or by this frame's."""
        among = np.isin(rows.classes, classes)
        if isinstance(rows, Tracks):
            among |= np.isin(rows.raw_classes, classes)
        return rows[among]


def to_look_for(classes: Sequence[str]) -> list[str]:
    """The classes that a detector has to look for where these are to be hidden.

    >>> to_look_for(["car", "heads"])
    ['car', 'person']
    """
    return [_PERSON if name.strip().lower() == HEADS else name for name in classes]


def of_what_is_looked_for(
    classes: Sequence[str], looked_for: Sequence[str], names: Mapping[int, str], model: str = ""
) -> Blur | None:
    """What hides these; None where nothing is to be hidden.

    Args:
        classes, names, model: as of `Blur`. looked_for: names or numbers of classes; empty: all.

    Raises:
        UsageError: as of `Blur`; or a class that is not looked for, and so would not be hidden.
    """
    if not classes:
        return None
    blur, numbers = Blur(classes, names, model), class_numbers(looked_for, names)
    missed = [] if numbers is None else [names[number] for number in blur.classes if number not in numbers]
    if missed:
        raise UsageError(
            f"{' and '.join(missed)} cannot be blurred without being looked for; name it in --classes, too"
        )
    return blur


class Foreseen:
    """What later frames show of objects that nothing is found of yet: somebody who comes in is seen late.

    A box that is hidden in a frame is also to be hidden in those before it that still wait, back to the one in which
    something was found there, or for a second.

    Args:
        blur: what is hidden.
    """

    def __init__(self, blur: Blur) -> None:
        self._blur = blur
        self._before: deque[tuple[float, Floats, list[Floats]]] = deque()  # time, boxes, and what is still to come

    def push(self, found: Detections | None, time_s: float) -> list[Floats]:
        """Take the next frame's detections, None where it was not looked at; return a list to which those of later
        frames are added, for `Blur`.
        """
        while self._before and not 0 <= time_s - self._before[0][0] <= _HOLD_S:
            self._before.popleft()
        own = boxes = np.zeros((0, 4), np.float32) if found is None else self._blur.boxes(found)
        for _, earlier, soon in reversed(self._before):
            boxes = _not_among(earlier, boxes)
            if not len(boxes):
                break
            soon.append(boxes)
        soon = []
        self._before.append((time_s, own, soon))
        return soon


def looking_ahead(
    blur: Blur, frames: Iterable[tuple[float, Detections | None]]
) -> Iterator[tuple[Detections | None, list[Floats]]]:
    """Of the times of all frames of a video and what was found in each: that, and what later ones show (`Foreseen`)."""
    ahead = Foreseen(blur)
    waiting: deque[tuple[float, tuple[Detections | None, list[Floats]]]] = deque()
    for time_s, found in frames:
        waiting.append((time_s, (found, ahead.push(found, time_s))))
        while time_s - waiting[0][0] > _HOLD_S:
            yield waiting.popleft()[1]
    yield from (known for _, known in waiting)


def _apart(boxes: Floats, others: Floats) -> NDArray[np.bool_]:
    """(N,) which of the boxes (N, 4) are another object's than others (M, 4), which hide too little of them."""
    return np.asarray(largest(paired_fraction, boxes, others) < _HIDDEN)


def _not_among(others: Floats, boxes: Floats) -> Floats:
    return boxes[_apart(boxes, others)]


def places(found: Detections) -> Detections:
    """The detections without what does not matter to where they are: to be held, where a GPU's copy is not."""
    return Detections(found.xyxy, classes=found.classes, masks=found.masks, keypoints=found.keypoints)


def heads(xyxy: Floats, keypoints: Floats | None) -> Floats:
    """(N, 4) where the heads of people in boxes (N, 4) are, by their keypoints (N, 17, 3) where these say it surely."""
    width, height = (xyxy[:, 2:] - xyxy[:, :2]).T
    upper = xyxy.copy()
    upper[:, 3] = xyxy[:, 1] + np.minimum(height, np.maximum(_UPPER * height, _UPPER_BY_WIDTH * width))
    if keypoints is None or keypoints.shape[1] != _COCO_POINTS:
        return upper
    sure = np.isfinite(keypoints).all(axis=2) & (keypoints[..., 2] >= _SURE)
    face, points = sure[:, _FACE], np.where(sure[..., None], keypoints[..., :2], 0)
    middle = points[:, _FACE].sum(axis=1) / np.maximum(1, face.sum(axis=1))[:, None]
    spread = np.where(face, np.linalg.norm(points[:, _FACE] - middle[:, None], axis=2), 0).max(axis=1, initial=0)
    shouldered = sure[:, _SHOULDERS].all(axis=1)
    apart = np.where(shouldered, np.linalg.norm(points[:, 5] - points[:, 6], axis=1), 0)
    reach = np.maximum(np.maximum(_BY_FACE * spread, _BY_SHOULDERS * apart), _BY_HEIGHT * height)
    known = (face.sum(axis=1) >= 2) & (shouldered | sure[:, _EARS].any(axis=1))
    around = np.concatenate([middle - reach[:, None], middle + reach[:, None]], axis=1)
    return np.where(known[:, None], around, upper).astype(np.float32)


def _hide_boxes(image: Image, xyxy: NDArray[Any]) -> None:
    """Pixelate boxes (N, 4), each a little larger than it is, unless it lies in one that is."""
    margin = _MARGIN * (xyxy[:, 2:] - xyxy[:, :2]).max(axis=1, initial=0, keepdims=True)
    grown = xyxy + margin * np.array([-1, -1, 1, 1])
    blocks = _block_px(xyxy).tolist()
    inside = ((grown[:, None, :2] <= xyxy[:, :2]) & (grown[:, None, 2:] >= xyxy[:, 2:])).all(axis=2)
    hidden = np.zeros(len(xyxy), bool)  # already
    for row, box in enumerate(grown.tolist()):
        if not hidden[row]:
            hidden |= inside[row]
            part, _ = _part(image, box)
            if part.size:
                part[:] = _in_blocks(part, blocks[row])


def _hide_masks(image: Image, xyxy: Floats, masks: Masks, done: set[tuple[int, int, int]]) -> NDArray[np.bool_]:
    """Pixelate masks that are not `done`, a little larger than they are; (N,) which rows are hidden.

    Those without a mask are not, nor are those whose mask covers so little of the box that it has missed the object.
    """
    blocks, least = _block_px(xyxy).tolist(), (_LEAST_MASK * area(xyxy)).tolist()
    hidden = masks.known
    # its end, too: a mask of no pixel begins where the next one does
    which = [(id(masks.edges), *ends) for ends in zip(masks.first.tolist(), masks.last.tolist(), strict=True)]
    rows = [row for row in np.flatnonzero(hidden).tolist() if which[row] not in done]
    for row, (covered, left, top) in zip(rows, masks[np.array(rows, np.int64)].crops(), strict=True):
        hidden[row] = np.count_nonzero(covered) >= least[row]
        if hidden[row]:
            _hide_mask(image, covered, left, top, blocks[row])
            done.add(which[row])
    return hidden


def _hide_mask(image: Image, covered: Covered, left: int, top: int, block: float) -> None:
    """Pixelate what is covered (h, w) there, and what is within a quarter of a block of it."""
    tall, wide = covered.shape
    cell = max(2, round(block / _CELLS))
    part, origin = _part(image, (left - 2 * cell, top - 2 * cell, left + wide + 2 * cell, top + tall + 2 * cell))
    if not part.size:
        return
    height, width = part.shape[0], part.shape[1]
    rows, columns = -(-height // cell), -(-width // cell)
    inside = np.zeros((rows * cell, columns * cell), np.uint8)  # of whole cells: OpenCV is several times as quick
    place = inside[top - origin[1] :, left - origin[0] :][:tall, :wide]
    place[:] = covered[: place.shape[0], : place.shape[1]] * np.uint8(255)
    cells = cv2.resize(inside, (columns, rows), interpolation=cv2.INTER_AREA)
    touched = _stretched(cv2.dilate(cells, np.ones((3, 3), np.uint8)), inside.shape)
    cv2.copyTo(_in_blocks(part, block), np.ascontiguousarray(touched[:height, :width]), part)


def _block_px(xyxy: NDArray[Any]) -> NDArray[Any]:
    """(N,) side of the blocks over boxes (N, 4)."""
    size = xyxy[:, 2:] - xyxy[:, :2]
    few = np.maximum(size.max(axis=1) / _BLOCKS_LONG, size.min(axis=1) / _BLOCKS_SHORT)
    return np.asarray(np.maximum(few, _LEAST_BLOCK_PX))


def _part(image: Image, box: Sequence[float]) -> tuple[Image, tuple[int, int]]:
    """The pixels (h, w, 3) that a box touches, and the left and top of the first."""
    left, top = max(0, math.floor(box[0])), max(0, math.floor(box[1]))
    return image[top : max(top, math.ceil(box[3])), left : max(left, math.ceil(box[2]))], (left, top)


def _in_blocks(part: Image, block: float) -> Image:
    """The same (h, w, 3) in blocks of about so many pixels, each of one colour: the mean of some of its pixels."""
    height, width = part.shape[0], part.shape[1]
    step = max(1, int(block / _SAMPLES))
    coarse = max(1, round(width / block)), max(1, round(height / block))
    return _stretched(cv2.resize(part[::step, ::step], coarse, interpolation=cv2.INTER_AREA), (height, width))


def _stretched(coarse: Any, size: tuple[int, int]) -> Image:
    """Each pixel as a block, in a picture of (height, width); OpenCV's own takes several times as long."""
    rows, columns = (np.arange(side) * old // side for side, old in zip(size, coarse.shape, strict=False))
    return np.asarray(coarse.take(columns, axis=1).take(rows, axis=0), np.uint8)
