"""Checkpoints of a training: written whole or not at all, read without running code, and only with their settings."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from tracker.errors import UsageError, WeightsError
from tracker.system.files import replace_file


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the checkpoint at `path`.

    Raises:
        OutputError: it cannot be written; the old one stays.
    """
    buffer = io.BytesIO()
    torch.save(dict(content), buffer)
    replace_file(path, buffer.getvalue())


def present(path: Path) -> Path:
    """`path`, where a training that is to go on left its checkpoint. To be asked before anything is read or made.

    Raises:
        WeightsError: there is none; a training is never begun anew where one was to be gone on with.
    """
    if not path.is_file():
        raise WeightsError(f"no checkpoint at {path} to go on from; start without --resume")
    return path


def read(path: Path, device: str | torch.device = "cpu") -> dict[str, Any]:
    """What `write` wrote.

    Raises:
        WeightsError: missing or damaged.
    """
    present(path)
    try:
        return dict(torch.load(path, map_location=device, weights_only=True))
    except Exception as error:  # whatever a damaged file makes the reader raise, the remedy is one
        raise damaged(path) from error


def damaged(path: Path) -> WeightsError:
    """To raise where a checkpoint does not hold what this training needs."""
    return WeightsError(f"{path} is damaged or not a checkpoint of this training; start without --resume")


def same_settings(path: Path, then: Mapping[str, Any], now: Mapping[str, Any], free: Iterable[str] = ()) -> None:
    """Check that what a checkpoint was made with is what is asked for; `free` may differ.

    Raises:
        UsageError: naming each setting that differs.
    """
    names = [name for name in now if name not in free and _plain(then.get(name)) != _plain(now[name])]
    if names:
        said = ", ".join(f"{name} {_plain(then.get(name))} then, {_plain(now[name])} now" for name in names)
        raise UsageError(f"{path} was made with other settings ({said}); repeat them or start without --resume")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def diverged(what: str) -> UsageError:
    """To raise where numbers are not finite any more."""
    return UsageError(f"the training has diverged ({what}); lower --learning-rate; what was saved before is kept")
