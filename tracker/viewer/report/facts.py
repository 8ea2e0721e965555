"""What was filmed and how it was looked at, and what the numbers do not say."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import Any

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.viewer.report.backdrop import Backdrop
from tracker.viewer.report.numbers.objects import Objects
from tracker.viewer.report.numbers.places import LineNumbers, ZoneNumbers
from tracker.viewer.report.numbers.timeline import Timeline
from tracker.viewer.report.wording import count, share, span

_ALL = 0.95  # share of frames from which on the others do not matter
_SHORT_S = 1.0  # an object that was there for less may be a mistake


def source_name(run: FinishedRun) -> str:
    """The file or folder without the way to it; an address as it is, without its secrets."""
    given = run.record["source"]["given"]
    if isinstance(given, list):
        return count(len(given), "image")
    text = str(given)
    return text if "://" in text else PurePath(text).name or text


def facts(run: FinishedRun, time: Timeline, title: str) -> list[tuple[str, str]]:
    """What is known of the video and of how it was tracked, but for the title: name and value."""
    source, config = run.record["source"], _mapping(run.record.get("config"))
    detector, result = _mapping(config.get("detector")), _mapping(run.record.get("result"))
    width, height = run.size
    frames = len(time.times_s)
    said = [("Source", source_name(run))] if title != source_name(run) else []
    if started := _moment(run.record.get("started")):
        said.append(("Tracked", started))
    said.append(("Length", f"{span(time.end_s - float(time.edges_s[0]))}, {count(frames, 'frame')}"))
    rate = float(source.get("frames_per_s") or 0.0)
    said.append(("Picture", f"{width} × {height} pixels" + (f", {rate:.4g} frames/s" if rate else "")))
    if time.stride > 1:
        said.append(("Frames used", f"one of every {time.stride}"))
    if looked := result.get("frames_looked_at"):
        again = result.get("frames_repeated")
        words = f"{looked:,} of {count(frames, 'frame')}"
        said.append(("Looked at by the detector", words + (f"; {again:,} repeat the one before" if again else "")))
    model = str(detector.get("model") or "")
    said.append(("Detector", PurePath(model).name if model else "the one that comes with tracker"))
    if classes := [str(name) for name in detector.get("classes") or detector.get("prompt") or []]:
        said.append(("Looked for", ", ".join(classes)))
    if run.record.get("offline"):
        said.append(("Post-processed", "at the end: gaps closed, tracks linked and smoothed"))
    edits = _mapping(run.record.get("corrected")).get("edits")
    if isinstance(edits, int) and edits:
        said.append(("Corrected by hand", count(edits, "edit")))
    if blurred := [str(name) for name in run.record.get("blur") or []]:
        said.append(("Made unreadable", ", ".join(blurred)))
    if version := _mapping(run.record.get("versions")).get("tracker"):
        said.append(("Made by", f"tracker {version}"))
    return said


def notes(
    run: FinishedRun,
    annotations: Annotations,
    objects: Objects,
    lines: list[LineNumbers],
    zones: list[ZoneNumbers],
    place: Backdrop,
    pictures: int,
) -> list[str]:
    """Sentences on what the numbers do not say, those that apply."""
    said = [
        "An object is counted once for as long as it keeps its id. One that leaves and comes back much later may be "
        "counted again, and in a crowd two may be taken for each other."
    ]
    result = _mapping(run.record.get("result"))
    if not result:
        said.append("The run did not end as it should; this is what had been written by then.")
    elif result.get("error") or result.get("interrupted"):
        said.append(f"The run ended before its source did: {result.get('error') or 'it was interrupted'}.")
    hidden, looked = int(annotations.occluded.sum()), result.get("frames_looked_at")
    different = int(result.get("frames") or 0) - int(result.get("frames_repeated") or 0)
    if looked and looked < _ALL * different:
        said.append(
            f"The detector looked at {share(looked, different)} of all different frames. "
            f"{share(hidden, len(annotations))} of all positions are the motion model's: in between, and where "
            "something hid the object."
        )
    elif hidden:
        said.append(
            f"{share(hidden, len(annotations))} of all positions are predicted: the object was not detected there, "
            "mostly because something hid it, and the motion model says where it was."
        )
    short = int((objects.seconds < _SHORT_S).sum())
    if short:
        said.append(
            f"{count(short, 'object')} {'was' if short == 1 else 'were'} there for less than a second: some of "
            "these may be mistakes of the detector, or cut off by the start or end of the video."
        )
    if lines:
        said.append(
            "A crossing counts once an object is clearly on the other side, so boxes that tremble on a line count "
            "nothing; one inside a gap counts at the moment in between."
        )
    if zones:
        inside, first = sum(zone.inside for zone in zones), sum(zone.from_start for zone in zones)
        said.append("An object that is not seen for 5 s has left a zone, at the moment when it was last seen.")
        if inside:
            said.append(
                f"In the mean but not in the histogram: {count(inside, 'stay')} that "
                f"{'was' if inside == 1 else 'were'} not over at the end."
            )
        if first:
            said.append(f"Told shorter than in truth: {count(first, 'stay')} that had begun before the first frame.")
    if "camera" in run.record:
        known = int(np.isfinite(objects.speed_m_s).sum())
        said.append(
            f"{known:,} of {count(len(objects), 'object')} have a speed: it is told where the feet (or wheels) are "
            "seen on the calibrated ground for half a second or more. An object's speed is the median over its way. "
            "The 90 % interval is that of a single moment; it holds what is uncertain of boxes, not of the calibration."
        )
    if not place.filmed:
        said.append("The video was not there any more when this was made, so the maps have no picture.")
    elif place.annotated:
        said.append("The picture behind the maps is of the video with the tracks drawn, of which traces may remain.")
    if pictures and pictures < len(objects):
        said.append(f"{count(pictures, 'object')} {'has' if pictures == 1 else 'have'} a picture in the table.")
    return said


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _moment(value: Any) -> str:
    """'29 November 2026, 22:44 UTC'; nothing of what is no moment."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return ""
    return f"{moment.day} {moment:%B %Y, %H:%M} {moment.tzname() or ''}".strip()
