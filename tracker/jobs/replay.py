"""A run done again from its `run.yaml`: by the same tracker, with the same settings, of the same frames.

Equal inputs give equal tracks, so nothing of a run's decisions has to be kept: who wants to see one has the tracker
keep it (`Tracker.keep_decision`) when the run is done again. That it gave the rows that the run wrote can be checked.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tracker import provenance
from tracker.analytics.zones import Zones
from tracker.config import Config
from tracker.datasets.finished_run import no_run
from tracker.datasets.mot import MotSequence
from tracker.errors import DataError, SourceError, UsageError
from tracker.jobs.prefetch import detected
from tracker.jobs.sequences import Given, given
from tracker.structures import Detections
from tracker.system.renamed import RenamedKeyWarning
from tracker.tracker import Tracker
from tracker.video.repeats import marked
from tracker.video.source import open_source


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

    tracker: Tracker
    frames: Callable[[], Generator[Given, None, None]]
    file: Path
    delay_s: float
    changed: str


def repetition(run: Path, sequence: str | None = None, device: str | None = None) -> Repetition:
    """A run of `track`, or a sequence of one of `track eval`, from the folder it left.

    Raises:
        DataError: no readable record in the folder.
        UsageError: no such sequence; a run whose ids were joined afterwards (`--offline`, `--part`).
    """
    path = run / "run.yaml"
    try:
        record = yaml.safe_load(path.read_text(encoding="utf-8"))
        folder = record["folder"]
        with warnings.catch_warnings():  # a run wrote its record, so no user has former names to change there
            warnings.simplefilter("ignore", RenamedKeyWarning)
            config = Config().override(record["config"], str(path))
        models = {
            name: place_then(folder, record["config"][name]["model"]) for name in ("detector", "appearance", "motion")
        }
        used = {network: weights["sha256"] for network, weights in record["weights"].items()}
        device, offline = device or record["device"], record["offline"]
        corrected = record.get("corrected")
    except (FileNotFoundError, NotADirectoryError) as missing:
        raise no_run(run, "`track` or `track eval`") from missing
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is not the record of a run of this version; run again and explain that") from error
    if corrected:
        raise UsageError(f"{run} was corrected by hand (`track apply`); explain the run that it was made from")
    if offline:
        raise UsageError(f"{run} was made with --offline, which joins tracks afterwards; explain a run without it")
    if "parts" in record:
        raise UsageError(f"{run} was tracked in parts (--part), which are joined afterwards; explain a run without it")
    config = config.override({name: {"model": model} for name, model in models.items()})
    tracker = Tracker(config, device=device)
    files = provenance.weights_files(config, "detector" in used)
    other = [network for network, file in files.items() if provenance.hashed(file)["sha256"] != used.get(network)]
    changed = f"the weights of {' and '.join(other)} have changed since" if other else ""
    if "source" in record:
        if sequence is not None:
            raise UsageError(f"{run} is the run of one source, not of sequences; leave out --sequence")
        source = record["source"]
        zones = Zones.parsed(record.get("zones", {}), str(path))
        frames = _of_source(
            tracker, place_then(folder, source["given"]), source["vid_stride"], source.get("fps"), zones
        )
        return Repetition(tracker, frames, run / "tracks.txt", config.bank.report_delay_s, changed)
    frames, name = _of_sequence(tracker, run, record, sequence)
    return Repetition(
        tracker, frames, run / f"{name}.txt", 0.0 if record["strict_online"] else config.bank.report_delay_s, changed
    )


def place_then(folder: str, given: Any) -> Any:
    """A path, or several, as the run meant it, which was made in `folder`; what is no path there stays as it is."""
    if not isinstance(given, str):
        return [place_then(folder, path) for path in given]
    place = Path(folder, given)
    return str(place) if given and place.exists() else given


def _of_source(
    tracker: Tracker, source: str | list[str], vid_stride: int, fps: float | None, zones: Zones
) -> Callable[[], Generator[Given, None, None]]:
    def frames() -> Generator[Given, None, None]:
        from tracker.system.device import resolve_device

        with open_source(source, vid_stride, fps=fps) as opened:
            if opened.live:
                raise SourceError(f"{source} is live, what was seen there is gone; explain a run of a recorded video")
            seconds = {"decode": 0.0, "detect": 0.0}
            device = resolve_device(tracker.config.device)
            assert opened.size is not None
            here = zones.fitted(opened.size)
            settings = tracker.config.detector
            came, looks = marked(opened, settings.skip_repeats), (tracker.looks, tracker.due)
            with closing(detected(came, tracker.detector, device, seconds, *looks)) as detected_frames:
                for frame, found in detected_frames:
                    if frame.repeated:
                        continue
                    look = found is not None
                    seen = here.keep(found or Detections.empty(), (frame.image.shape[1], frame.image.shape[0]))
                    yield Given(frame.number, frame.captured_s, frame.image, seen, None, look)

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
    folder = place_then(record["folder"], folders[name])
    return lambda: given(tracker, MotSequence.read(folder), **record["given"]), name
