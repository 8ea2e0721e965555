"""Which detection continues which track: costs as pure functions, gates, stages, one optimal assignment each.

Similarities run from 0 (nothing in common) to 1 and above; a pair may only match above its stage's gate. The predicted
uncertainty decides how wide a box is searched around: a track that is sure of itself is compared strictly, one that
moves wildly, was lost for a while or is seen at a low frame rate is compared widely, without a constant per data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import lap
import numpy as np

from tracker.boxes import height_overlap, near
from tracker.config import AssociationConfig
from tracker.structures import CONFIRMED, TENTATIVE, Detections, Floats, Ints, Mask


class Stage(IntEnum):
    """The stage in which a track was matched."""

    CONFIDENT = 1  # confident detections, believed tracks (seen or lost)
    WEAK = 2  # weak detections extend tracks seen in the frame before (ByteTrack, Zhang et al., ECCV 2022)
    TENTATIVE = 3  # what is left, tracks not believed yet


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the matching needs to know of N live tracks.

    Attributes:
        xyxy: (N, 4) predicted boxes in pixels.
        std: (N, 4) predicted standard deviations of centre x, centre y, width, height in pixels.
        status: (N,) of `Status`: TENTATIVE, CONFIRMED (seen in the frame before) or PREDICTED (lost).
        classes: (N,) class numbers.
    """

    xyxy: Floats
    std: Floats
    status: Ints
    classes: Ints


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of track rows and detection rows, ordered by track; every row at most once.

    Attributes:
        tracks, detections: (K,) rows. stages: (K,) of `Stage`.
    """

    tracks: Ints
    detections: Ints
    stages: Ints


def associate(status: Ints, trust: Floats, similarity: Floats, config: AssociationConfig) -> Matches:
    """Match the stages one after the other, each optimally.

    Args:
        status: (N,) of the tracks. trust: (M,) stretched scores of the detections.
        similarity: (N, M) of `motion_similarity`, with `appearance_bonus` added where there are features.

    A lost track that none of these stages takes up may still return by its look: `match_returns`.
    """
    stages = plan(status, trust, config)
    row, column = pairs = _above(similarity, min(gate for *_, gate in stages))
    value = similarity[pairs]
    floor = confident_floor(status, trust, similarity, config)
    free_tracks, free_found = np.ones(len(status), bool), np.ones(len(trust), bool)
    chosen = []
    for stage, these, those, gate in stages:
        able = (these & free_tracks)[row] & (those & free_found)[column] & (value > gate)
        if stage == Stage.CONFIDENT:
            able &= value >= floor[row]
        tracks, found = _assign(similarity, row[able], column[able], gate)
        free_tracks[tracks], free_found[found] = False, False
        chosen.append((tracks, found, np.full(len(tracks), stage, np.int64)))
    matched = np.concatenate(chosen, axis=1)
    return Matches(*matched[:, np.argsort(matched[0])])


def plan(status: Ints, trust: Floats, config: AssociationConfig) -> tuple[tuple[Stage, Mask, Mask, float], ...]:
    """The stages in their order: which tracks (N,) meet which detections (M,) there, above which similarity."""
    sure = trust >= config.high_score
    believed = status != TENTATIVE
    seen = status == CONFIRMED
    return (
        (Stage.CONFIDENT, believed, sure, config.min_overlap),
        (Stage.WEAK, seen, ~sure, config.min_overlap_weak),
        (Stage.TENTATIVE, ~believed, sure, config.min_overlap_tentative),
    )


def confident_floor(status: Ints, trust: Floats, similarity: Floats, config: AssociationConfig) -> Floats:
    """(N,) least similarity at which a track takes a confident detection, 0 where nothing but the gate bounds it.

    Who comes out from behind somebody is seen surely where the other is seen weakly: a track with a weak detection
    just where it is expected does not leave that for a confident one that fits much less.
    """
    weak = trust < config.high_score
    if not weak.any():
        return np.zeros(len(status), np.float32)
    best = similarity[:, weak].max(axis=1)
    floor: Floats = (best - np.float32(config.weak_lead)) * ((status == CONFIRMED) & (best > config.min_overlap_weak))
    return floor


def motion_similarity(tracks: Candidates, found: Detections, config: AssociationConfig) -> Floats:
    """(N, M) float32: overlap of boxes grown by the prediction's uncertainty, by their vertical agreement, by class."""
    grow = spread(tracks.xyxy, tracks.std, config)
    ratio = grow / (tracks.xyxy[:, 2:] - tracks.xyxy[:, :2])
    row, column = near(tracks.xyxy, found.xyxy, ratio[:, 0])
    own, other = tracks.xyxy.take(row, axis=0), found.xyxy.take(column, axis=0)
    overlap = grown_iou(own, other, ratio.take(row, axis=0))
    if config.height_power:
        overlap *= height_overlap(own, other) ** np.float32(config.height_power)
    overlap[tracks.classes.take(row) != found.classes.take(column)] *= np.float32(config.class_factor)
    similarity = np.zeros((len(tracks.xyxy), len(found)), np.float32)
    similarity[row, column] = overlap
    return similarity


