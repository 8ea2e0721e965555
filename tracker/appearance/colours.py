"""Colours: beside the embeddings a second witness of who comes back to the same camera.

A network that learned to know people by other cameras is made blind for what light changes. Where the camera is the
same, that is evidence: two coats that look alike to the network may have colours that do not. Another camera shows
other colours, so each tracker remembers those of its own.
"""

from __future__ import annotations

import cv2
import numpy as np

from tracker.appearance.embedder import visible_pixels
from tracker.appearance.normalisation import SimilarityScale
from tracker.appearance.similarity import Calibration
from tracker.structures import Detections, Floats, Image, Ints
from tracker.system.state import Stateful, fits

_HEIGHT, _WIDTH = 64, 32  # pixels that a crop is brought to
_STRIPES = 4  # from head to foot
_BINS = (8, 4, 4)  # of hue, saturation and value
LENGTH = _STRIPES * _BINS[0] * _BINS[1] * _BINS[2]
_FROM_MIDDLE = (np.arange(_WIDTH) - (_WIDTH - 1) / 2) / 8
_COUNTS = np.tile(np.exp(-(_FROM_MIDDLE**2) / 2), _HEIGHT)  # what each pixel counts: background less
_BIN_OF_VALUE = np.arange(256) * _BINS[2] // 256
_BIN_OF_SATURATION = np.arange(256) * _BINS[1] // 256 * _BINS[2]
_BIN_OF_HUE = np.arange(180) * _BINS[0] // 180 * _BINS[1] * _BINS[2]
_BIN_OF_STRIPE = np.repeat(np.arange(_HEIGHT) * _STRIPES // _HEIGHT, _WIDTH) * (LENGTH // _STRIPES)  # of each pixel
_LATEST = 0.1  # least weight of a new histogram beside what is remembered
CALIBRATION = Calibration(
    threshold=0.72,
    threshold_per_log_s=0.0,
    slope=14.0,  # less than half of what colours alone would say: the embedding is no independent witness
    slope_per_log_s=0.0,
    different_mean=0.55,
    different_deviation=0.12,
    same_mean=0.93,  # of people a quarter of a second apart, eight frames of MOT17-04
)


class ColourMemory(Stateful):
    """What colours each identity had, by one camera, and what their similarity means in this stream.

    Args:
        size: identities that are remembered at most, those seen last.
    """

    saved = ("_ids", "_seen_s", "_counts", "_histograms", "_scale")
    rebuilt = ("_size",)

    def __init__(self, size: int) -> None:
        self._size = size
        self._ids, self._seen_s = np.zeros(0, np.int64), np.zeros(0)  # of each row, and when it was seen last
        self._counts = np.zeros(0, np.int64)  # how often it was looked at
        self._histograms = np.zeros((0, LENGTH), np.float32)  # unit rows
        self._scale = SimilarityScale.before_any(CALIBRATION)

    def _check_state(self) -> None:
        rows = len(self._ids)
        fits(len(self._seen_s) == len(self._counts) == len(self._histograms) == rows, "number of remembered colours")

    def look(self, image: Image | None, ids: Ints, found: Detections, rows: Ints, time_s: float) -> None:
        """Take in what colours these identities (N,) have, seen in these rows (N,); without a picture nothing."""
        if image is not None and self._size and len(ids):
            seen = found[rows]
            self.remember(ids, seen.with_features(histograms(image, seen.xyxy)), time_s)

    def remember(self, ids: Ints, seen: Detections, time_s: float) -> None:
        """Take in the histograms of these identities (N,), the features of these detections; NaN: none was taken."""
        assert seen.features is not None
        given = ~np.isnan(seen.features[:, 0])
        if not given.any():
            return
        ids, seen = ids[given][: self._size], seen[given][: self._size]
        assert seen.features is not None
        self._scale.learn(seen)
        rows = self._rows(ids)
        old, count = self._histograms[rows], self._counts[rows] + 1
        first = (count == 1)[:, None]
        self._scale.learn_same(np.einsum("nd,nd->n", np.where(first, np.nan, old), seen.features), seen.classes)
        weight = np.maximum(2 / (count + 1), _LATEST).astype(np.float32)[:, None]  # the k-th look counts k-fold
        blend = np.where(first, seen.features, old + weight * (seen.features - old))
        self._histograms[rows] = blend / np.linalg.norm(blend, axis=1, keepdims=True)
        self._seen_s[rows], self._counts[rows] = time_s, count

    def odds(self, known: Ints, new: Ints, classes: Ints) -> Floats:
        """(N, M) log-odds that identities (N,) are new ones (M,) of these classes; 0 where colours are not known."""
        similarity = np.full((len(known), len(new)), np.nan, np.float32)
        rows = self._find(known)
        similarity[rows >= 0] = (self._histograms @ self._of(new).T)[rows[rows >= 0]]
        return self._scale.log_odds(CALIBRATION, similarity, 0.0, classes)

    def _of(self, ids: Ints) -> Floats:
        """(N, D) histograms, NaN where there is none."""
        rows = self._find(ids)
        found = np.full((len(ids), LENGTH), np.nan, np.float32)
        found[rows >= 0] = self._histograms[rows[rows >= 0]]
        return found

    def _find(self, ids: Ints) -> Ints:
        """(N,) the row of each; -1 where there is none."""
        if not len(self._ids):
            return np.full(len(ids), -1, np.int64)
        equal = self._ids == ids[:, None]
        return np.where(equal.any(axis=1), equal.argmax(axis=1), -1)

    def _rows(self, ids: Ints) -> Ints:
        """(N,) the row of each: where it has none a new one, or that of the identity longest unseen."""
        rows = self._find(ids)
        fresh = np.flatnonzero(rows < 0)
        more = min(len(fresh), self._size - len(self._ids))
        for name in ("_ids", "_seen_s", "_counts", "_histograms") if more else ():
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros((more, *column.shape[1:]), column.dtype)]))
        seen_s = np.where(self._ids > 0, self._seen_s, -np.inf)
        seen_s[rows[rows >= 0]] = np.inf
        rows[fresh] = np.argsort(seen_s, kind="stable")[: len(fresh)]
        self._ids[rows[fresh]], self._counts[rows[fresh]] = ids[fresh], 0
        return rows


def histograms(image: Image, xyxy: Floats) -> Floats:
    """(H, W, 3) uint8 BGR and (N, 4) boxes in pixels -> (N, D) unit rows, NaN where nothing is visible.

    Roots of the shares of each hue, saturation and value in each stripe; columns count by how near the middle they are.
    """
    rows = np.full((len(xyxy), LENGTH), np.nan, np.float32)
    corners, visible = visible_pixels(xyxy, image.shape[1], image.shape[0])
    for row, (left, top, right, bottom) in zip(visible, corners, strict=True):
        crop = cv2.resize(image[top:bottom, left:right], (_WIDTH, _HEIGHT), interpolation=cv2.INTER_AREA)
        hue, saturation, value = cv2.cvtColor(crop, cv2.COLOR_BGR2HSV).reshape(-1, 3).T
        bins = _BIN_OF_STRIPE + _BIN_OF_HUE[hue] + _BIN_OF_SATURATION[saturation] + _BIN_OF_VALUE[value]
        rows[row] = np.sqrt(np.bincount(bins, _COUNTS, minlength=LENGTH))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows
