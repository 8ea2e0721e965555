"""What a run did with a track in one frame, in numbers: a repetition is looked at there, its `Decision` taken apart.

`tracker.jobs.explain` puts it into words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from enum import Enum

import numpy as np

from tracker.appearance.reidentification import Returns
from tracker.association.stages import Decision, Stage
from tracker.boxes import iou, tlwh_to_xyxy, xyxy_to_cxcywh
from tracker.datasets.mot import FRAME, HEIGHT, ID, LEFT, Table
from tracker.errors import UsageError
from tracker.jobs.replay import Repetition
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.structures import Floats, Status, Tracks

_SAME_PX = 0.02  # boxes are written with two decimals
_SUCCESSOR_HEIGHTS = 2.0  # a track that begins this near to where another ended may be the same object


@dataclass(frozen=True, eq=False)
class Observed:
    """A frame of a repeated run, and what is needed of those around it.

    Attributes:
        number: of the frame. tracks: what the tracker returned. decision, returns: why.
        remembered: ids whose looks the gallery had.
        seen: id -> number and seconds of the frame, before this one, in which it was detected last.
        renamed: provisional id of this frame -> the one it was re-identified as, soon enough for the file.
        table: all rows that the run wrote.
        same: did the repetition give those of this frame?
    """

    number: int
    tracks: Tracks
    decision: Decision
    returns: Returns | None
    remembered: frozenset[int]
    seen: dict[int, tuple[int, float]]
    renamed: dict[int, int]
    table: Table
    same: bool

    def final(self, identity: int) -> int:
        """The id under which the run wrote what went by `identity` in this frame."""
        while identity in self.renamed:
            identity = self.renamed[identity]
        return identity

    def owners(self) -> dict[int, int]:
        """Row of a detection, of the decision's -> id of the track that it was given to, or that it began."""
        detected = self.tracks.detection_index >= 0
        rows = np.argsort(self.decision.given)[self.tracks.detection_index[detected]]
        return dict(zip(rows.tolist(), self.tracks.ids[detected].tolist(), strict=True))

    def takers(self) -> dict[int, int]:
        """Row of a detection, of the decision's -> id of the track that it was matched to."""
        matches = self.decision.matches
        return dict(zip(matches.detections.tolist(), self.decision.ids[matches.tracks].tolist(), strict=True))


class Outcome(Enum):
    """What became of a track and a detection."""

    MATCHED = "matched"
    NO_STAGE = "there is no stage for a detection as unsure with a track in this state"
    BELOW_GATE = "not alike enough"
    TAKEN = "another track took the detection"
    SERVED = "the track took another detection"


@dataclass(frozen=True)
class Terms:
    """A track, a detection, and the terms of their similarity.

    Attributes:
        track: its id. detection: number in its frame, from 1, the surest first.
        box: the detection's left, top, right, bottom in pixels.
        score: as the detector gave it. trust: the same, calibrated to what scores mean in this stream.
        distance: of the predicted centre and the detection's, in heights of the predicted box.
        iou: overlap of the predicted box and the detection.
        grown_iou: the same with both boxes grown by the prediction's uncertainty, times what that is worth here.
        vertical: factor for how well top and bottom agree. same_class: factor for the class, 1 where it is the same.
        look: what the appearance adds; 0 where nothing is known.
        similarity: grown_iou x vertical x same_class + look, which decides.
        stage: the one in which the two may meet, None where there is none. gate: least similarity there.
    """

    track: int
    detection: int
    box: tuple[float, ...]
    score: float
    trust: float
    distance: float
    iou: float
    grown_iou: float
    vertical: float
    same_class: float
    look: float
    similarity: float
    stage: str | None
    gate: float | None


@dataclass(frozen=True)
class Compared:
    """A pair and what became of it.

    Attributes:
        terms, outcome: of the pair.
        rival: where another pair was matched instead, that pair's track (TAKEN) or detection (SERVED), and its
            rival_similarity.
        lost: was the track lost before this frame?
        claimed: did any track take the detection? began: the track that it is from here on, where none took it or where
            it contradicts the one that did; None where there is none.
    """

    terms: Terms
    outcome: Outcome
    rival: int | None
    rival_similarity: float | None
    lost: bool
    claimed: bool
    began: int | None


@dataclass(frozen=True)
class Reidentification:
    """An absent track and a new one: log-odds that, by appearance, they are one object."""

    absent: int
    new: int
    odds: float


@dataclass(frozen=True)
class Place:
    """Where a track was looked for; all None where it was not.

    Attributes:
        predicted: left, top, right, bottom in pixels. std: of centre x, centre y, width, height in pixels.
        grown: pixels by which the box grew to each side, across and down.
        last_seen: frame in which it was detected last. unseen_s: seconds since then.
    """

    predicted: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    grown: tuple[float, ...] | None = None
    last_seen: int | None = None
    unseen_s: float | None = None


