"""Where a run stands, and what became of each of its sources."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracker.analytics.events import Count
from tracker.errors import OutputError, SourceError
from tracker.video.url import is_url, redacted, shown

STAGES = ("decode", "detect", "camera motion", "appearance", "motion+association", "smoothing", "write")


@dataclass(frozen=True)
class Progress:
    """Where a run stands: source, frames tracked of how many (None: unknown), tracks in the last, seconds so far."""

    source: str
    frames: int
    frame_count: int | None
    live: int
    seconds: float


@dataclass
class SourceResult:
    """What became of one source.

    Attributes:
        source: its name.
        folder: where the results are; None where nothing could be read.
        frames: how many were tracked. frames_looked_at: how many of them the detector looked at.
        frames_repeated: how many of them show the picture before them once more, and were not looked at for that.
        tracks: how many different objects were reported. tracks_by_class: the same by class, the most first.
        counts: what was counted at the lines and in the zones; none without.
        seconds: wall time from the first frame wanted to the last file closed.
        first_frame_s: seconds until the first frame was tracked, networks loaded and all.
        stage_seconds: seconds of work of each of `STAGES` (for decode: of waiting for frames). Stages overlap, so they
            may add up to more than `seconds`.
        error: what ended it early, if something did; results until then are in `folder`.
        interrupted: ended by the user or the system.
        signal: the number of the signal that interrupted it.
        finished_before: nothing was done, since an earlier run had ended (`--resume`), whose result this is.
    """

    source: str
    folder: Path | None = None
    frames: int = 0
    frames_looked_at: int = 0
    frames_repeated: int = 0
    tracks: int = 0
    tracks_by_class: dict[str, int] = field(default_factory=dict)
    counts: list[Count] = field(default_factory=list)
    seconds: float = 0.0
    first_frame_s: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))
    error: SourceError | OutputError | None = None
    interrupted: bool = False
    signal: int = signal.SIGINT
    finished_before: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Counts, frames/s and milliseconds a frame, ready for YAML or JSON."""
        frames = max(1, self.frames)
        return {
            "source": self.source,
            "folder": None if self.folder is None else str(self.folder),
            "frames": self.frames,
            "frames_looked_at": self.frames_looked_at,
            "frames_repeated": self.frames_repeated,
            "tracks": self.tracks,
            "tracks_by_class": self.tracks_by_class,
            **({"counts": [count.to_dict() for count in self.counts]} if self.counts else {}),
            "seconds": round(self.seconds, 3),
            "first_frame_s": round(self.first_frame_s, 3),
            "frames_per_s": round(self.frames / self.seconds, 2) if self.seconds else 0.0,
            "ms_per_frame": {stage: round(1000 * s / frames, 2) for stage, s in self.stage_seconds.items()},
            "error": None if self.error is None else str(self.error),
            "interrupted": self.interrupted,
            **({"finished_before": True} if self.finished_before else {}),
        }


def given_source(source: Any) -> str | list[str]:
    """A source as `run.yaml` has it: what `open_source` takes, without the secrets of a URL."""
    if isinstance(source, str | int | Path):
        return shown(str(source))
    return [str(image) for image in source]


def full_name(source: Any) -> str:
    """A source by what it is called wherever a command is: an absolute path, or a URL without its secrets."""
    if isinstance(source, str) and is_url(source):
        return redacted(source)
    if isinstance(source, str | Path):
        return os.path.abspath(source)  # noqa: PTH100 - links stay links
    return os.path.abspath(Path(source[0]).parent)  # noqa: PTH100 - the same


def shown_source(source: Any) -> str:
    """The same in a few words."""
    given = given_source(source)
    return given if isinstance(given, str) else f"{len(given)} images"
