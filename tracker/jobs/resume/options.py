"""Settings by the option that makes them, so that what is said of one names what was typed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SETTINGS: Mapping[str, str] = {
    "sensitivity": "--sensitivity",
    "detector.model": "--model",
    "detector.conf": "--conf",
    "detector.iou": "--iou",
    "detector.classes": "--classes",
    "detector.prompt": "--prompt",
    "detector.imgsz": "--imgsz",
    "detector.batch": "--batch",
    "detector.half": "--half",
    "detector.every": "--detect-every",
    "appearance.model": "--reid",
    "bank.memory_s": "--memory",
    "appearance.enabled": "--no-reid",
}
"""A key of the configuration -> its option."""

_RESULTS = {
    "video": "--no-video",
    "json": "--json",
    "parquet": "--parquet",
    "crops": "--save-crops",
    "labels": "--no-labels",
    "trails": "--no-trails",
    "forecast_s": "--forecast",
    "line_width": "--line-width",
    "part_s": "--part",
}
_FILES = ("zones", "camera", "blur")  # whole ones: where in them is not a matter of the command line


def differences(before: Any, now: Any, known_to_both: bool = False) -> dict[str, str]:
    """What is not the same in two records of how a run was made: `config`, `offline`, `leaves` or `output`, ...

    Args:
        known_to_both: keys that only one of them has are left out, as where another version wrote it.

    Returns:
        The way down to each setting -> a few words, as `--conf (detector.conf) was 0.25 and is 0.7 now`.
    """
    return {name: _told(name, *values) for name, values in _different(before, now, known_to_both)}


def _different(before: Any, now: Any, known_to_both: bool, name: str = "") -> list[tuple[str, tuple[Any, Any]]]:
    if not (isinstance(before, dict) and isinstance(now, dict)) or name in _FILES:
        return [] if before == now else [(name, (before, now))]
    keys = [key for key in {**before, **now} if not known_to_both or (key in before and key in now)]
    return [
        found
        for key in keys
        for found in _different(before.get(key), now.get(key), known_to_both, f"{name}.{key}".lstrip("."))
    ]


def _told(name: str, before: Any, now: Any) -> str:
    section, _, key = name.partition(".")
    if name.removeprefix("output.") in _FILES:
        return f"--{name.removeprefix('output.')} is another"
    if section == "config":
        option, shown = SETTINGS.get(key, key), f" ({key})" if key in SETTINGS else ""
    else:
        option, shown = _RESULTS.get(key or section, f"--{(key or section).replace('_', '-')}"), ""
    if isinstance(before, bool) and option.startswith("--"):
        return f"{option} was {'' if before != option.startswith('--no-') else 'not '}given"
    return f"{option}{shown} was {_plain(before)} and is {_plain(now)} now"


def _plain(value: Any) -> str:
    if value in (None, "", []):
        return "not given"
    return ", ".join(map(str, value)) if isinstance(value, list) else f"{value}"