@dataclass(frozen=True)
class Analysis:
    """What there is to say of a track in a frame.

    Attributes:
        id, frame, time_s: what was asked about.
        state: of the track before this frame: tentative, confirmed, lost; new; departed (only its appearance can
            bring it back); absent.
        place: where it was looked for.
        name: that it went by in this frame; another than `id` where it was recognised then or soon after.
        detection: number of the one that it began with, None where it is not new.
        pairs: with all detections, its own first, then by similarity and distance; of a new track, its detection with
            all tracks.
        returns: whether a new track of this frame is an absent one, where one of them is concerned; likely ones first.
        reported: the frames in which the run has it. successor: the track that began near its place soon after it was
            reported last; None where it is reported later, and where none did.
    """

    id: int
    frame: int
    time_s: float
    state: str
    place: Place
    name: int
    detection: int | None
    pairs: list[Compared]
    returns: list[Reidentification]
    reported: list[int]
    successor: int | None


def observed(again: Repetition, table: Table, frame: int, progress: Callable[[int], None] = lambda _: None) -> Observed:
    """Repeat a run until it is known what it says of a frame.

    Args:
        again, table: the run, and the rows that it wrote. progress: called with each frame's number.

    Raises:
        UsageError: the run has no such frame.
    """
    tracker, number = again.tracker, 0
    smoother: FixedLagSmoother[int] = FixedLagSmoother(again.delay_s, tracker.config.offline)
    seen: dict[int, tuple[int, float]] = {}
    renamed: dict[int, int] = {}
    here = written = None
    with closing(again.frames()) as frames:
        for now in frames:
            number, tracker.keep_decision = now.number, now.number == frame
            tracks = now.tracked(tracker)
            progress(number)
            if number == frame:
                here = tracks, tracker.decision, tracker.returns, frozenset(tracker.gallery.ids(now.time_s).tolist())
            if here is None:
                seen |= dict.fromkeys(tracks.ids[tracks.detection_index >= 0].tolist(), (number, now.time_s))
            else:
                renamed |= tracks.renamed
            written = dict(smoother.push(number, tracks, tracker.camera_motion)).get(frame)
            if written is not None or (here is None and number > frame):
                break
        else:
            written = dict(smoother.flush()).get(frame)
    if here is None:
        left_out = "it was left out (--vid-stride) or shows the picture before it once more; give another frame"
        reason = left_out if frame < number else f"it has frames 1 to {number}"
        raise UsageError(f"frame {frame} is not in {again.file.parent}; {reason}")
    tracks, decision, returns, remembered = here
    if decision is None:
        raise UsageError(
            f"frame {frame} was not looked at (--detect-every), nothing was matched in it; give one that was"
        )
    same = written is not None and _same(written, table[table[:, FRAME] == frame])
    return Observed(frame, tracks, decision, returns, remembered, seen, renamed, table, same)


def _same(written: Tracks, rows: Table) -> bool:
    """Whether these are the tracks that the result file has in the frame."""
    boxes = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1])
    return np.array_equal(written.ids, rows[:, ID]) and bool((np.abs(written.xyxy - boxes) <= _SAME_PX).all())


def analysis(there: Observed, track_id: int, link_s: float) -> Analysis:
    """What happened to a track in a frame.

    Args:
        track_id: one of the file's. link_s: a track that begins no later than this after its end may be a successor.
    """
    decision, owners = there.decision, there.owners()
    names = [name for name in there.renamed if there.final(name) == track_id] + [track_id]  # provisional ones first
    rows = dict(zip(decision.ids.tolist(), range(len(decision.ids)), strict=True))
    row = next((rows[name] for name in names if name in rows), None)
    takers = there.takers()
    born = next((d for d in owners if owners[d] in names and there.final(takers.get(d, -1)) != track_id), None)
    if born is not None:  # also where an absent track of this id was looked for in vain, and then re-identified
        state, row, pairs = "new", None, compared(there, range(len(decision.ids)), [born])
    elif row is not None:
        state = Status(decision.predicted.status[row]).name.lower().replace("predicted", "lost")
        pairs = compared(there, [row], range(len(decision.confidence)))
    else:
        state, pairs = "departed" if track_id in there.remembered else "absent", []
    own = there.table[there.table[:, ID] == track_id, FRAME].astype(int)
    concerned = set(names) | {owners.get(pair.terms.detection - 1, -1) for pair in pairs[:1]}
    return Analysis(
        id=track_id,
        frame=there.number,
        time_s=there.tracks.time_s,
        state=state,
        place=Place() if row is None else _place(there, row),
        name=names[0],
        detection=None if born is None else born + 1,
        pairs=pairs,
        returns=_reidentified(there, concerned),
        reported=own.tolist(),
        successor=None if own[-1] > there.number else _successor(there, track_id, link_s),
    )


