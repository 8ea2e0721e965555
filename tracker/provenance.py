"""What has to be known to replay a run: versions, the machine, which weights were in use, and the command."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
from collections.abc import Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import yaml

from tracker.config import Config
from tracker.errors import WeightsError
from tracker.system.engine import MANIFEST
from tracker.system.version import __version__
from tracker.video.url import shown

_PACKAGES = ("torch", "torchvision", "ultralytics", "opencv-python", "numpy", "av", "lap", "trackeval", "rfdetr")


def versions() -> dict[str, str]:
    """Name -> version of this package, Python and the packages that results depend on."""
    found = {"tracker": __version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, Any]:
    """Operating system and number of processors."""
    return {"system": platform.platform(), "cpus": os.cpu_count()}


def weights_files(config: Config, detector: bool = True) -> dict[str, Path]:
    """Network -> the file its weights come from under `config`, with or without the detector's.

    Of an exported folder it is the file that says what it was made from.

    Raises:
        WeightsError: the detector's are missing.
    """
    from tracker.appearance import similarity
    from tracker.detection import detector as detect
    from tracker.motion.weights import EMBEDDED as MOTION

    files = {"detector": detect.find_weights(config.detector.model)} if detector else {}
    if config.appearance.enabled:
        files["appearance"] = Path(config.appearance.model or similarity.EMBEDDED)
    files["motion"] = MOTION if config.motion.model in ("", "lstm", "kalman") else Path(config.motion.model)
    return {network: path / MANIFEST if path.is_dir() else path for network, path in files.items()}


def hashed(path: Path) -> dict[str, str]:
    """A file's path and SHA-256.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        now = path.stat()
        return {"file": str(path), "sha256": _sha256(path, now.st_ino, now.st_size, now.st_mtime_ns)}
    except OSError as error:
        raise WeightsError(f"{path} cannot be read ({error.strerror}); check the model's path") from error


@lru_cache(maxsize=64)  # a tracker that is saved every few seconds names its weights each time
def _sha256(path: Path, *_version: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def conditions(config: Config, device: str, detector: bool = True) -> dict[str, Any]:
    """What `run.yaml` says of the tracker: where it ran, settings, device, weights, versions and machine."""
    return {
        "folder": str(Path.cwd()),  # what the paths in the record are relative to
        "config": config.to_dict(),
        "device": device,
        "weights": {network: hashed(path) for network, path in weights_files(config, detector).items()},
        "versions": versions(),
        "machine": machine(),
    }


def yaml_text(record: dict[str, Any]) -> str:
    """A record as `run.yaml` holds it."""
    return yaml.safe_dump(record, sort_keys=False, allow_unicode=True, width=120)


def command_line(words: Sequence[str]) -> str:
    """The words of a command as one line to paste into a shell, with the secrets in its URLs left out."""
    return shlex.join(map(_shown, words))


def _shown(word: str) -> str:
    option, equals, value = word.partition("=") if word.startswith("--") else ("", "", word)
    return option + equals + shown(value)
