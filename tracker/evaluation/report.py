"""One HTML file that shows what went wrong: a picture of each identity switch and fragmentation.

The pictures are SVG: boxes as drawn shapes over a small JPEG crop of the frame, or over a plain canvas where the
sequence has no images. Nothing is loaded from elsewhere, so the file can be sent as it is.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import tlwh_to_xyxy
from tracker.datasets.mot import FLAG, FRAME, HEIGHT, ID, LEFT, WIDTH, MotSequence, Table, results
from tracker.datasets.mot_classes import scored_truth
from tracker.errors import SourceError
from tracker.evaluation.lateness import told
from tracker.evaluation.mistakes import Mistake, find_mistakes
from tracker.system.files import replace_text
from tracker.system.images import jpeg, read_image

LIMIT = 200  # pictures in a report
PANEL_PX = (185, 260)  # greatest width and height of a picture
_QUALITY = 70  # of their JPEGs
_CONTEXT = 1.0  # what is shown around the object, in its larger side

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 82rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .15rem .5rem; text-align: right; font-variant-numeric: tabular-nums; }
th:first-child, td:first-child, .words { text-align: left; }
tbody tr:nth-child(odd) { background: #8881; }
.all { font-weight: 600; }
.mistakes { display: grid; grid-template-columns: repeat(auto-fill, minmax(39rem, 1fr)); gap: 1rem; }
figure { margin: 0; padding: .6rem; border: 1px solid #8884; border-radius: .4rem; }
figure:target { outline: 3px solid #e80; }
.panels { display: flex; gap: .4rem; flex-wrap: wrap; }
.panel { font-size: 12px; }
svg { display: block; background: #f4f4f2; border-radius: .2rem; }
.switch b { color: #c22; } .gap b { color: #b70; }
"""


@dataclass(frozen=True)
class _Case:
    """A mistake with where it happened."""

    sequence: MotSequence
    mistake: Mistake

    @property
    def anchor(self) -> str:
        return f"{self.sequence.name}-{self.mistake.after}-{self.mistake.truth_id}"

    @property
    def gap(self) -> int:
        return self.mistake.after - self.mistake.before - 1

    @property
    def lasting(self) -> str:
        """Of a switch, how long the wrong id stays."""
        if not self.mistake.switch:
            return ""
        frames = self.mistake.wrong_frames
        if not frames:
            return f"; {self.mistake.id_after} is its own id"
        return f", wrong for {_counted(frames, 'frame', 'frames')} ({frames / self.sequence.fps:.1f} s)"

    @property
    def kind(self) -> str:
        if not self.mistake.switch:
            return "fragmentation"
        return "switch and fragmentation" if self.mistake.fragmentation else "switch"


