"""Charts as shapes in percent of their plot, for the page to draw: it stretches them, its text stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from tracker.viewer.report.numbers.histogram import Histogram, round_step
from tracker.viewer.report.numbers.timeline import Ints, Reals, Timeline
from tracker.viewer.report.wording import clock, count, rounded

_GAP = 0.16  # of a bin, between bars
_Y_TICKS, _X_TICKS = 4, 6


@dataclass(frozen=True)
class Bar:
    """A rectangle in percent from the upper left corner, and the class of its colour."""

    x: float
    y: float
    width: float
    height: float
    paint: str


@dataclass(frozen=True)
class Chart:
    """One plot.

    Attributes:
        says: what it shows, for those who do not see it.
        x_ticks, y_ticks: percent from the left or from above, and text.
        bars: filled. line: corners x,y of a line, as SVG has them; empty: none.
        hits: percent from the left and width of what can be pointed at, and what is told there.
        zero: percent from above of the base line.
        legend: class of a colour and what it stands for.
    """

    says: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    bars: list[Bar]
    hits: list[tuple[float, float, str]]
    line: str = ""
    zero: float = 100.0
    legend: list[tuple[str, str]] = field(default_factory=list)


def stacked(says: str, rows: Ints, names: Sequence[str], time: Timeline) -> Chart:
    """Counts (C, B) of named series over time, on top of each other."""
    top, y_ticks = _axis(float(rows.sum(axis=0).max(initial=0)))
    paints = [f"c{number}" for number in range(len(names))]
    below = np.cumsum(rows, axis=0) - rows
    bars = [
        _bar(column, time.bins, below[row, column], below[row, column] + rows[row, column], top, paints[row])
        for row in range(len(names))
        for column in np.flatnonzero(rows[row]).tolist()
    ]

    def told(column: int) -> str:
        parts = [f"{rows[row, column]} {names[row]}" for row in range(len(names)) if rows[row, column]]
        return ", ".join(parts) or "none"

    return Chart(says, _times(time), y_ticks, bars, _hits(time, told), legend=list(zip(paints, names, strict=True)))


def both_ways(says: str, ins: Ints, outs: Ints, time: Timeline) -> Chart:
    """Counts (B,) over time, in upwards and out downwards."""
    most = float(max(ins.max(initial=0), outs.max(initial=0)))
    top, ticks = _axis(most, 2)
    y_ticks = [(y / 2, text) for y, text in ticks] + [(100 - y / 2, text) for y, text in ticks if y < 100]
    bars = []
    for column in range(time.bins):
        up, down = (_bar(column, time.bins, 0, number[column], 2 * top, "") for number in (ins, outs))
        bars += [replace(up, y=up.y - 50, paint="in")] if ins[column] else []
        bars += [replace(down, y=50, paint="out")] if outs[column] else []
    told = _hits(time, lambda column: f"{ins[column]} in, {outs[column]} out")
    return Chart(says, _times(time), y_ticks, bars, told, zero=50.0, legend=[("in", "in"), ("out", "out")])


def levels(says: str, mean: Reals, most: Ints, time: Timeline) -> Chart:
    """How many at once (B,): the mean as bars, the most as a line."""
    top, y_ticks = _axis(float(max(mean.max(initial=0), most.max(initial=0))))
    bars = [_bar(column, time.bins, 0, mean[column], top, "mean") for column in np.flatnonzero(mean).tolist()]
    width = 100 / time.bins
    line = " ".join(
        f"{x * width:.2f},{100 - 100 * level / top:.2f}" for n, level in enumerate(most.tolist()) for x in (n, n + 1)
    )
    told = _hits(time, lambda column: f"{rounded(mean[column])} on average, {most[column]} at most")
    return Chart(says, _times(time), y_ticks, bars, told, line, legend=[("mean", "on average"), ("most", "at most")])


def histogram(says: str, of: Histogram, unit: str, what: str, paint: str) -> Chart:
    """How many are between round numbers of a unit."""
    top, y_ticks = _axis(float(of.counts.max(initial=0)))
    size = len(of.counts)
    bars = [_bar(n, size, 0, of.counts[n], top, paint) for n in np.flatnonzero(of.counts).tolist()]
    every = max(1, int(np.ceil(size / _X_TICKS)))
    more = "+" if of.beyond else ""
    x_ticks = [(100 * n / size, f"{of.edges[n]:g}{more if n == size else ''}") for n in range(0, size + 1, every)]
    hits = [
        (
            100 * n / size,
            100 / size,
            f"{of.edges[n]:g} to {of.edges[n + 1]:g}{more if n == size - 1 else ''} {unit}: "
            + count(int(of.counts[n]), what),
        )
        for n in range(size)
    ]
    return Chart(says, x_ticks, y_ticks, bars, hits)


def _axis(most: float, ticks: int = _Y_TICKS) -> tuple[float, list[tuple[float, str]]]:
    """Where an axis of counts ends, and its ticks from there down to 0."""
    step = max(1.0, round_step(most, ticks))
    steps = max(1, int(np.ceil(most / step - 1e-9)))
    return step * steps, [(100 - 100 * n / steps, f"{step * n:,.0f}") for n in range(steps, -1, -1)]


def _bar(column: int, columns: int, low: float, high: float, top: float, paint: str) -> Bar:
    width = 100 / columns
    x = (column + _GAP / 2) * width
    y, height = (round(float(value), 3) for value in (100 - 100 * high / top, 100 * (high - low) / top))
    return Bar(round(x, 3), y, round((1 - _GAP) * width, 3), height, paint)


def _times(time: Timeline) -> list[tuple[float, str]]:
    """Ticks at every first, second, fifth, ... edge."""
    every = next(n for n in (1, 2, 4, 5, 6, 8, 10, 12, 16, 24, 48) if time.bins <= n * _X_TICKS or n == 48)
    whole = float(time.edges_s[-1] - time.edges_s[0])
    numbers = range(0, time.bins + 1, every)
    fine = time.step_s < 60
    return [(100 * n / time.bins, clock(float(time.edges_s[n]), whole, fine)) for n in numbers]


def _hits(time: Timeline, told: Callable[[int], str]) -> list[tuple[float, float, str]]:
    whole = float(time.edges_s[-1] - time.edges_s[0])
    width, fine = 100 / time.bins, time.step_s < 60
    return [
        (
            round(n * width, 3),
            round(width, 3),
            f"{' to '.join(clock(float(edge), whole, fine) for edge in time.edges_s[n : n + 2])}: {told(n)}",
        )
        for n in range(time.bins)
    ]
