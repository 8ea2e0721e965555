"""Which earlier run a source has, and whether it can be gone on with under the settings of now."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tracker import provenance
from tracker.analytics.events import Count
from tracker.errors import ResumeError, SourceError
from tracker.jobs.outcome import SourceResult, given_source
from tracker.jobs.result_folder import RECORD, UNFINISHED, original_files
from tracker.jobs.resume.options import differences

_PLAIN = ("config", "offline", "zones", "camera", "blur", "leaves", "gallery")  # what has to be the same, as it stands


@dataclass(frozen=True)
class EarlierRun:
    """A run as its `run.yaml` tells of it.

    Attributes:
        folder: where it is. record: what it says.
    """

    folder: Path
    record: Mapping[str, Any]

    @classmethod
    def of(cls, folder: Path) -> EarlierRun | None:
        """The run in a folder; None where there is no readable record."""
        try:
            record = yaml.safe_load((folder / RECORD).read_text(encoding="utf-8"))
            _paths(record["source"]["given"], Path(record["folder"])), set(record["files"])
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError):
            return None
        return cls(folder, record)

    @property
    def finished(self) -> SourceResult | None:
        """What became of it where it has ended; None where it was interrupted."""
        result = self.record.get("result")
        if not isinstance(result, dict) or UNFINISHED in self.record["files"]:
            return None
        counted = ("frames", "frames_looked_at", "frames_repeated", "tracks", "seconds", "first_frame_s")
        error = result.get("error")
        return SourceResult(
            result.get("source", self.folder.name),
            self.folder,
            **{name: result.get(name, 0) for name in counted},
            tracks_by_class=result.get("tracks_by_class", {}),
            counts=[Count.of(told) for told in result.get("counts", [])],
            error=SourceError(error) if error else None,  # of a source that is damaged, which it still is
            finished_before=True,
        )

    def is_of(self, given: Any, mark: str) -> bool:
        """Whether it is one of this source: of the same path, or of a file that was moved since."""
        source = self.record["source"]
        before = _paths(source["given"], Path(self.record["folder"]))
        return before == _paths(given_source(given), Path.cwd()) or source.get("fingerprint") == mark

    def require_same(self, conditions: Mapping[str, Any], anywhere: bool = False) -> None:
        """
        Args:
            anywhere: on another device and with other versions of packages, too: they round otherwise.

        Raises:
            ResumeError: under these conditions it would not have become what it is, or would be.
        """
        what = _difference(self.record, yaml.safe_load(provenance.yaml_text(dict(conditions))), anywhere)
        if what:
            raise ResumeError(
                f"the run in {self.folder} cannot be gone on with: {what}; give what it was begun with, or track anew "
                "without --resume"
            )


def fingerprint(source: Any) -> str:
    """What tells a recorded source from another, or from itself before it was changed: of its files' names, sizes and
    times.
    """
    files = [(path.name, path.stat()) for path in sorted(original_files(source)) if path.is_file()]
    known = json.dumps([(name, now.st_size, now.st_mtime_ns) for name, now in files])
    return hashlib.sha256(known.encode()).hexdigest()


def _paths(given: str | Sequence[str], folder: Path) -> list[Path]:
    return [(folder / path).resolve() for path in ([given] if isinstance(given, str) else given)]


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], anywhere: bool) -> str:
    """What is not the same, in words; empty where all is."""
    if "fingerprint" not in before["source"]:
        return "it was left by an earlier version of the tracker"
    source = {"fingerprint": "the source has been changed since", "vid_stride": "--vid-stride is another"}
    source["fps"] = "--fps is another"
    for name, what in source.items():
        if before["source"].get(name) != now["source"].get(name):
            return what
    changed = differences({name: before.get(name) for name in _PLAIN}, {name: now.get(name) for name in _PLAIN})
    if changed:
        return next(iter(changed.values()))
    for network in now["weights"]:
        if before.get("weights", {}).get(network, {}).get("sha256") != now["weights"][network]["sha256"]:
            return f"the weights of {network} are others"
    if anywhere:
        return ""
    if before.get("device") != now["device"]:
        return "the device is another"
    for package in sorted({*before.get("versions", {}), *now["versions"]}):
        if before.get("versions", {}).get(package) != now["versions"].get(package):
            return f"{package} has another version"
    return ""