def compared(there: Observed, rows: Iterable[int], columns: Iterable[int]) -> list[Compared]:
    """These tracks with these detections, rows of the decision: matched pairs first, then by similarity."""
    decision = there.decision
    tracks, found, columns = decision.predicted, decision.found, list(columns)
    centres, size = np.split(xyxy_to_cxcywh(tracks.xyxy), 2, axis=1)
    offset = centres[:, None] - xyxy_to_cxcywh(found.xyxy)[:, :2]
    distance = np.linalg.norm(offset, axis=-1) / size[:, 1:]
    overlap, owners, takers = iou(tracks.xyxy, found.xyxy), there.owners(), there.takers()
    partner = dict(zip(decision.matches.tracks.tolist(), decision.matches.detections.tolist(), strict=True))
    taker = {detection: track for track, detection in partner.items()}

    def outcome(row: int, column: int) -> tuple[Outcome, int | None, float | None]:
        """And the rival with its similarity, where there is one."""
        if partner.get(row) == column:
            return Outcome.MATCHED, None, None
        if not decision.stages[row, column]:
            return Outcome.NO_STAGE, None, None
        if not decision.allowed[row, column]:
            return Outcome.BELOW_GATE, None, None
        if column in taker:
            other = taker[column]
            return Outcome.TAKEN, there.final(int(decision.ids[other])), float(decision.similarity[other, column])
        return Outcome.SERVED, partner[row] + 1, float(decision.similarity[row, partner[row]])

    def pair(row: int, column: int) -> Compared:
        stage = int(decision.stages[row, column])
        terms = Terms(
            track=there.final(int(decision.ids[row])),
            detection=column + 1,
            box=_floats(found.xyxy[column]),
            score=float(found.scores[column]),
            trust=float(decision.confidence[column]),
            distance=float(distance[row, column]),
            iou=float(overlap[row, column]),
            grown_iou=float(decision.overlap[row, column]),
            vertical=float(decision.height[row, column]),
            same_class=float(decision.same_class[row, column]),
            look=float(decision.appearance[row, column]),
            similarity=float(decision.similarity[row, column]),
            stage=Stage(stage).name.lower() if stage else None,
            gate=float(decision.gates[row, column]) if stage else None,
        )
        owner = owners.get(column)
        if owner is not None and column in takers and there.final(takers[column]) == there.final(owner):
            owner = None
        return Compared(
            terms,
            *outcome(row, column),
            lost=bool(tracks.status[row] == Status.PREDICTED),
            claimed=column in taker,
            began=None if owner is None else there.final(owner),
        )

    pairs = [pair(row, column) for row in rows for column in columns]
    return sorted(pairs, key=lambda p: (p.outcome != Outcome.MATCHED, -p.terms.similarity, p.terms.distance))


def _place(there: Observed, row: int) -> Place:
    decision = there.decision
    number, time_s = there.seen[int(decision.ids[row])]
    return Place(
        predicted=_floats(decision.predicted.xyxy[row]),
        std=_floats(decision.predicted.std[row]),
        grown=_floats(decision.grown[row]),
        last_seen=number,
        unseen_s=there.tracks.time_s - time_s,
    )


def _reidentified(there: Observed, concerned: set[int]) -> list[Reidentification]:
    returns = there.returns
    if returns is None:
        return []
    found = [
        Reidentification(there.final(absent), young, float(returns.odds[row, column]))
        for row, absent in enumerate(returns.absent.tolist())
        for column, young in enumerate(returns.young.tolist())
        if concerned & {absent, young} and np.isfinite(returns.odds[row, column])
    ]
    return sorted(found, key=lambda pair: -pair.odds)


def _successor(there: Observed, track_id: int, link_s: float) -> int | None:
    """The nearest of the tracks that begin soon after this one was reported last."""
    table = there.table
    own = table[table[:, ID] == track_id][-1]
    _, first = np.unique(table[:, ID], return_index=True)  # the table is ordered by frame
    starts = table[first]
    after_s = (starts[:, FRAME] - own[FRAME]) * there.tracks.interval_s
    starts = starts[(after_s > 0) & (after_s <= link_s)]
    place, places = (xyxy_to_cxcywh(tlwh_to_xyxy(t[..., LEFT : HEIGHT + 1]))[..., :2] for t in (own, starts))
    distance = np.linalg.norm(places - place, axis=-1) / own[HEIGHT]
    if not (distance < _SUCCESSOR_HEIGHTS).any():
        return None
    return int(starts[distance.argmin(), ID])


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(v), 2) for v in values)
