"""Why a track did, in one frame, what it did: which detections it was compared with, by which terms, with what verdict.

The run is repeated up to the frame (`tracker.jobs.replay`); here its decision is put into numbers and words.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tracker.association import Stage, confident_floor, grown_iou, plan, spread
from tracker.boxes import height_overlap, iou, tlwh_to_xyxy, xyxy_to_cxcywh
from tracker.config import AssociationConfig, Config
from tracker.datasets.mot import FRAME, HEIGHT, ID, LEFT, Table, results
from tracker.errors import UsageError
from tracker.jobs.replay import Decision, Moment, repetition
from tracker.smoothing.fixed_lag import Hindsight
from tracker.structures import Floats, Status, Tracks

SHOWN = 5  # pairs that are listed
_SAME_PX = 0.02  # boxes are written with two decimals
_SUCCESSOR_HEIGHTS = 2.0  # a track that begins this near to where another ended may be the same object


@dataclass(frozen=True)
class Pair:
    """A track, a detection, and what was thought of the two.

    Attributes:
        track: its id. detection: number in its frame, from 1, the surest first.
        box: the detection's left, top, right, bottom in pixels.
        score: as the detector gave it. trust: the same, stretched to what scores mean in this stream.
        distance: of the predicted centre and the detection's, in heights of the predicted box.
        iou: overlap of the predicted box and the detection.
        grown_iou: the same with both boxes grown by the prediction's uncertainty.
        vertical: factor for how well top and bottom agree. same_class: factor for the class, 1 where it is the same.
        look: what the appearance adds; 0 where nothing is known.
        similarity: grown_iou x vertical x same_class + look, which decides.
        stage: the one in which the two may meet, None where there is none. gate: least similarity there.
        verdict: what became of the pair.
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
    verdict: str


@dataclass(frozen=True)
class Return:
    """An absent track and a new one: log-odds that, by their looks, they are one object."""

    absent: int
    new: int
    odds: float


