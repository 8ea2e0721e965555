"""The report as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tracker.analytics.recorded_places import recorded_places
from tracker.datasets.finished_run import FinishedRun
from tracker.viewer.report import charts, facts
from tracker.viewer.report.album import album
from tracker.viewer.report.backdrop import backdrop
from tracker.viewer.report.map_figures import CLASSES, map_figures, places_shown
from tracker.viewer.report.numbers.histogram import Histogram
from tracker.viewer.report.numbers.objects import INTERVAL, Objects
from tracker.viewer.report.numbers.places import LineNumbers, ZoneNumbers, line_numbers, zone_numbers
from tracker.viewer.report.numbers.presence import PresenceNumbers
from tracker.viewer.report.numbers.timeline import Timeline
from tracker.viewer.report.wording import KM_H, bin_width, clock, count, rounded, span

_PAGE = Path(__file__).with_name("page")
_BASE = Path(__file__).parents[2] / "web" / "page" / "base.css"
_CHARTS = 12  # lines, and zones, that have a chart; the table has all


def document(run: FinishedRun, title: str = "") -> str:
    """The whole page, the same for the same run and title.

    Args:
        title: its heading; by default the name of the source.

    Raises:
        DataError: files of the run that are not as `track` writes them.
    """
    rows, on_ground = run.annotations, run.on_ground
    time = Timeline.of(rows, run.step)
    objects = Objects.of(rows, on_ground, run.summary)
    presence = PresenceNumbers.of(rows, objects, time)
    zones, ground = recorded_places(run)
    looked = rows.frames[rows.keyframes]
    seen_s = float(rows.times_s[looked.max() - 1]) if len(looked) else 0.0
    lines = [line_numbers(place.name, run.events, time) for place in zones.places if not place.is_zone]
    areas = [zone_numbers(place.name, run.events, time, seen_s) for place in zones.places if place.is_zone]
    place = backdrop(run)
    pictures = album(run.folder, objects)
    title = title or facts.source_name(run)
    script = (_PAGE / "report.js").read_text(encoding="utf-8")
    return _template().render(
        title=title,
        facts=facts.facts(run, time, title),
        headline=_headline(objects, presence, lines, areas, time),
        bin=bin_width(time.step_s),
        over_time=_over_time(objects, presence, time),
        lines=_lines(lines, time),
        zones=_zones(areas, time),
        speeds=_speeds(objects),
        maps=map_figures(rows, on_ground, objects, time, ground, place),
        places=places_shown(zones, lines, areas, run.size),
        table_data=_table(objects, pictures, run.object_names),
        notes=facts.notes(run, rows, objects, lines, areas, place, len(pictures)),
        style=_BASE.read_text(encoding="utf-8") + (_PAGE / "report.css").read_text(encoding="utf-8"),
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _template() -> jinja2.Template:
    rules = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return rules.from_string((_PAGE / "report.html").read_text(encoding="utf-8"))


def _names(objects: Objects) -> list[str]:
    """Of the classes that have a colour of their own, and of the rest together."""
    order = objects.class_order
    names = [objects.name(number) for number in order[:CLASSES]]
    return names + (["others"] if len(order) > CLASSES else [])


def _headline(
    objects: Objects,
    presence: PresenceNumbers,
    lines: Sequence[LineNumbers],
    zones: Sequence[ZoneNumbers],
    time: Timeline,
) -> list[tuple[str, str, str]]:
    """The numbers on top: what, how much, and more of it."""
    sizes = presence.new.sum(axis=1).tolist()
    most = [f"{size:,} {objects.name(number)}" for number, size in zip(objects.class_order[:3], sizes, strict=False)]
    more = f" and {count(len(sizes) - 3, 'more class', 'more classes')}" if len(sizes) > 3 else ""
    whole = time.end_s - float(time.edges_s[0])
    said = [
        ("objects", f"{len(objects):,}", ", ".join(most) + more or "nothing was tracked"),
        ("most at once", f"{presence.peak:,}", f"first at {clock(presence.peak_s, whole)}" if presence.peak else ""),
    ]
    if len(objects):
        median, longest = (span(float(value)) for value in (np.median(objects.seconds), objects.seconds.max()))
        said.append(("in the picture for", median, f"half of them longer; longest {longest}"))
    if lines:
        ins, outs = (int(sum(ways.sum() for ways in of)) for of in zip(*((n.ins, n.outs) for n in lines), strict=True))
        said.append(("crossings", f"{ins + outs:,}", f"{ins:,} in, {outs:,} out; {_of(len(lines), 'line')}"))
    stays = np.concatenate([zone.dwell_s for zone in zones]) if zones else np.zeros(0)
    if len(stays):
        entries = count(sum(zone.entered for zone in zones), "entry", "entries")
        detail = f"half of them longer; {entries}, {_of(len(zones), 'zone')}"
        said.append(("in a zone for", span(float(np.median(stays))), detail))
    known = objects.speed_m_s[np.isfinite(objects.speed_m_s)] * KM_H
    if len(known):
        fast = rounded(float(np.quantile(known, 0.85)))
        said.append(("median speed", f"{rounded(float(np.median(known)))} km/h", f"85 % go up to {fast} km/h"))
    return said


def _of(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"{number} {what}s together"


def _over_time(objects: Objects, presence: PresenceNumbers, time: Timeline) -> list[tuple[str, charts.Chart]]:
    rest = presence.new[CLASSES:].sum(axis=0, keepdims=True)
    rows = np.concatenate([presence.new[:CLASSES], rest]) if len(presence.new) > CLASSES else presence.new
    each = bin_width(time.step_s)
    return [
        (f"New objects per {each}", charts.stacked("New objects over time, by class", rows, _names(objects), time)),
        (
            "In the picture at once",
            charts.levels("Objects in the picture over time", presence.mean.sum(axis=0), presence.most, time),
        ),
    ]


def _lines(lines: Sequence[LineNumbers], time: Timeline) -> dict[str, Any]:
    rows = [
        (line.name, kind, f"{ins:,}", f"{outs:,}", f"{ins - outs:+,}".replace("-", "−") if ins != outs else "0")
        for line in lines
        for kind, (ins, outs) in (line.by_class or {"–": (0, 0)}).items()
    ]
    busy = sorted(lines, key=lambda line: -int((line.ins + line.outs).sum()))[:_CHARTS]
    drawn = [
        (line.name, charts.both_ways(f"Crossings of {line.name} over time", line.ins, line.outs, time))
        for line in lines
        if line in busy
    ]
    return {"rows": rows, "charts": drawn, "more": len(lines) - len(drawn)}


def _zones(zones: Sequence[ZoneNumbers], time: Timeline) -> dict[str, Any]:
    rows = [
        (zone.name, kind, f"{stay.ins:,}", f"{stay.outs:,}", f"{stay.inside:,}", span(stay.mean_dwell_s or 0.0))
        for zone in zones
        for kind, stay in zone.by_class.items()
    ]
    rows += [(zone.name, "–", "0", "0", "0", "–") for zone in zones if not zone.by_class]
    busy = sorted(zones, key=lambda zone: -zone.entered)[:_CHARTS]
    drawn = []
    for zone in zones:
        if zone in busy:
            inside = charts.levels(f"Objects in {zone.name} over time", zone.mean, zone.most, time)
            unit, factor = ("min", 60.0) if zone.dwell_s.max(initial=0) > 600 else ("s", 1.0)
            stays = Histogram.of(zone.dwell_s / factor)
            dwell = charts.histogram(f"How long objects stayed in {zone.name}", stays, unit, "stay", "mean")
            median = span(float(np.median(zone.dwell_s))) if len(zone.dwell_s) else ""
            drawn.append({"name": zone.name, "inside": inside, "dwell": dwell, "unit": unit, "median": median})
    return {"rows": rows, "charts": drawn, "more": len(zones) - len(drawn)}


def _speeds(objects: Objects) -> dict[str, Any] | None:
    """How fast objects went, of each class and all together; None where no speed is known."""
    known = np.isfinite(objects.speed_m_s)
    if not known.any():
        return None
    speed = objects.speed_m_s * KM_H
    rows = []
    for number in objects.class_order:
        of = speed[known & (objects.classes == number)]
        if len(of):
            at = [rounded(float(value)) for value in (*np.quantile(of, (0.15, 0.5, 0.85)), of.max())]
            rows.append((objects.name(number), f"{len(of):,}", *at))
    half = float(np.median(INTERVAL * KM_H * objects.speed_std_m_s[known]))
    drawn = charts.histogram("Median speeds of objects", Histogram.of(speed[known]), "km/h", "object", "mean")
    return {"rows": rows, "chart": drawn, "half": rounded(half)}


def _table(objects: Objects, pictures: dict[int, str], called: dict[int, str]) -> dict[str, Any]:
    """The objects for the page's script: rows of numbers, null where not known."""
    order = {number: row for row, number in enumerate(objects.class_order)}
    low, high = (np.maximum(0, objects.speed_m_s + sign * INTERVAL * objects.speed_std_m_s) * KM_H for sign in (-1, 1))
    metric = bool(np.isfinite(objects.path_m).any())
    columns = [
        objects.ids,
        np.array([order[number] for number in objects.classes.tolist()], np.int64),
        objects.first_s.round(2),
        objects.last_s.round(2),
        objects.seconds.round(2),
        (100 * objects.predicted).round(0),
        (objects.path_m if metric else objects.path_px).round(1),
        (objects.speed_m_s * KM_H).round(1),
        low.round(1),
        high.round(1),
    ]
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        "classes": [objects.name(number) for number in objects.class_order],
        "metric": metric,
        "called": {str(i): called[i] for i in sorted(called)},
        "rows": [[None if value != value else value for value in row] for row in rows],
        "pictures": {str(i): pictures[i] for i in sorted(pictures)},
    }