def appearance_bonus(odds: Floats, config: AssociationConfig) -> Floats:
    """(N, M) log-odds that the looks are of one identity -> what that adds to the similarity; 0 where unknown."""
    bonus: Floats = np.float32(config.appearance_weight) * np.tanh(odds / 2)  # 2 p - 1
    return bonus


def ambiguous(similarity: Floats, gate: float, margin: float = 0.3, poor: float = 0.5) -> tuple[Mask, Ints]:
    """Which detections motion alone cannot place.

    Args:
        similarity: (N, M) of believed tracks and detections. gate: least similarity of a pair.
        margin: a second choice that comes this close to the first makes a pair ambiguous.
        poor: so does a similarity below this: somebody else may have come out where the track is expected.

    Returns:
        (M,) True where a detection has no track that fits well, or where it or its track has a close second choice;
        and (M,) its best track's row (meaningless where there is none).
    """
    n, m = similarity.shape
    if not n or not m:
        return np.ones(m, bool), np.zeros(m, np.int64)
    best = similarity.argmax(axis=0)
    value = similarity[best, np.arange(m)]
    close = similarity > np.maximum(value - margin, gate)
    rivals = close.sum(axis=0) > 1
    wanted_twice = (similarity > np.maximum(similarity.max(axis=1, keepdims=True) - margin, gate)).sum(axis=1) > 1
    return (value <= max(gate, poor)) | rivals | wanted_twice[best], best


def match_returns(odds: Floats, config: AssociationConfig) -> tuple[Ints, Ints]:
    """Lost tracks that come back, by log-odds (N, M) alone: mutual best pairs that stand clear of every runner-up.

    A wrong return gives two people one id, a missed one only splits a track: so in doubt nobody returns.

    Returns:
        (K,) rows and (K,) columns.
    """
    n, m = odds.shape
    if not n or not m:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    best = odds.argmax(axis=1)
    rows = np.flatnonzero(
        (odds[np.arange(n), best] >= config.return_odds) & (odds.argmax(axis=0)[best] == np.arange(n))
    )
    columns = best[rows]
    value = odds[rows, columns]
    others = odds.copy()
    others[rows, columns] = -np.inf
    runner_up = np.maximum(others[rows].max(axis=1), others[:, columns].max(axis=0))
    clear = value - runner_up >= config.return_margin
    return rows[clear], columns[clear]


