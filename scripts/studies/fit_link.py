"""Fit what `--offline` weighs when it links tracks: `LINK` of `tracker/smoothing/linking.py`, by logistic regression.

    python scripts/make_sets.py DATA SETS
    python scripts/studies/fit_link.py SETS/tune/mot17 SETS/tune/mot17-fifth SETS/tune/uadetrac SETS/tune/sportsmot \
      SETS/tune/kitti

Training sequences alone: the first halves of MOT17 (at two frame rates) with degraded detections, two of UA-DETRAC's
four cameras, every fifth training sequence of SportsMOT, and the driving sequences of KITTI that are not validated on;
no second half, and not mot15, which is measured on. Each sequence is tracked online, as `track eval` does. A track is
the object of the ground truth that most of its boxes lie on; a pair of tracks (`linking.pairs`) is one object or two,
and left out where one of them is no object. Every pair counts the same, so that the odds are those of a pair as it
comes. Prints the weights with their standard errors, and for each set, by the fitted weights and by those in use, the
mean log-loss and which pairs `offline.link_odds` lets be joined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from options import Sequences, study
from tracker import Config, Tracker
from tracker.association.assignment import assign
from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.matching import MATCH_IOU, by_frame
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, ID, LEFT, MotSequence, Table, find_sequences
from tracker.jobs.sequences import given
from tracker.motion.load import load_predictor
from tracker.smoothing.linking import LINK, link_terms, pairs
from tracker.smoothing.offline import Recorder
from tracker.smoothing.track_table import TrackTable

TERMS = ("constant", "innovation", "uncertainty", "log of the gap in s", "growth")
NONE = -1  # the object of a track that is on none

Array = NDArray[np.float64]


def tracked(tracker: Tracker, sequence: MotSequence) -> TrackTable:
    """The rows of a sequence as the tracker sees it online."""
    tracker.reset()
    recorder = Recorder()
    for frame in given(tracker, sequence):
        tracks = tracker.update(frame.image, frame.detections, frame.camera_motion, frame.time_s)
        recorder.add(tracks, frame.detections, tracker.camera_motion, tracker.features)
    return recorder.table()


def objects(table: TrackTable, truth: Table) -> NDArray[np.int64]:
    """(T,) the object of each track, ordered by id: that which at least half of its rows lie on, else `NONE`."""
    frames, groups = by_frame(truth[:, FRAME])
    true_rows = dict(zip((frames - 1).astype(int).tolist(), groups, strict=True))
    ids, track = np.unique(table.ids, return_inverse=True)
    own = np.full(len(table), NONE, np.int64)
    for frame, rows in zip(*by_frame(table.frames), strict=True):
        there = true_rows.get(int(frame), np.zeros(0, np.int64))
        row, column = assign(iou(table.xyxy[rows], tlwh_to_xyxy(truth[there, LEFT : HEIGHT + 1])), MATCH_IOU)
        own[rows[row]] = truth[there[column], ID]
    names, name = np.unique(own, return_inverse=True)
    counts = np.zeros((len(ids), len(names)), np.int64)
    np.add.at(counts, (track, name), 1)
    counts[:, names == NONE] = 0
    return np.where(2 * counts.max(axis=1) >= np.bincount(track), names[counts.argmax(axis=1)], NONE)


def labelled(table: TrackTable, truth: Table, config: Config) -> tuple[Array, NDArray[np.bool_]]:
    """(5, P) terms of the pairs of tracks that are objects, and (P,) whether both are one."""
    if not len(table):
        return np.zeros((len(LINK), 0)), np.zeros(0, bool)
    found = pairs(table, load_predictor(config.motion.model), config.offline.link_s)
    who = objects(table, truth)
    known = (who[found.ended] != NONE) & (who[found.began] != NONE)
    return link_terms(found)[:, known], (who[found.ended] == who[found.began])[known]


def losses(weights: Array, terms: Array, same: NDArray[np.bool_]) -> Array:
    """(P,) negative log-likelihood of each answer."""
    return np.logaddexp(0, np.where(same, -1, 1) * (weights @ terms))


def fit(terms: Array, same: NDArray[np.bool_]) -> tuple[Array, Array]:
    """(5,) weights under which the answers are most likely, and (5,) their standard errors."""

    def gradient(weights: Array) -> Array:
        return terms @ (1 / (1 + np.exp(-(weights @ terms))) - same) / len(same)

    weights = minimize(lambda w: losses(w, terms, same).mean(), np.zeros(len(terms)), jac=gradient, method="BFGS").x
    chance = 1 / (1 + np.exp(-(weights @ terms)))
    return weights, np.sqrt(np.diag(np.linalg.inv((terms * chance * (1 - chance)) @ terms.T)))


def main(roots: Sequences) -> None:
    """Print the weights."""
    tracker = Tracker()
    sets: dict[str, tuple[Array, NDArray[np.bool_]]] = {}
    for root in roots:  # a sequence may be in two of them, at another frame rate
        parts = []
        for sequence in find_sequences([root]):
            truth = sequence.ground_truth()
            parts.append(labelled(tracked(tracker, sequence), truth[truth[:, FLAG] != 0], tracker.config))
        sets[root.name] = np.hstack([terms for terms, _ in parts]), np.hstack([same for _, same in parts])
        print(f"{root.name}: {len(sets[root.name][1])} pairs, {sets[root.name][1].sum()} of one object")
    sets["all"] = np.hstack([terms for terms, _ in sets.values()]), np.hstack([same for _, same in sets.values()])
    weights, errors = fit(*sets["all"])
    for name, weight, error, used in zip(TERMS, weights, errors, LINK, strict=True):
        print(f"{name:<20} {weight:6.2f} +- {error:.2f}, in use {used:6.2f}")
    for name, (terms, same) in sets.items():
        for what, used in (("fitted", weights), ("in use", LINK)):
            joined = used @ terms > tracker.config.offline.link_odds
            right, wrong = np.count_nonzero(joined & same), np.count_nonzero(joined & ~same)
            loss = losses(used, terms, same).mean()
            print(f"{name:<12} {what}: log-loss {loss:.4f}; {right} of {same.sum()} joined, and {wrong} others")


if __name__ == "__main__":
    study(main)
