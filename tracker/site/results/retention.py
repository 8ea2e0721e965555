"""How long results are kept: the oldest hours go, and nothing in them that is not ours.

A folder is one of an hour that we made where it has that name and our mark in it. Of it go the files that a site
writes; the folder itself only when it is empty then, so what somebody put there stays.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

MARK = ".made-by-track-serve"
_HOUR = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}Z")
_OURS = re.compile(r"tracks\.csv|events\.jsonl|counts\.csv|\.counts\.csv\.part|video-[0-9]{4}(-[0-9]{4})?\.mp4")

_log = logging.getLogger("tracker.site")


def prune(
    cameras: Iterable[Path], keep_days: float, keep_bytes: int, now_s: float, in_use: Collection[Path] = ()
) -> int:
    """Remove the oldest hours beyond what is kept; those in use stay.

    Args:
        cameras: folders of cameras. keep_days: older hours go; 0: none. keep_bytes: the oldest of all cameras go beyond
            it; 0: none. now_s: Unix seconds. in_use: folders that are written to.

    Returns:
        How many folders were cleared.
    """
    hours = sorted((hour for camera in cameras for hour in _hours(camera)), key=lambda hour: (hour.name, hour.parent))
    oldest = time.strftime("%Y-%m-%dT%HZ", time.gmtime(now_s - 86400 * keep_days)) if keep_days else ""
    sizes = {hour: _size(hour) for hour in hours} if keep_bytes else {}
    total, cleared = sum(sizes.values()), 0
    for hour in hours:
        too_much = bool(keep_bytes) and total > keep_bytes
        if hour not in in_use and (hour.name < oldest or too_much):
            _clear(hour)
            total -= sizes.get(hour, 0)
            cleared += 1
    return cleared


def _hours(camera: Path) -> list[Path]:
    if not camera.is_dir():
        return []
    named = (path for path in camera.iterdir() if _HOUR.fullmatch(path.name))
    return [path for path in named if path.is_dir() and not path.is_symlink() and (path / MARK).is_file()]


def _ours(hour: Path) -> list[Path]:
    return [path for path in hour.iterdir() if _OURS.fullmatch(path.name) and path.is_file() and not path.is_symlink()]


def _size(hour: Path) -> int:
    return sum(path.stat().st_size for path in _ours(hour))


def _clear(hour: Path) -> None:
    try:
        for path in _ours(hour):
            path.unlink()
        if [path.name for path in hour.iterdir()] == [MARK]:
            (hour / MARK).unlink()
            with suppress(OSError):
                hour.rmdir()
    except OSError as error:
        _log.warning("%s cannot be removed: %s", hour, (error.strerror or str(error)).lower())
