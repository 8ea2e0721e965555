"""Linking: which tracks that ended and which that began later are one object.

The motion model is asked twice about each pair: run forwards over the first, where would it be by then; run backwards
over the second, from the future into the past, where did it come from.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tracker.affine import Array
from tracker.appearance.contradiction import CONTRARY
from tracker.association.assignment import assign
from tracker.boxes import xyxy_to_cxcywh
from tracker.config import Config
from tracker.motion.predictor import Observations, Predictor
from tracker.smoothing.direction import Direction, Ends
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Floats, Ints

# Constant, innovation, uncertainty, log of the gap in s, growth. The numbers are as old as linking is (2026-11-24); the
# data and the command that fitted them were not kept. `scripts/studies/fit_link.py` fits them anew, to the sets for
# tuning: 2.40, -1.05, 0.07, -1.93, -2.02. Of 4951 pairs there, 67 are one object: these numbers join 17 of them and 15
# others, with a log-loss of .0380 a pair; those join 22 and 20 others, with .0345, and give 74.76 HOTA on SportsMOT
# where these give 74.67. On so few pairs that is no clear gain, so these stay.
LINK = np.array([1.82, -0.90, 1.06, -2.67, -1.60])
_OTHER_CLASS = -3.0  # what another class adds to the log-odds
_SIZE_ROWS = 10  # rows at a track's end whose sizes are averaged: one box alone is too noisy


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of a track that ended and one that began later, and how well the motion model joins them.

    Attributes:
        ended, began: (P,) track numbers.
        gap_s: (P,) seconds between.
        ahead, back: (P, 2) distance of the later track's first centre from the forecast of the earlier track, and of
            the earlier one's last centre from the forecast of the later one run backwards, in standard deviations.
        spread: (P,) log of the forecasts' uncertainty of the centre in box heights, mean of both directions.
        growth: (P,) change of log width plus change of log height from one to the other, each without its sign.
    """

    ended: Ints
    began: Ints
    gap_s: Array
    ahead: Array
    back: Array
    spread: Array
    growth: Array


def _forecasts(
    xyxy: Floats, scores: Floats, direction: Direction, predictor: Predictor, max_gap_s: float
) -> tuple[Ints, Ints, Array, Array]:
    """Run the motion model over all tracks in order of time; ask at each beginning for all that ended shortly before.

    Returns:
        (P,) tracks that ended, (P,) tracks that began, (P, 4) centre and size forecast for the former in the frame in
        which the latter began, (P, 4) its standard deviations.
    """
    track, begin, end = direction.ends.track, direction.begin, direction.end
    end_s = direction.times_s[end]
    parts: list[tuple[Ints, Ints, Floats, Floats]] = []
    for frame, time_s, rows, camera in direction.steps(int(begin.max())):  # behind the last beginning nothing is asked
        reach = (begin < frame) & (time_s - end_s <= max_gap_s)
        if camera is not None and reach.any():
            predictor.warp(np.flatnonzero(reach), camera)
        if not len(rows):
            continue
        starts = begin[track[rows]] == frame
        gone = np.flatnonzero(reach & (end < frame))
        if starts.any() and len(gone):
            fresh = track[rows[starts]]
            prediction = predictor.predict(gone, time_s)
            ended = np.repeat(np.arange(len(gone)), len(fresh))
            parts.append(
                (gone[ended], np.tile(fresh, len(gone)), prediction.cxcywh[ended], prediction.std[ended]),
            )
        predictor.update(track[rows], Observations(xyxy[rows], scores[rows], time_s), starts)
    if not parts:
        none = np.zeros(0, np.int64)
        return none, none, np.zeros((0, 4)), np.zeros((0, 4))
    ended, began, mean, std = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ended, began, mean.astype(np.float64), std.astype(np.float64)


