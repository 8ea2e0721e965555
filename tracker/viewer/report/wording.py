"""Numbers as people read them."""

from __future__ import annotations

import math

KM_H = 3.6  # kilometres an hour in a metre a second


def clock(seconds: float, whole_s: float, seconds_too: bool = True) -> str:
    """A moment of a video that is `whole_s` long: 4.5 s, 12:05, or of hours 3:12:05 or, without seconds, 3:12."""
    if whole_s < 120:
        return f"{seconds:.1f} s" if seconds % 1 > 1e-6 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if whole_s < 3600:
        return f"{minutes}:{rest:02d}"
    return f"{minutes // 60}:{minutes % 60:02d}" + (f":{rest:02d}" if seconds_too else "")


def span(seconds: float) -> str:
    """How long something takes: 0.8 s, 45 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if round(seconds) < 60:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def bin_width(seconds: float) -> str:
    """'half a second', 'minute', '10 minutes': what a bin of time is."""
    if seconds == 0.5:
        return "half second"
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if seconds >= length and seconds % length == 0:
            count = round(seconds / length)
            return unit if count == 1 else f"{count} {unit}s"
    return f"{seconds:g} s"


def count(number: int, what: str, several: str = "") -> str:
    """'1 object', '1,200 objects'."""
    return f"{number:,} {what if number == 1 else several or what + 's'}"


def share(part: float, whole: float) -> str:
    """'27 %'; 'less than 1 %' where it is more than nothing."""
    percent = 100 * part / whole if whole else 0.0
    if 0 < percent < 1:
        return "less than 1 %"
    return f"{percent:.0f} %"


def rounded(value: float) -> str:
    """With three figures at most: 0.8, 12.4, 120, 1,250."""
    if not math.isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 99.95 else f"{value:.1f}"
