"""Why a track did, in one frame, what it did: which detections it was compared with, by which terms, with what verdict.

The run is repeated (`tracker.jobs.replay`) and the frame's decision taken apart (`tracker.jobs.analysis`); here it is
told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tracker.datasets.mot import ID, results
from tracker.errors import UsageError
from tracker.jobs.analysis import Analysis, Compared, Outcome, Reidentification, Terms, analysis, observed
from tracker.jobs.replay import repetition

SHOWN = 5  # pairs that are listed


@dataclass(frozen=True)
class Pair(Terms):
    """The terms of a track and a detection, and what became of the two, in words."""

    verdict: str


@dataclass(frozen=True)
class Explanation:
    """The answer.

    Attributes:
        id, frame, time_s: what was asked about.
        state: of the track before this frame: tentative, confirmed, lost; new; departed (only its appearance can
            bring it back); absent.
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
    returns: list[Reidentification]
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
    """Replay a run up to a frame and say what a track did there.

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
    there = observed(again, table, frame, progress)
    differs = f"this repetition gives other tracks in frame {frame} than {again.file} holds"
    remark = again.changed
    if not there.same:
        remark = f"{differs}; {again.changed or 'the input or the program has changed since'}"
    config = again.tracker.config
    return told(analysis(there, track_id, config.offline.link_s), config.association.high_score, remark)


def told(of: Analysis, high_score: float, remark: str) -> Explanation:
    """An analysis in words. high_score: trust from which detections are matched first. remark: to go with it."""
    pairs = [Pair(**vars(pair.terms), verdict=_verdict(pair, high_score)) for pair in of.pairs[:SHOWN]]
    later = [frame for frame in of.reported if frame > of.frame]
    return Explanation(
        id=of.id,
        frame=of.frame,
        time_s=of.time_s,
        state=of.state,
        answer=_answer(of, high_score),
        **vars(of.place),
        next_reported=later[0] if later else None,
        last_reported=of.reported[-1],
        successor=of.successor,
        pairs=pairs,
        returns=of.returns[:SHOWN],
        remark=remark,
    )


def _verdict(pair: Compared, high_score: float) -> str:
    """What became of a pair, in a few words."""
    if pair.outcome == Outcome.NO_STAGE:
        return (
            f"too unsure for a {'lost' if pair.lost else 'tentative'} track (calibrated score from {high_score:g} on)"
        )
    if pair.outcome == Outcome.TAKEN:
        return f"track {pair.rival} took it ({pair.rival_similarity:.2f})"
    if pair.outcome == Outcome.SERVED:
        return f"took detection {pair.rival} ({pair.rival_similarity:.2f})"
    return "matched" if pair.outcome == Outcome.MATCHED else "below the gate"


def _answer(of: Analysis, high_score: float) -> str:
    """What happened, in one sentence, or two where the file seems to say something else."""
    if of.detection is not None:
        return _birth(of, of.detection, high_score)
    if of.place.predicted is None:
        return _absence(of)
    sentence = _fate(of, high_score)
    matched = bool(of.pairs) and of.pairs[0].outcome == Outcome.MATCHED
    if of.frame in of.reported and not matched:
        sentence += " The file has a box of it all the same, by the frames around."
    return sentence


def _fate(of: Analysis, high_score: float) -> str:
    """Of a track that was looked for."""
    track = f"Track {of.id} ({of.state})"
    if not of.pairs:
        return f"{track} found nothing: there are no detections in frame {of.frame}."
    best, *others = of.pairs
    terms, verdict = best.terms, _verdict(best, high_score)
    if best.outcome == Outcome.MATCHED:
        second = next((pair for pair in others if pair.terms.similarity > 0), None)
        runner_up = ""
        if second is not None:
            similarity, why = second.terms.similarity, _verdict(second, high_score)
            runner_up = f"; next, detection {second.terms.detection} ({similarity:.2f}): {why}"
        return (
            f"{track} was matched to detection {terms.detection} in the stage {terms.stage}, "
            f"with a similarity of {terms.similarity:.2f} (gate {terms.gate:.2f}){runner_up}{_parted(best)}."
        )
    if terms.similarity <= 0:
        nearest = min(of.pairs, key=lambda pair: pair.terms.distance)
        return (
            f"{track} was not matched: no detection overlaps it; the nearest, detection {nearest.terms.detection}, "
            f"is {nearest.terms.distance:.1f} box heights away{_owner(nearest)}."
        )
    return (
        f"{track} was not matched: the most alike is detection {terms.detection} "
        f"(similarity {terms.similarity:.2f}{_gate(terms)}): {verdict}{_owner(best)}."
    )


def _gate(terms: Terms) -> str:
    return "" if terms.gate is None else f", gate {terms.gate:.2f}"


def _parted(pair: Compared) -> str:
    """What became of a track's object that looks like another."""
    return "" if pair.began is None else f"; its appearance contradicts the track's, so it is track {pair.began} by now"


def _owner(pair: Compared) -> str:
    """What became of a detection that no track took."""
    if pair.claimed:
        return ""
    return "; no track has it" if pair.began is None else f"; it began track {pair.began}"


def _birth(of: Analysis, detection: int, high_score: float) -> str:
    """Of a track that began here."""
    if of.pairs and of.pairs[0].outcome == Outcome.MATCHED:
        other = of.pairs[0].terms.track
        return (
            f"Track {of.id} goes on with detection {detection}, which was matched to track {other}: "
            "its appearance contradicts that track's."
        )
    start = f"Track {of.id} began with detection {detection}, which no track took"
    if of.name != of.id:
        start = (
            f"Track {of.id} came back with detection {detection}, which no track took: "
            f"new track {of.name} was re-identified as this one by its appearance"
        )
    if not of.pairs:
        return f"{start}; there was no other track."
    best = of.pairs[0].terms
    if best.similarity <= 0:
        return f"{start}; the nearest, track {best.track}, was expected {best.distance:.1f} box heights away."
    alike = f"the most alike is track {best.track} (similarity {best.similarity:.2f}{_gate(best)})"
    return f"{start}; {alike}: {_verdict(of.pairs[0], high_score)}."


def _absence(of: Analysis) -> str:
    """Of a track that was not looked for."""
    start = f"Track {of.id} was not looked for in frame {of.frame}"
    if of.reported[0] > of.frame:
        return f"{start}: it begins in frame {of.reported[0]}."
    by_appearance = "; only its appearance can bring it back" if of.state == "departed" else ""
    return f"{start}: its position had become too uncertain, or it was unseen for too long{by_appearance}."