@dataclass(frozen=True)
class Explanation:
    """The answer.

    Attributes:
        id, frame, time_s: what was asked about.
        state: of the track before this frame: tentative, confirmed, lost; new; departed (only its look can bring it
            back); absent.
        answer: in one sentence.
        predicted: where it was expected: left, top, right, bottom in pixels; None where it was not looked for.
        std: standard deviations of the expected centre x, centre y, width and height in pixels.
        grown: pixels by which the box grew to each side, horizontally and vertically.
        last_seen: frame in which it was detected last, None where never before. unseen_s: seconds since then.
        next_reported: the next frame in which the run reports it, None where there is none. last_reported: the last.
        successor: a track that began near its place soon after it was reported last; None where none did.
        pairs: with the most alike detections, its own first; of a new track, its detection with the nearest tracks.
        returns: whether a new track of this frame is an absent one, come back, where one of them is concerned.
        remark: in what the repetition differs from the run; empty where it gave exactly what the run wrote.
    """

    id: int
    frame: int
    time_s: float
    state: str
    answer: str
    predicted: tuple[float, ...] | None
    std: tuple[float, ...] | None
    grown: tuple[float, ...] | None
    last_seen: int | None
    unseen_s: float | None
    next_reported: int | None
    last_reported: int
    successor: int | None
    pairs: list[Pair]
    returns: list[Return]
    remark: str

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, ready for JSON."""
        return asdict(self)


def explain(
    run: Path,
    track_id: int,
    frame: int,
    sequence: str | None = None,
    device: str | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Explanation:
    """Repeat a run up to a frame and say what a track did there.

    Args:
        run: folder of results of `track` or `track eval`.
        track_id, frame: as the run wrote them.
        sequence: which of `track eval`'s sequences; None: the only one.
        device: in place of the run's.
        progress: called with the number of each frame.

    Raises:
        UsageError: no such id, frame or sequence; a run whose ids were joined afterwards (`--offline`).
        DataError: no readable record of a run in the folder.
        SourceError: the video is not there any more.
    """
    again = repetition(run, sequence, device)
    table = results(again.file)
    if track_id not in table[:, ID]:
        known = (
            f"its ids run from {table[:, ID].min():.0f} to {table[:, ID].max():.0f}" if len(table) else "it is empty"
        )
        raise UsageError(f"no track {track_id} in {again.file}; {known}")
    if frame < 1:
        raise UsageError(f"frame is {frame}; frames count from 1")
    hindsight: Hindsight[int] = Hindsight(again.delay_s, again.tracker.config.offline)
    numbers: dict[float, int] = {}  # time of a frame -> its number
    renamed: dict[int, int] = {}  # provisional id of this frame -> the one it was recognised as, soon enough
    moment, written = None, None
    with closing(again.frames()) as frames:
        for now in frames:
            tracks = again.tracker.update(now.image, now.detections, now.camera_motion, now.time_s)
            numbers[now.time_s] = now.number
            progress(now.number)
            if now.number == frame:
                moment = again.tracker.moment()
            if moment is not None:
                renamed |= tracks.renamed
            written = dict(hindsight.push(now.number, tracks, again.tracker.camera_motion)).get(frame)
            if written is not None or (moment is None and now.number > frame):
                break
        else:
            written = dict(hindsight.flush()).get(frame)
    if moment is None:
        last = max(numbers.values(), default=0)
        reason = "it was left out (--vid-stride)" if frame < last else f"it has frames 1 to {last}"
        raise UsageError(f"frame {frame} is not in {run}; {reason}")
    same = written is not None and _same(written, table[table[:, FRAME] == frame])
    differs = f"this repetition gives other tracks in frame {frame} than {again.file} holds"
    remark = again.changed if same else f"{differs}; {again.changed or 'the input or the program has changed since'}"
    return _Question(track_id, frame, moment, renamed, table, numbers, again.tracker.config).answer(remark)


def _same(written: Tracks, rows: Table) -> bool:
    """Whether these are the tracks that the result file has in the frame."""
    boxes = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1])
    return np.array_equal(written.ids, rows[:, ID]) and bool((np.abs(written.xyxy - boxes) <= _SAME_PX).all())


@dataclass(frozen=True)
class _Question:
    """A track in a frame, and what there is to answer from."""

    id: int
    frame: int
    moment: Moment
    renamed: dict[int, int]
    table: Table
    numbers: dict[float, int]
    config: Config

    def answer(self, remark: str) -> Explanation:
        decision, settings = self.moment.decision, self.config.association
        names = [i for i in self.renamed if self._final(i) == self.id] + [self.id]  # provisional ones first
        rows = dict(zip(decision.ids.tolist(), range(len(decision.ids)), strict=True))
        row = next((rows[i] for i in names if i in rows), None)
        unclaimed = set(self.moment.owners) - set(decision.matches.detections.tolist())
        born = next((d for d in unclaimed if self.moment.owners[d] in names), None)
        if born is not None:  # also where an absent track of this id was looked for in vain, and then recognised
            state, pairs, row = "new", self._pairs(None, [born]), None
            sentence = self._birth(born, names[0], pairs)
        elif row is not None:
            state = Status(decision.candidates.status[row]).name.lower().replace("predicted", "lost")
            pairs = self._pairs([row], None)
            sentence = self._fate(state, pairs)
        else:
            state, pairs = "departed" if self.id in self.moment.departed else "absent", []
            sentence = self._absence(state)
        own = self.table[self.table[:, ID] == self.id, FRAME].astype(int)
        if row is not None and self.frame in own and not (pairs and pairs[0].verdict == "matched"):
            sentence += " The file has a box of it all the same, by the frames around."
        later = own[own > self.frame]
        predicted = std = grown = last_seen = unseen_s = None
        if row is not None:
            tracks = decision.candidates
            predicted, std = _floats(tracks.xyxy[row]), _floats(tracks.std[row])
            grown = _floats(spread(tracks.xyxy, tracks.std, settings)[row])
            last_seen = self.numbers[float(decision.seen_s[row])]
            unseen_s = self.moment.tracks.time_s - float(decision.seen_s[row])
        return Explanation(
            id=self.id,
            frame=self.frame,
            time_s=self.moment.tracks.time_s,
            state=state,
            answer=sentence,
            predicted=predicted,
            std=std,
            grown=grown,
            last_seen=last_seen,
            unseen_s=unseen_s,
            next_reported=int(later[0]) if len(later) else None,
            last_reported=int(own[-1]),
            successor=None if len(later) else self._successor(),
            pairs=pairs[:SHOWN],
            returns=self._returns(set(names) | {self.moment.owners.get(p.detection - 1, -1) for p in pairs[:1]}),
            remark=remark,
        )

    def _final(self, identity: int) -> int:
        """The id under which the run wrote what went by `identity` in this frame."""
        while identity in self.renamed:
            identity = self.renamed[identity]
        return identity

    def _pairs(self, rows: list[int] | None, columns: list[int] | None) -> list[Pair]:
        """These tracks with these detections (None: all): the matched pair first, then by likeness and distance."""
        decision, settings = self.moment.decision, self.config.association
        terms = pair_terms(decision, settings)
        gates = np.full(decision.similarity.shape, np.nan)
        stages = np.zeros(decision.similarity.shape, int)
        rules = plan(decision.candidates.status, decision.trust, decision.similarity, settings)
        for stage, these, those, gate, _ in rules:
            gates[np.ix_(these, those)], stages[np.ix_(these, those)] = gate, stage
        floor = confident_floor(decision.candidates.status, decision.trust, decision.similarity, settings)
        gates = np.where(stages == Stage.CONFIDENT, np.maximum(gates, floor[:, None]), gates)
        partner = dict(zip(decision.matches.tracks.tolist(), decision.matches.detections.tolist(), strict=True))
        taker = {detection: track for track, detection in partner.items()}

        def verdict(row: int, column: int) -> str:
            if partner.get(row) == column:
                return "matched"
            if not stages[row, column]:
                kind = "lost" if decision.candidates.status[row] == Status.PREDICTED else "tentative"
                return f"too unsure for a {kind} track (trust from {settings.high_score:g} on)"
            if not decision.similarity[row, column] > gates[row, column]:
                return "below the gate"
            if column in taker:
                other = taker[column]
                name = self._final(int(decision.ids[other]))
                return f"track {name} took it ({decision.similarity[other, column]:.2f})"
            return f"took detection {partner[row] + 1} ({decision.similarity[row, partner[row]]:.2f})"

        found = [
            Pair(
                track=self._final(int(decision.ids[row])),
                detection=column + 1,
                box=_floats(decision.found.xyxy[column]),
                score=float(decision.found.scores[column]),
                trust=float(decision.trust[column]),
                **{name: float(values[row, column]) for name, values in terms.items()},
                similarity=float(decision.similarity[row, column]),
                stage=Stage(stages[row, column]).name.lower() if stages[row, column] else None,
                gate=float(gates[row, column]) if stages[row, column] else None,
                verdict=verdict(row, column),
            )
            for row in (range(len(decision.ids)) if rows is None else rows)
            for column in (range(len(decision.trust)) if columns is None else columns)
        ]
        return sorted(found, key=lambda pair: (pair.verdict != "matched", -pair.similarity, pair.distance))

    def _fate(self, state: str, pairs: list[Pair]) -> str:
        """One sentence about a track that was looked for."""
        track = f"Track {self.id} ({state})"
        if not pairs:
            return f"{track} found nothing: there are no detections in frame {self.frame}."
        best = pairs[0]
        if best.verdict == "matched":
            rest = [p for p in pairs[1:] if p.similarity > 0]
            second = (
                f"; next, detection {rest[0].detection} ({rest[0].similarity:.2f}): {rest[0].verdict}" if rest else ""
            )
            return (
                f"{track} was matched to detection {best.detection} in the stage {best.stage}, "
                f"with a similarity of {best.similarity:.2f} (gate {best.gate:.2f}){second}."
            )
        nearest = min(pairs, key=lambda pair: pair.distance)
        if best.similarity <= 0:
            return (
                f"{track} was not matched: no detection overlaps it; the nearest, detection {nearest.detection}, "
                f"is {nearest.distance:.1f} box heights away{self._owner(nearest)}."
            )
        why = f", gate {best.gate:.2f}" if best.gate is not None else ""
        return (
            f"{track} was not matched: the most alike is detection {best.detection} "
            f"(similarity {best.similarity:.2f}{why}): {best.verdict}{self._owner(best)}."
        )

    def _owner(self, pair: Pair) -> str:
        """What became of a detection that no track took."""
        if pair.detection - 1 in self.moment.decision.matches.detections:
            return ""
        owner = self.moment.owners.get(pair.detection - 1)
        return "; nobody has it" if owner is None else f"; it began track {self._final(owner)}"

    def _birth(self, detection: int, name: int, pairs: list[Pair]) -> str:
        """One sentence about a track that began here, as `name`."""
        start = f"Track {self.id} began with detection {detection + 1}, which no track took"
        if name != self.id:
            start = (
                f"Track {self.id} came back with detection {detection + 1}, which no track took: "
                f"new track {name} was recognised as this one by its look"
            )
        if not pairs:
            return f"{start}; there was no other track."
        best = pairs[0]
        if best.similarity <= 0:
            return f"{start}; the nearest, track {best.track}, was expected {best.distance:.1f} box heights away."
        why = f", gate {best.gate:.2f}" if best.gate is not None else ""
        return f"{start}; the most alike is track {best.track} (similarity {best.similarity:.2f}{why}): {best.verdict}."

    def _absence(self, state: str) -> str:
        """One sentence about a track that was not looked for."""
        own = self.table[self.table[:, ID] == self.id, FRAME]
        start = f"Track {self.id} was not looked for in frame {self.frame}"
        if own.min() > self.frame:
            return f"{start}: it begins in frame {own.min():.0f}."
        look = "; only its look can bring it back" if state == "departed" else ""
        return f"{start}: its place had become too vague, or it was unseen for too long{look}."

    def _returns(self, concerned: set[int]) -> list[Return]:
        moment = self.moment
        found = [
            Return(self._final(absent), young, float(moment.odds[row, column]))
            for row, absent in enumerate(moment.absent.tolist())
            for column, young in enumerate(moment.young.tolist())
            if concerned & {absent, young} and np.isfinite(moment.odds[row, column])
        ]
        return sorted(found, key=lambda pair: -pair.odds)[:SHOWN]

    def _successor(self) -> int | None:
        """The nearest of the tracks that begin soon after this one was reported last."""
        own = self.table[self.table[:, ID] == self.id][-1]
        _, first = np.unique(self.table[:, ID], return_index=True)  # the table is ordered by frame
        starts = self.table[first]
        interval_s = self.moment.tracks.interval_s
        soon = (starts[:, FRAME] > own[FRAME]) & (
            (starts[:, FRAME] - own[FRAME]) * interval_s <= self.config.offline.link_s
        )
        starts = starts[soon]
        place, places = (xyxy_to_cxcywh(tlwh_to_xyxy(t[..., LEFT : HEIGHT + 1]))[..., :2] for t in (own, starts))
        distance = np.linalg.norm(places - place, axis=-1) / own[HEIGHT]
        if not (distance < _SUCCESSOR_HEIGHTS).any():
            return None
        return int(starts[distance.argmin(), ID])


def pair_terms(decision: Decision, config: AssociationConfig) -> dict[str, Floats]:
    """Every term of the similarity, (N, M) each, by the names of `Pair`."""
    tracks, found = decision.candidates, decision.found
    size = tracks.xyxy[:, 2:] - tracks.xyxy[:, :2]
    centres, others = xyxy_to_cxcywh(tracks.xyxy)[:, :2], xyxy_to_cxcywh(found.xyxy)[:, :2]
    ratio = spread(tracks.xyxy, tracks.std, config) / size
    grown = grown_iou(tracks.xyxy[:, None], found.xyxy, ratio[:, None])
    vertical = height_overlap(tracks.xyxy[:, None], found.xyxy) ** config.height_power
    same_class = np.where(tracks.classes[:, None] == found.classes, 1, config.class_factor)
    return {
        "distance": np.linalg.norm(centres[:, None] - others, axis=-1) / size[:, 1:],
        "iou": iou(tracks.xyxy, found.xyxy),
        "grown_iou": grown,
        "vertical": vertical,
        "same_class": same_class,
        "look": decision.similarity - grown * vertical * same_class,
    }


def _floats(values: Floats) -> tuple[float, ...]:
    return tuple(round(float(v), 2) for v in values)
