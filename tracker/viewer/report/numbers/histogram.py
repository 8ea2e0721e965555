"""How often values are between round numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tracker.viewer.report.numbers.timeline import Ints, Reals

_MOST_BINS = 20


@dataclass(frozen=True, eq=False)
class Histogram:
    """Counts (B,) between edges (B + 1,); what lies beyond the last edge is in the last bin."""

    edges: Reals
    counts: Ints
    beyond: bool

    @classmethod
    def of(cls, values: Reals) -> Histogram:
        """Of values of 0 or more; up to their 98th percentile where single ones lie far beyond it."""
        most = float(values.max(initial=0.0))
        usual = float(np.quantile(values, 0.98)) if len(values) else 0.0
        end = most if most <= 1.5 * usual else usual
        step = round_step(end, _MOST_BINS)
        edges: Reals = step * np.arange(max(1, int(np.ceil(end / step - 1e-9))) + 1, dtype=np.float64)
        bins = (values / step + 1e-9).astype(np.int64)
        last = len(edges) - 2
        return cls(edges, np.bincount(bins.clip(0, last), minlength=last + 1), bool(most > edges[-1] + 1e-9))


def round_step(end: float, most: int) -> float:
    """The least of 1, 2, 5, 10, ... (or of tenths, ...) of which `most` reach from 0 to `end`."""
    if end <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(end / most))
    return float(next(power * factor for factor in (1, 2, 5, 10, 20) if power * factor * most >= end * (1 - 1e-9)))
