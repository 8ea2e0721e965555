"""How long after a frame its rows of a result file were final, and whether they bear the right frame's number.

A file that was written late could use what came after: half a second of fixed-lag smoothing is worth some HOTA, the
whole video more, so such files are compared with their like. That stands in the `run.yaml` beside a file; the file
itself does not show it. What a file does show, against the ground truth, is rows numbered by the frame in which they
were written instead of the one that they are of: boxes that run behind the objects by the lag.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, LEFT, MotSequence, Table, results
from tracker.structures import Ints

_FURTHEST_S = 1.0  # that numbers may be off
_LOOKED_AT = 40  # frames of a file; enough on every set of docs/accuracy.md
_GAIN = 0.05  # of the mean overlap: lagging filters gain up to .02 by a frame, rows half a second off from .08 on


@dataclass(frozen=True)
class Lateness:
    """Of one result file.

    Attributes:
        mode: "online": final at once; "fixed lag": `lag_s` later; "offline": when all was seen; or "unknown".
        lag_s: 0 where online; None where it is offline or unknown.
        shift_frames: by how many frames the rows' numbers are too high, so the boxes late; below 0: too low.
        shift_s: the same in seconds.
    """

    mode: str
    lag_s: float | None
    shift_frames: int = 0
    shift_s: float = 0.0

    def __str__(self) -> str:
        words = {"online": "strictly online", "fixed lag": f"{self.lag_s} s late"}.get(self.mode, self.mode)
        if not self.shift_frames:
            return words
        frames = f"{abs(self.shift_frames)} frame{'s' * (abs(self.shift_frames) > 1)} ({abs(self.shift_s):.2g} s)"
        return f"{words}, boxes numbered {frames} too {'late' if self.shift_frames > 0 else 'early'}"


def lateness(file: Path, sequence: MotSequence) -> Lateness:
    """That of a result file, from the record beside it and against the sequence's ground truth.

    Raises:
        DataError: ground truth or results that cannot be read.
    """
    mode, lag_s = _recorded(file)
    shift = _shift(sequence.ground_truth(), results(file), sequence)
    return Lateness(mode, lag_s, shift, shift / sequence.fps)


def told(written: Mapping[str, Mapping[str, Any]]) -> str:
    """What is to be said of the files of a folder: of most, and then which are not like most.

    Args:
        written: a sequence's name -> the `Lateness` of its file as a dict.
    """
    names: dict[str, list[str]] = {}
    for name, late in written.items():
        names.setdefault(str(Lateness(**late)), []).append(name)
    first, *others = sorted(names, key=lambda words: -len(names[words])) or [""]
    return "; ".join([first, *(f"but {', '.join(names[words])}: {words}" for words in others)])


def _recorded(file: Path) -> tuple[str, float | None]:
    """Mode and lag, where a `run.yaml` beside the file names it."""
    try:
        record: Any = yaml.safe_load((file.parent / "run.yaml").read_text(encoding="utf-8"))
        if file.stem not in record["sequences"]:
            return "unknown", None
        if record["offline"]:
            return "offline", None
        lag_s = 0.0 if record["strict_online"] else float(record["config"]["bank"]["report_delay_s"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, LookupError, TypeError, ValueError):
        return "unknown", None  # another's record, or none
    return ("fixed lag" if lag_s else "online"), lag_s


def _shift(truth: Table, result: Table, sequence: MotSequence) -> int:
    """`Lateness.shift_frames`; 0 where the objects move too little to tell."""
    truth = truth[truth[:, FLAG] != 0]
    furthest = min(round(_FURTHEST_S * sequence.fps), sequence.length // 2)
    frames = np.unique(result[:, FRAME]).astype(np.int64)
    frames = frames[np.linspace(0, len(frames) - 1, min(_LOOKED_AT, len(frames))).astype(np.int64)]
    unshifted = _overlap(truth, result, frames, 0)
    gains = {}
    for shift in range(-furthest, furthest + 1):
        inside = (frames - shift >= 1) & (frames - shift <= sequence.length)
        gain = _overlap(truth, result, frames[inside], shift) - unshifted[inside]
        gains[shift] = float(gain.mean()) if len(gain) else 0.0
    best = max(gains, key=lambda shift: gains[shift])
    return best if gains[best] > _GAIN else 0


def _overlap(truth: Table, result: Table, frames: Ints, shift: int) -> NDArray[np.float64]:
    """(F,) mean over the boxes of each frame of the best IoU with any object `shift` frames earlier."""

    def boxes(table: Table, wanted: Ints) -> Iterator[NDArray[np.float64]]:
        ends = np.searchsorted(table[:, FRAME], [wanted, wanted + 1]).T
        return (tlwh_to_xyxy(table[first:last, LEFT : HEIGHT + 1]) for first, last in ends)

    pairs = zip(boxes(result, frames), boxes(truth, frames - shift), strict=True)
    return np.array([iou(found, there).max(axis=1, initial=0).mean() for found, there in pairs])
