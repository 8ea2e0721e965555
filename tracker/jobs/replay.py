"""A run repeated from its `run.yaml`, with what its decisions were made from: for looking at them, not for tracking.

Nothing of a decision is kept while tracking. Equal inputs give equal tracks, so a run is simply done again, by a
tracker that keeps the last decision it made; that the repetition gave the rows that the run wrote can be checked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker import provenance
from tracker.appearance.gallery import Recall
from tracker.association import Candidates, Matches
from tracker.config import Config
from tracker.datasets.mot import MotSequence
from tracker.errors import DataError, SourceError, UsageError
from tracker.jobs.prefetch import detected
from tracker.jobs.sequences import Given, given
from tracker.structures import Detections, Floats, Ints, Tracks
from tracker.tracker import Tracker
from tracker.video.source import open_source


@dataclass(frozen=True, eq=False)
class Decision:
    """What the association of one frame had before it. N tracks, M detections, the surest first.

    Attributes:
        candidates: the tracks. ids: (N,) theirs. seen_s: (N,) when each was detected last.
        found, trust: the detections and their (M,) stretched scores.
        similarity: (N, M), all terms together. matches: what was decided.
    """

    candidates: Candidates
    ids: Ints
    seen_s: NDArray[np.float64]
    found: Detections
    trust: Floats
    similarity: Floats
    matches: Matches


@dataclass(frozen=True, eq=False)
class Moment:
    """One frame: its decision, and what became of it.

    Attributes:
        decision: of the association.
        absent, young, odds: (A,) ids of absent and (Y,) of new tracks, (A, Y) log-odds that they look like one object.
        owners: row of a detection -> id of the track that it was given to, or that it began.
        departed: ids that from now on only their look can bring back.
        tracks: what the tracker returned.
    """

    decision: Decision
    absent: Ints
    young: Ints
    odds: Floats
    owners: dict[int, int]
    departed: list[int]
    tracks: Tracks


class WatchedTracker(Tracker):
    """A tracker that keeps what its last frame was decided from."""

    def update(self, *arguments: Any, **named: Any) -> Tracks:
        """As `Tracker.update`."""
        none = np.zeros(0, np.int64)
        self._returns: tuple[Ints, Ints, Floats] = none, none, np.zeros((0, 0), np.float32)
        self._last = super().update(*arguments, **named)
        return self._last

    def moment(self) -> Moment:
        """The last frame."""
        ids, seen = self._bank.column("id"), self._bank.column("seen_s") == self._last.time_s
        owners = dict(zip(self._bank.column("detection")[seen].tolist(), ids[seen].tolist(), strict=True))
        departed = np.setdiff1d(self.gallery.ids(self._last.time_s), ids)
        return Moment(self._decision, *self._returns, owners, departed.tolist(), self._last)

    def _associate(self, candidates: Candidates, found: Detections, trust: Floats, similarity: Floats) -> Matches:
        matches = super()._associate(candidates, found, trust, similarity)
        ids, seen_s = self._bank.column("id"), self._bank.column("seen_s")
        self._decision = Decision(candidates, ids, seen_s, found, trust, similarity, matches)
        return matches

    def _return_odds(self, known: Recall, young: Ints) -> Floats:
        odds = super()._return_odds(known, young)
        self._returns = known.ids, self._bank.ids(young), odds
        return odds


@dataclass(frozen=True)
class Repetition:
    """A run, ready to be done again.

    Attributes:
        tracker: with the run's settings.
        frames: what it is given, from the first frame on.
        file: the run's result file.
        delay_s: how long a frame may wait to be written.
        changed: what is not as it was then, in words; empty where nothing is known to differ.
    """

    tracker: WatchedTracker
    frames: Callable[[], Generator[Given, None, None]]
    file: Path
    delay_s: float
    changed: str


def repetition(run: Path, sequence: str | None = None, device: str | None = None) -> Repetition:
    """A run of `track`, or a sequence of one of `track eval`, from the folder it left.

    Raises:
        DataError: no readable record in the folder.
        UsageError: no such sequence; a run whose ids were joined afterwards (`--offline`).
    """
    path = run / "run.yaml"
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
        folder = record["folder"]
        config = Config().override(record["config"], str(path))
        models = {name: _then(folder, record["config"][name]["model"]) for name in ("detector", "appearance", "motion")}
        used = {network: weights["sha256"] for network, weights in record["weights"].items()}
        device, offline = device or record["device"], record["offline"]
    except FileNotFoundError as missing:
        raise DataError(f"{run} has no run.yaml; give a folder that `track` or `track eval` left") from missing
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not the record of a run of this version; run again and explain that") from error
    if offline:
        raise UsageError(f"{run} was made with --offline, which joins tracks afterwards; explain a run without it")
    config = config.override({name: {"model": model} for name, model in models.items()})
    tracker = WatchedTracker(config, device=device)
    files = provenance.weights_files(config, "detector" in used)
    other = [network for network, file in files.items() if provenance.hashed(file)["sha256"] != used.get(network)]
    changed = f"the weights of {' and '.join(other)} have changed since" if other else ""
    if "source" in record:
        if sequence is not None:
            raise UsageError(f"{run} is the run of one source, not of sequences; leave out --sequence")
        source = record["source"]
        frames = _of_source(tracker, _then(folder, source["given"]), source["vid_stride"], source.get("fps"))
        return Repetition(tracker, frames, run / "tracks.txt", config.bank.report_delay_s, changed)
    frames, name = _of_sequence(tracker, run, record, sequence)
    return Repetition(
        tracker, frames, run / f"{name}.txt", 0.0 if record["strict_online"] else config.bank.report_delay_s, changed
    )


def _then(folder: str, given: Any) -> Any:
    """A path, or several, as the run meant it, which was made in `folder`; what is no path there stays as it is."""
    if not isinstance(given, str):
        return [_then(folder, path) for path in given]
    place = Path(folder, given)
    return str(place) if given and place.exists() else given


def _of_source(
    tracker: Tracker, source: str | list[str], vid_stride: int, fps: float | None
) -> Callable[[], Generator[Given, None, None]]:
    def frames() -> Generator[Given, None, None]:
        from tracker.system.device import resolve_device

        with open_source(source, vid_stride, fps=fps) as opened:
            if opened.live:
                raise SourceError(f"{source} is live, what was seen there is gone; explain a run of a recorded video")
            seconds = {"decode": 0.0, "detect": 0.0}
            device = resolve_device(tracker.config.device)
            with closing(detected(opened, tracker.detector, device, seconds)) as looked_at:
                for frame, found in looked_at:
                    yield Given(frame.number, frame.time_s, frame.image, found, None)

    return frames


def _of_sequence(
    tracker: Tracker, run: Path, record: dict[str, Any], name: str | None
) -> tuple[Callable[[], Generator[Given, None, None]], str]:
    folders = record["sequences"]
    known = ", ".join(folders)
    if name is None and len(folders) > 1:
        raise UsageError(f"{run} holds {len(folders)} sequences; choose one with --sequence: {known}")
    name = name or next(iter(folders))
    if name not in folders:
        raise UsageError(f"{run} holds no sequence {name!r}; it has: {known}")
    folder = _then(record["folder"], folders[name])
    return lambda: given(tracker, MotSequence.read(folder), **record["given"]), name
