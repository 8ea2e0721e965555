"""What has to be known to repeat a run: versions, the machine, which weights were in use, and the command."""

from __future__ import annotations

import hashlib
import os
import platform
import shlex
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from tracker import __version__
from tracker.config import Config
from tracker.readers.url import is_url, redacted

_PACKAGES = ("torch", "torchvision", "ultralytics", "opencv-python", "numpy", "av", "lap", "trackeval")


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


def weights_files(config: Config) -> dict[str, Path]:
    """Network -> the file its weights come from under `config`.

    Raises:
        WeightsError: the detector's are missing.
    """
    from tracker import appearance, detect
    from tracker.motion.weights import EMBEDDED as MOTION

    files = {"detector": detect.find_weights(config.detector.model)}
    if config.appearance.enabled:
        files["appearance"] = Path(config.appearance.model or appearance.EMBEDDED)
    files["motion"] = MOTION if config.motion.model in ("", "lstm", "kalman") else Path(config.motion.model)
    return files


def hashed(path: Path) -> dict[str, str]:
    """A file's path and SHA-256."""
    return {"file": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def command_line(words: Sequence[str]) -> str:
    """The words of a command as one line to paste into a shell, with the secrets in its URLs left out."""
    return shlex.join(redacted(word) if is_url(word) else word for word in words)
