"""What `run.yaml` says from the start: enough to replay a run, and to know whether it can be gone on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tracker import provenance
from tracker.analytics.ground.plane import GroundPlane
from tracker.analytics.zones import Zones
from tracker.config import Config
from tracker.jobs.identities.archive import IdentityArchive
from tracker.jobs.outcome import given_source
from tracker.jobs.result_folder import LEAVES, Output
from tracker.jobs.resume.earlier import fingerprint
from tracker.video.source import Source


@dataclass(frozen=True)
class Conditions:
    """What is asked of a run, as `tracker.jobs.run.run` takes it."""

    output: Output
    vid_stride: int
    fps: float | None
    zones: Zones
    ground: GroundPlane | None
    command: Sequence[str]
    gallery: IdentityArchive | None = None

    def of(self, source: Source, given: Any, config: Config, device: str, recorded: bool) -> dict[str, Any]:
        """For one source.

        Args:
            given: what it was opened of. recorded: whether its frames can be read again.
        """
        output = self.output
        return {
            "command": provenance.command_line(self.command),
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "source": {
                "given": given_source(given),
                "size": list(source.size or ()),
                "frames_per_s": round(source.fps, 4),
                "frame_count": source.frame_count,
                "vid_stride": self.vid_stride,
                "fps": self.fps,
                **({"fingerprint": fingerprint(given)} if recorded else {}),
            },
            "leaves": {name: getattr(output, name) for name in LEAVES},
            "offline": output.offline,
            **({"zones": self.zones.to_dict()} if self.zones else {}),
            **({"camera": self.ground.to_dict()} if self.ground else {}),
            **({"blur": list(output.blur)} if output.blur else {}),
            **({} if self.gallery is None else {"gallery": self.gallery.place}),
        } | provenance.conditions(config, device)