def pairs(table: TrackTable, predictor: Predictor, max_gap_s: float) -> Pairs:
    """All pairs of tracks with at most `max_gap_s`, and no cut, between the end of one and the beginning of the other.

    Args:
        table: seen rows, ordered by id and frame.
        predictor: a motion model, run afresh in each direction of time.
    """
    forwards, backwards = Direction.both(table)
    ends = forwards.ends
    if not len(ends.first):
        none = np.zeros(0)
        return Pairs(ends.first, ends.first, none, np.zeros((0, 2)), np.zeros((0, 2)), none, none)
    ended, began, mean, std = _forecasts(table.xyxy, table.scores, forwards, predictor.fresh(), max_gap_s)
    later, earlier, back_mean, back_std = _forecasts(table.xyxy, table.scores, backwards, predictor.fresh(), max_gap_s)
    order, back_order = np.lexsort((began, ended)), np.lexsort((later, earlier))
    ended, began, mean, std = ended[order], began[order], mean[order], std[order]
    assert np.array_equal(ended, earlier[back_order]) and np.array_equal(began, later[back_order])
    back_mean, back_std = back_mean[back_order], back_std[back_order]
    shots = np.cumsum(table.cuts)[table.frames]
    near = shots[ends.last[ended]] == shots[ends.first[began]]
    ended, began, mean, std, back_mean, back_std = (p[near] for p in (ended, began, mean, std, back_mean, back_std))
    box = xyxy_to_cxcywh(table.xyxy.astype(np.float64))
    spread = [np.log(s[:, :2].mean(axis=1) / m[:, 3]) for m, s in ((mean, std), (back_mean, back_std))]
    size = np.log(box[:, 2:])
    growth = _mean_of(size, ends.first, np.minimum(ends.last, ends.first + _SIZE_ROWS - 1))[began]
    growth -= _mean_of(size, np.maximum(ends.first, ends.last - _SIZE_ROWS + 1), ends.last)[ended]
    seconds = table.row_times_s
    return Pairs(
        ended,
        began,
        seconds[ends.first[began]] - seconds[ends.last[ended]],
        (box[ends.first[began], :2] - mean[:, :2]) / std[:, :2],
        (box[ends.last[ended], :2] - back_mean[:, :2]) / back_std[:, :2],
        (spread[0] + spread[1]) / 2,
        np.abs(growth).sum(axis=1),
    )


def _mean_of(values: Array, first: Ints, last: Ints) -> Array:
    """(R, K) -> (T, K) means of rows `first` to `last` inclusive."""
    total = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    mean: Array = (total[last + 1] - total[first]) / (last + 1 - first)[:, None]
    return mean


def link_odds(found: Pairs) -> Array:
    """(P,) log-odds that a pair is one object, by motion alone."""
    odds: Array = LINK @ link_terms(found)
    return odds


def link_terms(found: Pairs) -> Array:
    """(5, P) what `LINK` weighs, in its order: 1 first.

    The innovation of the forecasts, in their own standard deviations and with heavy tails, so that one bad end does not
    decide; their positional uncertainty; the time between, since a track that begins where and when another ends is
    seldom new; and the change of size.
    """
    innovation = np.log1p(np.abs(np.concatenate([found.ahead, found.back], axis=1))).sum(axis=1)
    return np.stack([np.ones_like(innovation), innovation, found.spread, np.log(found.gap_s), found.growth])


def appearance_odds(table: TrackTable, found: Pairs, config: Config) -> Array:
    """(P,) log-odds that a pair is one object by appearance and class; 0 where an embedding is missing.

    -inf where the embeddings contradict: of two that follow each other without a gap, the tracker was told by them.
    """
    ends = Ends.of(table)
    classes = table.classes[ends.first]
    odds = np.where(classes[found.ended] == classes[found.began], 0.0, _OTHER_CLASS)
    if len(table.embedding_ids):
        from tracker.appearance.similarity import load_notes

        embeddings = np.full((len(ends.first), table.embeddings.shape[1]), np.nan, np.float32)
        ids = table.ids[ends.first]
        known = np.isin(table.embedding_ids, ids)
        embeddings[np.searchsorted(ids, table.embedding_ids[known])] = table.embeddings[known]
        similarity = np.einsum("pf,pf->p", embeddings[found.ended], embeddings[found.began])
        alike = load_notes(config.appearance.model).calibration.log_odds(similarity, found.gap_s)
        odds += np.where(alike < CONTRARY, -np.inf, alike)
    return odds


def linked(table: TrackTable, found: Pairs, odds: Array, least_odds: float) -> TrackTable:
    """The table with joined tracks under the id of their first part; arguments as of `first_parts`."""
    return replace(table, ids=first_parts(table, found, odds, least_odds)[Ends.of(table).track]).ordered


def first_parts(table: TrackTable, found: Pairs, odds: Array, least_odds: float) -> Ints:
    """(T,) the id of each track's first part: its own, where nothing joins it to an earlier track.

    It is one optimal assignment of ends to beginnings. Each end and each beginning is used at most once and a beginning
    lies after its end, so chains form by themselves and no id gets two boxes in a frame.

    Args:
        table: seen rows, ordered by id and frame, that `found` was made of.
        odds: (P,) of the pairs.
    """
    good = odds > least_odds
    rows, row = np.unique(found.ended[good], return_inverse=True)
    columns, column = np.unique(found.began[good], return_inverse=True)
    similarity = np.full((len(rows), len(columns)), least_odds)
    similarity[row, column] = odds[good]
    left, right = assign(similarity, least_odds)
    ends = Ends.of(table)
    part_of = np.arange(len(ends.first))
    part_of[columns[right]] = rows[left]
    while (part_of != part_of[part_of]).any():
        part_of = part_of[part_of]
    ids: Ints = table.ids[ends.first[part_of]]
    return ids
