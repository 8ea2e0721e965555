"""Where a finished run is worth a look: what may be wrong, the most doubtful first, and edits that would mend it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.config import Config
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.jobs.corrections.courses import Courses, meetings
from tracker.jobs.corrections.edits import Delete, Edit, Interpolate, Merge, Split, Swap
from tracker.jobs.corrections.frames import repeated_frames
from tracker.jobs.corrections.looks import of_crops
from tracker.jobs.corrections.second_opinion import differences
from tracker.motion.load import load_predictor
from tracker.smoothing.linking import Pairs, appearance_odds, link_odds, pairs
from tracker.smoothing.track_table import TrackTable
from tracker.structures import Floats, Ints, Status

Reals = NDArray[np.float64]

LINK_S = 3.0  # between the end of a track and the beginning of another that may be the same object
PIECE_S = 0.25  # a track that was not detected for longer is two pieces, of which the second may be another object
SHORT_S = 0.5  # a track that lasts less is mostly a false alarm
_TRUSTED = 3.0  # log-odds that two pieces are one object because the tracker says so
_UNLIKE = 0.8  # of the doubt stays where a track goes on at once as one that looks otherwise
_LEAST = 0.05  # doubt that is told
_JUMP = 0.8  # the most that a jump alone is doubted
_DOUBLE = 0.3  # mean overlap of two boxes, over all the life of one, from which on they may be of one object


@dataclass(frozen=True)
class Doubt:
    """Something that may be wrong.

    Attributes:
        kind: `one` (two tracks that may be one object), `swap` (two that may have changed objects), `jump` (a track
            that may have gone over to another object), `gap` (a track that was away), `short` (hardly there), `double`
            (two tracks at one place), `pass` (another pass says otherwise).
        ids: the tracks it is about.
        frame: where to look.
        doubt: 0 to 1, about the probability that it is wrong.
        words: what is doubtful, in a sentence.
        edits: what would mend it.
    """

    kind: str
    ids: tuple[int, ...]
    frame: int
    doubt: float
    words: str
    edits: tuple[Edit, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; `edits` as in `edits.json`."""
        said = {name: getattr(self, name) for name in ("kind", "frame", "words")}
        return said | {
            "ids": list(self.ids),
            "doubt": round(self.doubt, 3),
            "edits": [edit.to_dict() for edit in self.edits],
        }


def doubts(run: FinishedRun, other: FinishedRun | None = None) -> list[Doubt]:
    """What may be wrong in a run, the most doubtful first.

    Args:
        other: another pass over the same video (`--offline`, another detector): where the two disagree is doubtful.
    """
    rows = run.annotations
    seen = rows[~np.isin(rows.frames, repeated_frames(run))]
    found = doubtful(seen, run.tracked, of_crops(run.folder, np.unique(rows.ids)))
    if other is not None:
        found += [
            Doubt("pass", d.ids, d.frame, d.doubt, d.words, d.edits) for d in differences(rows, other.annotations)
        ]
    return sorted(found, key=lambda one: (-one.doubt, one.frame, one.kind, one.ids))


def doubtful(rows: Annotations, frames: Ints, looks: Mapping[int, Floats] | None = None) -> list[Doubt]:
    """What may be wrong in rows of one video.

    Args:
        frames: (K,) numbers of the frames that were tracked. looks: id -> (512,) embedding of a track, where known.
    """
    detected = rows[~rows.occluded].by_id
    if not len(detected):
        return []
    found = [*_following(detected, rows, frames, looks or {}), *_short(detected)]
    courses = Courses.of(detected)
    return [*found, *_jumps(courses), *_together(courses)]


def _probability(odds: Reals) -> Reals:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -30, 30))))


def _following(detected: Annotations, rows: Annotations, frames: Ints, looks: Mapping[int, Floats]) -> Iterable[Doubt]:
    """Tracks that begin where others end, and that come back after they were away."""
    times = detected.times_s[detected.frames - 1]
    same = np.diff(detected.ids) == 0
    away = np.append(True, ~same | (np.diff(times) > PIECE_S))
    piece = np.cumsum(away) - 1
    first = np.flatnonzero(away)
    last = np.append(first[1:], len(detected)) - 1
    track = detected.ids[first]
    table = _table(detected, piece, track, looks)
    config = Config()
    found = pairs(table, load_predictor(config.motion.model), LINK_S)
    motion = link_odds(found)
    odds = motion + appearance_odds(table, found, config)
    begins, ends = np.append(True, np.diff(track) != 0), np.append(np.diff(track) != 0, True)
    apart = track[found.ended] != track[found.began]
    unlike = _UNLIKE * (motion > odds) * (found.gap_s < PIECE_S)  # it goes on as another: it was that one before
    likely = np.maximum(_probability(odds), unlike * _probability(motion))
    for n in np.flatnonzero(apart & ends[found.ended] & begins[found.began] & (likely > _LEAST)).tolist():
        one, two = int(track[found.ended[n]]), int(track[found.began[n]])
        frame = int(detected.frames[first[found.began[n]]])
        words = f"track {two} begins {_seconds(found.gap_s[n])} after track {one} ended, {_where(found, n)}"
        if unlike[n]:
            words += ", and looks otherwise: one of them may be of two objects"
        yield Doubt("one", (one, two), frame, float(likely[n]), words, (Merge(two, one),))
    back = ~apart & (found.began == found.ended + 1)
    wrong = _probability(-odds - _TRUSTED)
    for n in np.flatnonzero(back).tolist():
        before, after = (int(detected.frames[row]) for row in (last[found.ended[n]], first[found.began[n]]))
        one = int(track[found.ended[n]])
        between = ((frames > before) & (frames < after)).sum()
        missing = between - ((rows.ids == one) & (rows.frames > before) & (rows.frames < after)).sum()
        doubt = max(float(wrong[n]), 0.3 * min(1.0, missing / max(between, 1)) * bool(found.gap_s[n] < 1))
        if doubt > _LEAST:
            words = f"track {one} comes back after {_seconds(found.gap_s[n])}, {_where(found, n)}"
            mend = (Interpolate(one, before, after),) if missing else ()
            yield Doubt("gap", (one,), after, doubt, words, mend)