def write_report(
    sequences: Iterable[MotSequence],
    results_dir: Path,
    path: Path,
    scores: Mapping[str, Mapping[str, Any]],
    preproc: bool = True,
    limit: int = LIMIT,
) -> int:
    """Write the report.

    Args:
        sequences: with ground truth, and images where there are.
        results_dir: holds SEQUENCE.txt for each.
        path: the HTML file.
        scores: what `tracking.score` gave, for the summary; under "against" the same of other trackers. Where there is
            "written", each file's `Lateness` by its sequence's name as a dict, that is shown, too.
        preproc: as there.
        limit: number of pictures, so that the file stays one that can be opened and sent. Switches go before
            fragmentations, long gaps before short ones; what has no picture is in the list all the same.

    Returns:
        Number of mistakes found.

    Raises:
        DataError: ground truth or results that cannot be read.
        OutputError: `path` cannot be written.
    """
    sections, cases = [], []
    tables = {}
    for sequence in sequences:
        tables[sequence.name] = scored_truth(sequence.ground_truth_file), results(results_dir / f"{sequence.name}.txt")
        cases += [_Case(sequence, m) for m in find_mistakes(*tables[sequence.name], preproc=preproc)]
    by_weight = sorted(cases, key=lambda case: (not case.mistake.switch, -case.gap))
    shown = set(by_weight[:limit])
    for name, (truth, result) in tables.items():
        own = [case for case in cases if case in shown and case.sequence.name == name]
        figures = "\n".join(_figure(case, truth, result) for case in own)
        if own:
            sections.append(
                f'<h2 id="{html.escape(name)}">{html.escape(name)}</h2>\n<div class="mistakes">{figures}</div>'
            )
    switches = _counted(sum(case.mistake.switch for case in cases), "identity switch", "identity switches")
    breaks = _counted(sum(case.mistake.fragmentation for case in cases), "fragmentation", "fragmentations")
    left_out = len(cases) - len(shown)
    more = f" The {len(shown)} most serious have a picture; {left_out} more are in the list only." if left_out else ""
    replace_text(
        path,
        f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>What went wrong</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head><body>
<h1>What went wrong</h1>
<p>{switches} and {breaks}.{more} The dashed black box is the object that
was lost, the thick boxes are the tracks it was matched to; thin boxes are other tracks, dashed grey ones other
objects. <code>track explain FOLDER --sequence NAME --id ID --frame FRAME</code> says what the tracker compared.</p>
{_summary(scores, shown)}
{_index(cases, shown)}
{chr(10).join(sections)}
</body></html>
""",
    )
    return len(cases)


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _summary(scores: Mapping[str, Mapping[str, Any]], shown: Set[_Case]) -> str:
    """A row a sequence, one for all together, and one for every other tracker."""
    columns = [name for name in scores["combined"] if name != "WrongID_frames"]  # the same in seconds stands there
    head = "".join(f"<th>{column}</th>" for column in columns) + '<th class="words">Written</th>'
    linked = {case.sequence.name for case in shown}
    all_of = [("all", scores), *scores.get("against", {}).items()]
    lines = [(name, values, _written(scores, name)) for name, values in scores["sequences"].items()]
    lines += [(name, of["combined"], told(of.get("written", {}))) for name, of in all_of]
    rows = []
    for name, values, late in lines:
        label = html.escape(name)
        label = f'<a href="#{label}">{label}</a>' if name in linked else label
        shares = (values[column] for column in columns)
        cells = "".join(f"<td>{v:.2f}</td>" if isinstance(v, float) else f"<td>{v}</td>" for v in shares)
        cells += f'<td class="words">{html.escape(late)}</td>'
        rows.append(f'<tr class="{"all" if name == "all" else ""}"><td>{label}</td>{cells}</tr>')
    return (
        f"<table><thead><tr><th>sequence</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        "<p>Of the matched boxes, Purity % are of the object that their track has most often, and Completeness % under "
        "the id that their object has most often, its own. Objects go under another id WrongID % of the time, for "
        "WrongID_s seconds at once (median).</p>"
    )


def _written(scores: Mapping[str, Mapping[str, Any]], name: str) -> str:
    """How late the file of one sequence was written."""
    return told({n: late for n, late in scores.get("written", {}).items() if n == name})


def _index(cases: Sequence[_Case], shown: Set[_Case]) -> str:
    """Every mistake, with a link to its picture where it has one."""

    def name(case: _Case) -> str:
        name = html.escape(case.sequence.name)
        return f'<a href="#{html.escape(case.anchor)}">{name}</a>' if case in shown else name

    rows = "".join(
        f"<tr><td>{name(c)}</td><td>{c.mistake.after}</td>"
        f"<td>{c.kind}</td><td>{c.mistake.truth_id}</td><td>{c.mistake.id_before}</td><td>{c.mistake.id_after}</td>"
        f"<td>{c.gap}</td><td>{c.mistake.wrong_frames}</td></tr>"
        for c in cases
    )
    titles = ("sequence", "frame", "what", "object", "id before", "id after", "gap", "frames under a wrong id")
    head = "".join(f"<th>{title}</th>" for title in titles)
    return (
        f"<details><summary>List of {_counted(len(cases), 'mistake', 'mistakes')}</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></details>"
    )


def _figure(case: _Case, truth: Table, result: Table) -> str:
    mistake = case.mistake
    frames = sorted({mistake.before, (mistake.before + mistake.after) // 2, mistake.after})
    window = _window(truth, mistake, frames)
    images = case.sequence.images()
    panels = []
    for frame in frames:
        image = images[frame - 1] if frame <= len(images) else None
        picture = _panel(truth, result, mistake, frame, window, image)
        panels.append(f'<div class="panel">{picture}frame {frame}</div>')
    ids = f"id {mistake.id_before} → {mistake.id_after}" if mistake.switch else f"id {mistake.id_before}"
    gap = f", not found for {case.gap} frame{'s' * (case.gap > 1)}" if case.gap else ""
    return (
        f'<figure id="{html.escape(case.anchor)}" class="{"switch" if mistake.switch else "gap"}">'
        f"<figcaption><b>{case.kind}</b>: object {mistake.truth_id}, {ids}{gap}{case.lasting}</figcaption>"
        f'<div class="panels">{"".join(panels)}</div></figure>'
    )


def _window(truth: Table, mistake: Mistake, frames: Sequence[int]) -> tuple[float, float, float, float]:
    """Left, top, width, height of what all panels of a mistake show: the object's way and its surroundings."""
    rows = truth[(truth[:, ID] == mistake.truth_id) & np.isin(truth[:, FRAME], frames)]
    boxes = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1])
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    margin = _CONTEXT * rows[:, WIDTH : HEIGHT + 1].max()
    centre, half = (low + high) / 2, (high - low) / 2 + margin / 2
    half = np.maximum(half, half.max() / 1.6)  # neither a stripe nor a column
    left, top = centre - half
    return float(left), float(top), float(2 * half[0]), float(2 * half[1])