def motion_odds(expected: Floats, std: Floats, found: Floats) -> Floats:
    """(N, M) log-odds, at most 0, that lost tracks expected at (N, 4) centres and sizes are now at these (M, 4) boxes.

    The log-density of a bivariate Cauchy around the expected centre, heavy-tailed because who is hidden may turn,
    relative to that at a usual distance. Nearness is no evidence: whoever else comes out there is near as well.

    Args:
        std: (N, 4) standard deviations of centre x, centre y, width, height.
    """
    centre = (found[:, :2] + found[:, 2:]) / 2
    squared = (((centre[None] - expected[:, None, :2]) / std[:, None, :2]) ** 2).sum(axis=-1)
    odds: Floats = -1.5 * np.maximum(np.log1p(squared) - np.log(np.float32(3)), 0)  # usual: one deviation in x and y
    return odds


def spread(xyxy: Floats, std: Floats, config: AssociationConfig) -> Floats:
    """(N, 2) pixels by which a predicted box grows to each side: its centre's uncertainty, bounded by its size."""
    size = xyxy[:, 2:] - xyxy[:, :2]
    margin: Floats = np.minimum(np.float32(config.spread) * std[:, :2], np.float32(config.spread_limit) * size)
    return margin


def grown_iou(tracks: Floats, found: Floats, ratio: Floats) -> Floats:
    """IoU of tracks (..., 4) and detections (..., 4), both grown by the track's (..., 2) share of their own size.

    Buffered IoU (Yang et al., WACV 2023) with a buffer of its own for each track. Shapes broadcast.
    """
    size, other = tracks[..., 2:] - tracks[..., :2], found[..., 2:] - found[..., :2]
    margin, other_margin = ratio * size, ratio * other
    common = np.minimum(tracks[..., 2:] + margin, found[..., 2:] + other_margin)
    common -= np.maximum(tracks[..., :2] - margin, found[..., :2] - other_margin)
    np.maximum(common, 0, out=common)
    overlap = _product(common)
    grown: Floats = overlap / ((_product(size) + _product(other)) * _product(1 + 2 * ratio) - overlap)
    return grown


def _product(pairs: Floats) -> Floats:
    product: Floats = pairs[..., 0] * pairs[..., 1]  # quicker than a reduction over two
    return product


def assign(similarity: Floats, gate: float) -> tuple[Ints, Ints]:
    """The pairs that maximise the sum of (similarity - gate), using only pairs above the gate.

    Pairs that are each other's only choice need no solver; the rest goes to Jonker-Volgenant (`lap`).

    Args:
        similarity: (N, M). gate: least similarity of a pair.

    Returns:
        (K,) rows and (K,) columns, in the caller's own numbering, ordered by row.
    """
    return _assign(similarity, *_above(similarity, gate), gate)


def _above(similarity: Floats, gate: float) -> tuple[Ints, Ints]:
    """Rows and columns (P,) of the pairs above the gate, ordered by row: few of many in a frame full of objects."""
    flat = np.flatnonzero(similarity > gate)
    width = max(similarity.shape[1], 1)
    return flat // width, flat % width


def _assign(similarity: Floats, row: Ints, column: Ints, gate: float) -> tuple[Ints, Ints]:
    """`assign` of the pairs (P,) above the gate, ordered by row."""
    if len(row) < 2:
        return row, column
    contested = (np.bincount(row) > 1)[row] | (np.bincount(column) > 1)[column]
    if not contested.any():
        return row, column
    these, those = row[contested], column[contested]
    rows, columns = np.flatnonzero(np.bincount(these)), np.flatnonzero(np.bincount(those))
    gain = similarity[these, those].astype(np.float64) - gate
    # lap minimises with the option of leaving out a pair at `cost_limit`: cost = limit - gain keeps all gains positive
    limit = float(gain.max()) + 1.0
    cost = np.full((len(rows), len(columns)), limit + 1.0)
    cost[rows.searchsorted(these), columns.searchsorted(those)] = limit - gain
    _, chosen, _ = lap.lapjv(cost, extend_cost=True, cost_limit=limit)
    paired = (chosen >= 0) & (cost[np.arange(len(rows)), chosen] < limit)
    left = np.concatenate([row[~contested], rows[paired]])
    order = np.argsort(left)
    return left[order], np.concatenate([column[~contested], columns[chosen[paired]]])[order]
