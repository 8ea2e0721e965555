"""Data association, which detection continues which track: costs, gates, stages, one Hungarian assignment each.

Similarities run from 0 (nothing in common) to 1 and above; a pair may only match above its stage's gate. The predicted
uncertainty decides how wide a box is searched around: a track that is sure of itself is compared strictly, one that
moves wildly, was lost for a while or is seen at a low frame rate is compared widely, without a constant per data set.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from tracker.association.assignment import Candidates, best_pairs
from tracker.boxes import alike_in_height, grown_iou, height_overlap, near, nearest_by_far
from tracker.config import AssociationConfig
from tracker.structures import CONFIRMED, PREDICTED, TENTATIVE, Detections, Floats, Ints, Mask


class Stage(IntEnum):
    """The stage in which a track was matched."""

    CONFIDENT = 1  # confident detections, confirmed tracks (seen or lost)
    WEAK = 2  # weak detections extend tracks seen in the frame before (ByteTrack, Zhang et al., ECCV 2022)
    TENTATIVE = 3  # what is left, tracks not confirmed yet
    FAR = 4  # what overlaps too little for any gate, and is nearest to each other by far


WEAK, FAR = int(Stage.WEAK), int(Stage.FAR)  # plain numbers, which arrays are compared with more quickly

_TALLER = 1.75  # times as tall as a lost track at most, or as short
_FAR_LOOK = -3.0  # e to this, times what the appearance adds, is what distances are multiplied by

Appearance = Callable[[Ints, Ints], Floats]
"""Rows of tracks and rows of detections, shapes broadcast -> what their embeddings add to the similarity."""


@dataclass(frozen=True, eq=False)
class TrackPredictions:
    """What the matching needs to know of N live tracks.

    Attributes:
        xyxy: (N, 4) predicted boxes in pixels.
        std: (N, 4) predicted standard deviations of centre x, centre y, width, height in pixels.
        status: (N,) of `Status`: TENTATIVE, CONFIRMED (seen in the frame before) or PREDICTED (lost).
        classes: (N,) class numbers.
        upright: (N,) from 0 to 1, how much of the configured height power counts; None: all of it.
        lift: (N,) from 1, what little overlaps are multiplied by; None: nothing.
    """

    xyxy: Floats
    std: Floats
    status: Ints
    classes: Ints
    upright: Floats | None = None
    lift: Floats | None = None


@dataclass(frozen=True, eq=False)
class Matches:
    """Pairs of track rows and detection rows, ordered by track; every row at most once.

    Attributes:
        tracks, detections: (K,) rows. stages: (K,) of `Stage`.
    """

    tracks: Ints
    detections: Ints
    stages: Ints

    @classmethod
    def none(cls) -> Self:
        return cls(*np.zeros((3, 0), np.int64))


class Rule(NamedTuple):
    """What may match in one stage.

    Attributes:
        stage: its name. tracks: (N,) those that it is for. detections: (M,) likewise.
        gate: a pair's similarity is above this, and
        floor: (N,) at least this, by track; None: nothing but the gate bounds it.
    """

    stage: Stage
    tracks: Mask
    detections: Mask
    gate: float
    floor: Floats | None = None

    def admits(
        self, row: Ints, column: Ints, similarity: Floats, tracks: Mask | bool = True, detections: Mask | bool = True
    ) -> Mask:
        """(P,) which of these pairs may match here: (P,) rows of tracks and of detections, and their similarity.

        `tracks` (N,) and `detections` (M,) are those that are still free.
        """
        able = (self.tracks & tracks).take(row) & (self.detections & detections).take(column)
        able &= similarity > self.gate
        if self.floor is not None:
            able &= similarity >= self.floor.take(row)
        return able


@dataclass(frozen=True, eq=False)
class Decision:
    """One frame's association: N tracks that were looked for, M detections, and (N, M) what was thought of each pair.

    `overlap * height * same_class + appearance` is `similarity` to the last bit, and `similarity` is what decided: of
    its pairs in `allowed` that earlier stages left, a stage matches those with the largest sum of similarity over gate.

    Attributes:
        ids: (N,) int64 of the tracks. predicted: where they were expected.
        grown: (N, 2) float32 pixels by which a track's box grew to each side, across and down.
        found: the detections, the surest first. given: (M,) int64 their rows in what `update` was given.
        confidence: (M,) float32 their scores, stretched to what scores mean in this stream.
        overlap: float32 IoU of the two boxes, both grown by the prediction's uncertainty, times the track's lift.
        height: float32 factor in [0, 1] for how well top and bottom agree.
        same_class: float32 factor for the class, 1 where it is the same.
        appearance: float32 what the embeddings add; 0 where nothing is known, nor in favour of what does not overlap.
        similarity: float32, all of these together.
        stages: int64 the `Stage` in which the two may meet, 0 where there is none.
        gates: float64 the least similarity there, NaN where there is none.
        allowed: bool, does the similarity suffice?
        matches: what was decided.
    """

    ids: Ints
    predicted: TrackPredictions
    grown: Floats
    found: Detections
    given: Ints
    confidence: Floats
    overlap: Floats
    height: Floats
    same_class: Floats
    appearance: Floats
    similarity: Floats
    stages: Ints
    gates: NDArray[np.float64]
    allowed: Mask
    matches: Matches


def associate(
    status: Ints, confidence: Floats, motion: Candidates, appearance: Appearance | None, config: AssociationConfig
) -> Matches:
    """Data association: the stages one after the other, each by one optimal (Hungarian) assignment.

    Args:
        status: (N,) of the tracks. confidence: (M,) calibrated scores of the detections.
        motion: of `motion_similarity`. appearance: None: there are no embeddings.

    A lost track that none of these stages takes up may still be re-identified by its appearance:
    `appearance/reidentification.py`. Why a pair was matched, or not, says `decision_of`.
    """
    pairs = near_pairs(motion, appearance)
    rules = plan(status, confidence, pairs, config)
    pairs = pairs.take((pairs.similarity > min(rule.gate for rule in rules)).nonzero()[0])
    free_tracks, free_found = np.ones(len(status), bool), np.ones(len(confidence), bool)
    chosen = []
    for rule in rules:
        able = pairs.take(rule.admits(*pairs, free_tracks, free_found).nonzero()[0])
        tracks, found = best_pairs(able, rule.gate)
        free_tracks[tracks], free_found[found] = False, False
        chosen.append((tracks, found, np.full(len(tracks), int(rule.stage))))
    matched = np.concatenate(chosen, axis=1)
    return Matches(*matched[:, matched[0].argsort()])


def near_pairs(motion: Candidates, appearance: Appearance | None) -> Candidates:
    """The pairs of `motion_similarity` with what appearance adds.

    Looks alone match nothing here: objects that look alike are anywhere. Who comes back elsewhere is re-identified.
    """
    if appearance is None:
        return motion
    return Candidates(motion.row, motion.column, motion.similarity + appearance(motion.row, motion.column))


def add_far(
    matches: Matches,
    tracks: TrackPredictions,
    found: Detections,
    sure: Mask,
    appearance: Appearance | None,
    reach: Callable[[], Floats],
) -> Matches:
    """The matches, and pairs of what they leave that overlap too little and can hardly be wrong.

    An object whose velocity is not known, or that turns, may be out of its box's reach. What looks alike counts as
    nearer; what looks different does not count as further away: it may have turned.

    Args:
        sure: (M,) detections that may be matched so. appearance: None: there are no embeddings.
        reach: gives (N,) the sizes of itself by which a track may be away; asked only where a sure detection is left.
    """
    left = sure.copy()
    left[matches.detections] = False
    columns = left.nonzero()[0]
    if not len(columns):
        return matches
    steps = reach()
    steps[matches.tracks] = 0
    if not len(rows := steps.nonzero()[0]):
        return matches
    alike = np.zeros(1) if appearance is None else np.maximum(appearance(rows[:, None], columns), 0)
    weight = np.broadcast_to(np.exp(_FAR_LOOK * alike), (len(rows), len(columns))).copy()
    weight[tracks.classes[rows, None] != found.classes[columns]] = np.inf
    row, column = nearest_by_far(tracks.xyxy[rows], found.xyxy[columns], steps[rows], weight)
    if not len(row):
        return matches
    more = rows[row], columns[column], np.full(len(row), FAR)
    matched = np.concatenate([(matches.tracks, matches.detections, matches.stages), more], axis=1)
    return Matches(*matched[:, np.argsort(matched[0])])


def plan(status: Ints, confidence: Floats, pairs: Candidates, config: AssociationConfig) -> tuple[Rule, ...]:
    """The stages in their order; arguments as of `associate`, pairs of `near_pairs`."""
    sure = confidence >= config.high_score
    confirmed = status != TENTATIVE
    floor = confident_floor(status, confidence, pairs, config)
    return (
        Rule(Stage.CONFIDENT, confirmed, sure, config.min_overlap, floor),
        Rule(Stage.WEAK, status == CONFIRMED, ~sure, config.min_overlap_weak),
        Rule(Stage.TENTATIVE, ~confirmed, sure, config.min_overlap_tentative),
    )


def confident_floor(status: Ints, confidence: Floats, pairs: Candidates, config: AssociationConfig) -> Floats:
    """(N,) least similarity at which a track takes a confident detection, 0 where nothing but the gate bounds it.

    An object that comes out from behind another is seen surely where the other is seen weakly: a track with a weak
    detection just where it is expected does not leave that for a confident one that fits much less.
    """
    best = np.zeros(len(status), np.float32)
    weak = confidence < config.high_score
    if not weak.any():
        return best
    of_weak = weak.take(pairs.column)
    np.maximum.at(best, pairs.row[of_weak], pairs.similarity[of_weak])
    floor: Floats = (best - np.float32(config.weak_lead)) * ((status == CONFIRMED) & (best > config.min_overlap_weak))
    return floor


def decision_of(
    ids: Ints,
    predicted: TrackPredictions,
    found: Detections,
    given: Ints,
    confidence: Floats,
    motion: Candidates,
    appearance: Appearance | None,
    matches: Matches,
    config: AssociationConfig,
) -> Decision:
    """What `associate` made these matches of; arguments as there and as the attributes of `Decision`."""
    shape = len(ids), len(found)
    looks = np.zeros(shape, np.float32)
    if appearance is not None:
        looks = np.minimum(appearance(np.arange(shape[0])[:, None], np.arange(shape[1])), 0)
        looks[motion.row, motion.column] = appearance(motion.row, motion.column)
    similarity = motion.matrix(*shape) + looks
    row, column = (index.ravel() for index in np.indices(shape))
    near_row, near_column, ratio = reachable(predicted, found, config)
    overlap, height, same_class = (
        term.reshape(shape) for term in motion_terms(predicted, found, row, column, ratio, config)
    )
    apart = np.ones(shape, bool)
    apart[near_row, near_column] = False
    overlap[apart] = 0
    stages, gates, allowed = np.zeros(shape, np.int64), np.full(shape, np.nan), np.zeros(shape, bool)
    for rule in plan(predicted.status, confidence, near_pairs(motion, appearance), config):
        meet = np.ix_(rule.tracks, rule.detections)
        stages[meet] = rule.stage
        gates[meet] = rule.gate
        if rule.floor is not None:
            gates[meet] = np.maximum(gates[meet], rule.floor[rule.tracks, None])
        allowed |= rule.admits(row, column, similarity.ravel()).reshape(shape)
    far = tuple(rows[matches.stages == FAR] for rows in (matches.tracks, matches.detections))
    stages[far], gates[far], allowed[far] = FAR, 0, True
    return Decision(
        ids=ids,
        predicted=predicted,
        grown=spread(predicted.xyxy, predicted.std, config),
        found=found,
        given=given,
        confidence=confidence,
        overlap=overlap,
        height=height,
        same_class=same_class,
        appearance=looks,
        similarity=similarity,
        stages=stages,
        gates=gates,
        allowed=allowed,
        matches=matches,
    )


def motion_similarity(tracks: TrackPredictions, found: Detections, config: AssociationConfig) -> Candidates:
    """The product of `motion_terms`, of the pairs of which it is more than 0."""
    row, column, ratio = reachable(tracks, found, config)
    overlap, height, same_class = motion_terms(tracks, found, row, column, ratio, config)
    similarity = overlap * height * same_class
    return Candidates(row, column, similarity).take(similarity.nonzero()[0])


def reachable(tracks: TrackPredictions, found: Detections, config: AssociationConfig) -> tuple[Ints, Ints, Floats]:
    """Rows and columns (P,) of the pairs that can overlap at all, and the (N, 2) shares by which boxes grow.

    A track's box and all that it is compared with grow by the same share of their sizes, across and down.
    """
    ratio = spread(tracks.xyxy, tracks.std, config) / (tracks.xyxy[:, 2:] - tracks.xyxy[:, :2])
    return *near(tracks.xyxy, found.xyxy, ratio), ratio


def motion_terms(
    tracks: TrackPredictions, found: Detections, row: Ints, column: Ints, ratio: Floats, config: AssociationConfig
) -> tuple[Floats, Floats, Floats]:
    """What motion and class say of pairs: (P,) rows of tracks and of detections; `ratio` (N, 2) of `reachable`.

    Returns:
        (P,) float32 each: overlap of the grown boxes, factor for their vertical agreement, factor for their classes.
        What is much taller or shorter than a lost track does not agree with it at all: another object came out there.
    """
    own, other = tracks.xyxy.take(row, axis=0), found.xyxy.take(column, axis=0)
    overlap = grown_iou(own, other, ratio.take(row, axis=0))
    power: Floats | np.float32 = np.float32(config.height_power)
    if tracks.lift is not None and tracks.upright is not None:
        overlap *= tracks.lift.take(row)
        power = (power * tracks.upright).take(row)
    height = height_overlap(own, other) ** power
    lost = tracks.status == PREDICTED
    if np.count_nonzero(lost):
        lost = lost.take(row).nonzero()[0]
        height[lost[~alike_in_height(own.take(lost, axis=0), other.take(lost, axis=0), _TALLER)]] = 0
    differs = tracks.classes.take(row) != found.classes.take(column)
    return overlap, height, np.array([1, config.class_factor], np.float32).take(differs)


def appearance_bonus(odds: Floats, config: AssociationConfig) -> Floats:
    """(...) log-odds that the embeddings are of one identity -> what that adds to the similarity; 0 where unknown."""
    bonus: Floats = np.float32(config.appearance_weight) * np.tanh(odds / 2)  # 2 p - 1
    return bonus


def spread(xyxy: Floats, std: Floats, config: AssociationConfig) -> Floats:
    """(N, 2) pixels by which a predicted box grows to each side: its centre's uncertainty, bounded by its size."""
    size = xyxy[:, 2:] - xyxy[:, :2]
    margin: Floats = np.minimum(np.float32(config.spread) * std[:, :2], np.float32(config.spread_limit) * size)
    return margin