def _panel(
    truth: Table,
    result: Table,
    mistake: Mistake,
    frame: int,
    window: tuple[float, float, float, float],
    image: Path | None,
) -> str:
    left, top, width, height = window
    scale = min(PANEL_PX[0] / width, PANEL_PX[1] / height)
    line = 1 / scale  # one pixel of the panel, in pixels of the frame
    shapes = [_crop(image, window)] if image else []
    objects, tracks = (_inside(table[table[:, FRAME] == frame], window) for table in (truth, result))
    objects = objects[(objects[:, FLAG] != 0) | (objects[:, ID] == mistake.truth_id)]
    involved = np.isin(tracks[:, ID], (mistake.id_before, mistake.id_after))
    own = objects[:, ID] == mistake.truth_id
    shapes += [_box(row, "#777", line, dash=3 * line) for row in objects[~own]]
    shapes += [_box(row, _colour(row[ID]), 1.2 * line) + _label(row, line, 10) for row in tracks[~involved]]
    shapes += [_box(row, "#fff", 3 * line) + _box(row, "#000", 2 * line, dash=6 * line) for row in objects[own]]
    shapes += [_box(row, _colour(row[ID]), 3 * line) + _label(row, line, 14) for row in tracks[involved]]
    return (
        f'<svg width="{width * scale:.0f}" height="{height * scale:.0f}" '
        f'viewBox="{left:.1f} {top:.1f} {width:.1f} {height:.1f}">{"".join(shapes)}</svg>'
    )


def _inside(table: Table, window: tuple[float, float, float, float]) -> Table:
    """The rows whose box meets the window."""
    low, high = np.array(window[:2]), np.array(window[:2]) + window[2:]
    start, end = table[:, LEFT : LEFT + 2], table[:, LEFT : LEFT + 2] + table[:, WIDTH : HEIGHT + 1]
    meets: Table = table[((start < high) & (end > low)).all(axis=1)]
    return meets


def _box(row: NDArray[np.float64], colour: str, line: float, dash: float = 0) -> str:
    left, top, width, height = row[LEFT : HEIGHT + 1]
    dashes = f' stroke-dasharray="{dash:.2f}"' if dash else ""
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="none" '
        f'stroke="{colour}" stroke-width="{line:.2f}"{dashes}/>'
    )


def _label(row: NDArray[np.float64], line: float, size: float) -> str:
    return (
        f'<text x="{row[LEFT] + 2 * line:.1f}" y="{row[LEFT + 1] - 3 * line:.1f}" font-size="{size * line:.2f}" '
        f'font-weight="700" fill="{_colour(row[ID])}" stroke="#fff" stroke-width="{3 * line:.2f}" '
        f'paint-order="stroke">{int(row[ID])}</text>'
    )


def _colour(identity: float) -> str:
    """Golden-angle hues: ids that follow each other look far apart."""
    return f"hsl({identity * 137.5 % 360:.0f} 85% 42%)"


def _crop(path: Path, window: tuple[float, float, float, float]) -> str:
    """The part of the image inside the window, as a small embedded JPEG in the frame's coordinates."""
    import cv2

    try:
        image = read_image(path)
    except SourceError:  # the drawing tells without it, too
        return ""
    left, top = max(0, int(window[0])), max(0, int(window[1]))
    right = min(image.shape[1], int(window[0] + window[2]) + 1)
    bottom = min(image.shape[0], int(window[1] + window[3]) + 1)
    if right <= left or bottom <= top:
        return ""
    part = image[top:bottom, left:right]
    scale = min(1.0, 1.5 * max(PANEL_PX) / max(part.shape[:2]))
    if scale < 1:
        part = np.asarray(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
    code = base64.b64encode(jpeg(part, _QUALITY)).decode()
    return (
        f'<image x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" '
        f'href="data:image/jpeg;base64,{code}"/>'
    )