def _where(found: Pairs, n: int) -> str:
    """How well the motion model joins a pair, in words."""
    off = float(np.abs(np.concatenate([found.ahead[n], found.back[n]])).mean())
    return f"{off:.1f} standard deviations from where it was expected"


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def _table(detected: Annotations, piece: Ints, track: Ints, looks: Mapping[int, Floats]) -> TrackTable:
    """The rows with a number for each piece of a track, with the embeddings of the tracks that the pieces are of."""
    known = [number for number, one in enumerate(track.tolist()) if one in looks]
    embeddings = np.array([looks[int(track[number])] for number in known], np.float32)
    return TrackTable(
        frames=detected.frames - 1,
        ids=piece,
        xyxy=detected.xyxy.astype(np.float32),
        scores=detected.scores.astype(np.float32),
        classes=detected.classes,
        raw_classes=detected.classes,
        status=np.full(len(piece), int(Status.CONFIRMED)),
        detection_index=np.zeros(len(piece), np.int64),
        times_s=detected.times_s,
        camera=np.tile(np.eye(2, 3), (detected.frame_count, 1, 1)),
        embedding_ids=np.array(known, np.int64),
        embeddings=embeddings.reshape(len(known), -1 if known else 0),
        looked=np.ones(detected.frame_count, bool),
        cuts=np.zeros(detected.frame_count, bool),
    )


def _short(detected: Annotations) -> Iterable[Doubt]:
    """Tracks that hardly were there, and neither in the first nor in the last frame."""
    tracks, first, count = np.unique(detected.ids, return_index=True, return_counts=True)
    last = first + count - 1
    seconds = detected.times_s[detected.frames[last] - 1] - detected.times_s[detected.frames[first] - 1]
    score = np.add.reduceat(detected.scores, first) / count
    cut = (detected.frames[first] == detected.frames.min()) | (detected.frames[last] == detected.frames.max())
    doubt = (1 - score) * (1 - seconds / SHORT_S) * ~cut
    for n in np.flatnonzero(doubt > _LEAST).tolist():
        track, frame = int(tracks[n]), int(detected.frames[first[n]])
        words = f"track {track} is there for {_seconds(seconds[n])} only, with a score of {score[n]:.2f}"
        yield Doubt("short", (track,), frame, float(doubt[n]), words, (Delete(track),))


def _jumps(courses: Courses) -> Iterable[Doubt]:
    """Where a track suddenly goes another way, or is of another size: the sharpest such place of each."""
    turn, row = courses.turns()
    doubt = _JUMP * _probability(4 * (turn - 1.5))
    for n in np.flatnonzero(doubt > _LEAST).tolist():
        track, frame = int(courses.rows.ids[row[n]]), int(courses.rows.frames[row[n]])
        words = f"track {track} suddenly goes another way or changes its size, as another object might"
        new = int(courses.rows.ids.max()) + 1
        yield Doubt("jump", (track,), frame, float(doubt[n]), words, (Split(track, frame, new),))


def _together(courses: Courses) -> Iterable[Doubt]:
    """Tracks that met, and those at one place for as long as one of them lasts."""
    met = meetings(courses)
    over = np.nan_to_num(courses.kept(met) - courses.swapped(met), nan=-np.inf)  # from before they met to after it
    row = np.where(over > met.exchange, met.last[:, 0], met.turn)
    doubt = _probability(3 * np.maximum(over, met.exchange) - 1.0)
    for n in np.flatnonzero(doubt > _LEAST).tolist():
        one, two, frame = int(met.one[n]), int(met.two[n]), int(courses.rows.frames[row[n]])
        words = f"tracks {one} and {two} go on more smoothly with each other's boxes from here on"
        yield Doubt("swap", (one, two), frame, float(doubt[n]), words, (Swap((one, two), frame),))
    for one, two, frame, overlap, seconds in met.doubles(courses.rows):
        if overlap > _DOUBLE:
            words = f"track {two} lies on track {one} for all its {_seconds(seconds)}, overlapping by {overlap:.2f}"
            yield Doubt("double", (one, two), frame, min(1.0, 1.3 * overlap), words, (Merge(two, one),))
