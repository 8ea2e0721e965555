"""INT8 networks made at first use: of the weights in use, calibrated with photographs, kept in the user's cache folder.

They are keyed by the weights and by the versions of all that makes them, so they are made once and never stale. What
OpenVINO makes of them on this processor is kept beside them, so that they are ready in a third of the time.
`XDG_CACHE_HOME` moves the folder. The LSTM stays as it is: up to a hundred tracks NumPy is as quick as an engine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from tracker.appearance.similarity import EMBEDDED
from tracker.config import Config
from tracker.detection.detector import find_weights
from tracker.detection.foreign_export import SUFFIXES
from tracker.detection.rf_detr import is_rf_detr
from tracker.errors import OutputError, WeightsError
from tracker.system.engine import COMPILED
from tracker.system.extras import extra
from tracker.system.version import __version__

_REVISION = "2"  # of what is made from the same weights by the same versions


def prepared(config: Config, progress: Callable[[str], None] = lambda _: None) -> Config:
    """`config` with the networks that its `engine` runs in the place of the weights; made where they are not yet.

    Networks that are exported already stay, whatever the engine.

    Args:
        config: any; with the engine "torch" it comes back as it is.
        progress: told in words what is going on.

    Raises:
        MissingExtraError: OpenVINO or, to make them, NNCF is not installed.
        WeightsError: weights that cannot be read.
        OutputError: there is no cache folder, or it cannot be written.
    """
    if config.engine == "torch":
        return config
    extra("openvino", "openvino")
    weights = {"detector": find_weights(config.detector.model)}
    if config.appearance.enabled:
        weights["appearance"] = Path(config.appearance.model or EMBEDDED)
    said = config.detector.prompt
    folders = {name: _place(name, path, said) for name, path in weights.items() if not _exported(path)}
    missing = {name: folder for name, folder in folders.items() if not folder.is_dir()}
    if missing:
        _make(config, missing, progress)
    for folder in folders.values():
        with contextlib.suppress(OSError):  # where it cannot be written they are laid out anew each time
            (folder / COMPILED).mkdir(exist_ok=True)
    changes: dict[str, Any] = {name: {"model": str(folder)} for name, folder in folders.items()}
    if "detector" in changes:
        changes["detector"]["prompt"] = []  # which is a part of it now
    return config.override(changes)


def _exported(weights: Path) -> bool:
    """Whether they are run as they are."""
    return weights.is_dir() or weights.suffix in SUFFIXES or is_rf_detr(weights)


def _place(name: str, weights: Path, prompt: Sequence[str]) -> Path:
    """Where the network made from `weights`, a detector's for `prompt`, is kept."""
    if not weights.is_file():
        raise WeightsError(f"no {name} weights at {weights}; give a file, or leave it out for the embedded one")
    versions = [_REVISION, __version__, *(_version(package) for package in ("openvino", "nncf"))]
    if prompt and name == "detector":
        versions.append(json.dumps(list(prompt)))  # which tells "traffic light" from "traffic" and "light"
    key = hashlib.sha256(weights.read_bytes() + " ".join(versions).encode()).hexdigest()
    return _cache() / "tracker" / f"{name}-int8-{key[:16]}"


def _cache() -> Path:
    """The user's cache folder."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError as error:  # a container's user without a name
        raise OutputError(
            "no home folder to keep the INT8 networks in; set XDG_CACHE_HOME to a folder for them"
        ) from error


@contextlib.contextmanager
def _keeping(folder: Path) -> Iterator[None]:
    """Turn the system's refusal to write to the cache folder into one sentence."""
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"the INT8 networks cannot be kept in {folder}: {reason}; set XDG_CACHE_HOME to a folder that can "
            "be written, with room for them"
        ) from error


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def _make(config: Config, missing: dict[str, Path], progress: Callable[[str], None]) -> None:
    """Make each in a folder beside its place and move it there at once: a reader finds all of it or nothing."""
    from tracker.export.calibration_data import collect
    from tracker.export.convert import export, require

    require("openvino", int8=True)

    def told(what: str) -> None:
        progress(f"making the INT8 networks (once): {what}")

    place = next(iter(missing.values())).parent
    with _keeping(place):  # before the work: what cannot be kept is not made
        place.mkdir(parents=True, exist_ok=True)
        drafts = Path(tempfile.mkdtemp(dir=place, prefix="draft-"))
    try:
        calibration_set = collect(None, config, progress=told)
        for name, folder in missing.items():
            export(config, drafts / name, calibration_set, int8=True, networks=[name], progress=told)
            with _keeping(place):
                if not folder.is_dir():  # another process may have been quicker
                    (drafts / name).rename(folder)
    finally:
        shutil.rmtree(drafts, ignore_errors=True)
