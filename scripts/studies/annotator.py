"""A scripted annotator mends the mistakes of two clips in `track view`, as a person would: what is left, what it takes.

    python scripts/studies/annotator.py CLIPS --out OUT

CLIPS holds people.mp4 and traffic.mp4. Each is tracked (`track CLIP --save-crops --json`), opened in headless Chromium
and gone through from one doubt to the next (N): what is proposed is done where it is right (Y); a track that goes over
to another object is split there (S), and what is split off is merged with that one's track (M). Then `track apply`.

What is right is docs/tables/corrections.csv: objects outlined by eye where the mistakes are. What it does not tell is
left alone. Keys and clicks are counted; the seconds that they take a person are assumed. Prints what was wrong before
and is after, leaves pictures of both in OUT, and ends with 1 where anything is left.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import combinations, groupby, pairwise
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import typer

from options import Out, study
from street_mistakes import SAME, Look, Outline, frames_of, outlines, window
from tracker.boxes import iou
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.jobs.corrections.corrected import corrected
from tracker.jobs.corrections.edits import VERSION, Edit, EditList, fingerprint

TABLE = Path(__file__).parents[2] / "docs" / "tables" / "corrections.csv"
PATIENCE_MS = 120_000  # on a busy machine
HEIGHT = 300  # pixels of a picture
DOUBT = """() => {
  const { list } = page.panel, one = list.items[list.active];
  return one && { at: list.active, ids: one.ids, edits: one.settled ? [] : page.proposed(one) };
}"""
LISTED = "() => { globalThis.before = page.panel.lists.doubts }"
SAVED = "count => page.edits.list.length === count && page.panel.lists.doubts !== globalThis.before"

Wrong = Mapping[tuple[int, int], str]  # numbers of two outlines, or twice of one -> what is wrong, in words


def ids_on(rows: Annotations, seen: Iterable[Outline]) -> list[list[int]]:
    """The tracks on each outlined object, the nearest first."""
    found = []
    for outline in seen:
        here = rows[rows.frames == outline.frame]
        overlap = iou(here.xyxy, np.array([outline.box]))[:, 0]
        found.append([int(here.ids[n]) for n in np.argsort(-overlap) if overlap[n] >= SAME])
    return found


def wrong(rows: Annotations, seen: Sequence[Outline]) -> Wrong:
    """Objects that have no box or several, one object under two ids, two objects under one."""
    ids = ids_on(rows, seen)
    found: dict[tuple[int, int], str] = {}
    for n, (outline, here) in enumerate(zip(seen, ids, strict=True)):
        if len(here) != 1:
            found[n, n] = f"{outline.thing} ({outline.frame}) is {' and '.join(map(str, here)) or 'not there'}"
    for (n, one), (m, two) in combinations(enumerate(seen), 2):
        if ids[n] and ids[m] and (one.thing == two.thing) != (ids[n][0] == ids[m][0]):
            said = [f"{a.thing} ({a.frame}) is {ids[k][0]}" for k, a in ((n, one), (m, two))]
            found[n, m] = ", ".join(said)
    return found


def places(found: Wrong, seen: Sequence[Outline]) -> list[str]:
    """Where something is wrong."""
    return sorted({seen[n].place for pair in found for n in pair})


def right(run: FinishedRun, edits: Sequence[Edit], more: Sequence[Edit], seen: Sequence[Outline]) -> bool:
    """Whether more edits mend something and make nothing wrong that was right."""
    before, after = (
        wrong(corrected(run.annotations, made, run.tracked), seen).keys() for made in (edits, [*edits, *more])
    )
    return after < before


def gone_over(rows: Annotations, seen: Sequence[Outline], track: int) -> Outline | None:
    """Where a track is on another object for the first time; None where it stays with one."""
    own = [outline for outline, ids in zip(seen, ids_on(rows, seen), strict=True) if ids[:1] == [track]]
    own.sort(key=lambda outline: outline.frame)
    return next((two for one, two in pairwise(own) if one.thing != two.thing), None)


class Annotator:
    """Somebody at the page of a run.

    Args:
        page: of Playwright, with the run's page loaded. folder: of the run. seen: what is right.

    Attributes:
        keys: that were pressed. clicks: of the mouse. looked: how many doubts were looked at.
    """

    def __init__(self, page: Any, folder: Path, seen: Sequence[Outline]) -> None:
        self.page, self.seen, self.run = page, seen, FinishedRun.read(folder)
        self.keys = self.clicks = self.looked = 0

    def work(self) -> None:
        """Through all that is in doubt."""
        self.page.wait_for_function("() => !page.doubting")
        self.page.locator("#tab-doubts").click()
        self.clicks += 1
        before = -1
        while True:
            self._press("n")
            doubt = self.page.evaluate(DOUBT)
            if doubt is None or doubt["at"] == before:  # the last one
                return
            before = doubt["at"]
            self.looked += 1
            said = {"version": VERSION, "run": fingerprint(self.run.folder), "edits": doubt["edits"]}
            proposed = EditList.parsed(said).edits
            if proposed and right(self.run, self.edits, proposed, self.seen):
                self._saved(len(proposed), "y")
                continue
            for track in doubt["ids"]:
                if other := gone_over(self._rows, self.seen, track):
                    self._take_apart(track, other)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What has been corrected so far."""
        return EditList.read(self.run.folder).edits

    @property
    def _rows(self) -> Annotations:
        return corrected(self.run.annotations, self.edits, self.run.tracked)

    def _take_apart(self, track: int, begins: Outline) -> None:
        """From the frame on in which a track is on another object, it is that one's."""
        while self._frame >= begins.frame:
            self._press("Shift+ArrowLeft")
        while self._frame < begins.frame:
            self._press("ArrowRight")
        if self.page.evaluate("() => page.view.chosen") != track:
            self._press("/", *f"id:{track}", "Enter", "Tab")
        self._saved(1, "s", "Enter")
        new = self.page.evaluate("() => page.view.chosen")
        of_thing = zip(self.seen, ids_on(self._rows, self.seen), strict=True)
        others = {ids[0] for outline, ids in of_thing if ids and outline.thing == begins.thing} - {new}
        for other in sorted(others):
            self._saved(1, "m", *str(other), "Enter")

    @property
    def _frame(self) -> int:
        """The frame that is seen."""
        self.page.wait_for_function("() => page.view.shown === page.view.frame")
        return int(self.page.evaluate("() => page.view.frame"))

    def _saved(self, more: int, *keys: str) -> None:
        """Press what makes so many edits, until they are on disk and the list of doubts is that of now."""
        count = len(self.edits) + more
        self.page.evaluate(LISTED)
        self._press(*keys)
        self.page.wait_for_function(SAVED, arg=count)

    def _press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.keys += 1


@contextmanager
def viewed(folder: Path) -> Iterator[str]:
    """The address of `track view` of a run."""
    words = [sys.executable, "-m", "tracker", "view", str(folder)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = process.stderr.readline()
            found = re.search(r"http://\S+", said)
            if found is None:
                raise SystemExit(f"track view: {said}{process.stderr.read()}")
            yield found.group()
        finally:
            process.terminate()


@contextmanager
def opened(url: str) -> Iterator[Any]:
    """A page in headless Chromium, with its first picture."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path=shutil.which("chromium") or shutil.which("google-chrome"), args=["--no-sandbox"]
        )
        page = chromium.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(url)
        page.wait_for_function("() => globalThis.page?.view?.shown > 0")
        yield page
        chromium.close()


def track(*words: str) -> None:
    """A command of `track`."""
    subprocess.run([sys.executable, "-m", "tracker", *words, "--quiet"], check=True, stdout=subprocess.DEVNULL)


def pictures(folder: Path, seen: Sequence[Outline], path: Path) -> None:
    """What the run's video shows at each place and, below it, the corrected one."""
    videos = [folder / "video.mp4", folder / "corrected" / "video.mp4"]
    shown = [frames_of(video, {outline.frame for outline in seen}) for video in videos]
    rows = []
    for _, group in groupby(seen, key=lambda outline: outline.place):
        here = list(group)
        edges = window([Look(here, np.empty(0), np.empty((0, 4)))])
        x, y, to_x, to_y = (max(0, int(edge)) for edge in edges)
        for of_video in shown:
            crops = [of_video["video", n][y:to_y, x:to_x] for n in sorted({one.frame for one in here})]
            size = round(HEIGHT * crops[0].shape[1] / crops[0].shape[0]), HEIGHT
            rows.append(np.hstack([cv2.resize(crop, size, interpolation=cv2.INTER_CUBIC) for crop in crops]))
    wide = max(row.shape[1] for row in rows)
    cv2.imwrite(str(path), np.vstack([np.pad(row, ((0, 8), (0, wide - row.shape[1]), (0, 0))) for row in rows]))


def main(
    clips: Annotated[Path, typer.Argument(help="Folder with people.mp4 and traffic.mp4.")],
    out: Out = Path("runs/annotator"),
    key_s: Annotated[float, typer.Option(help="Seconds that a key or a click takes a person.")] = 1.5,
    look_s: Annotated[float, typer.Option(help="Seconds that a person looks at a doubt.")] = 4.0,
) -> None:
    """Track, correct, apply, and compare."""
    table = ["| clip | wrong before | left | doubts | edits | keys | clicks | minutes |", "| --- |" + " ---: |" * 7]
    left = 0
    for clip, group in groupby(outlines(TABLE), key=lambda outline: outline.clip):
        seen, folder = list(group), out / clip
        track(str(clips / f"{clip}.mp4"), "--save-crops", "--json", "--project", str(out), "--exist-ok")
        (folder / "edits.json").unlink(missing_ok=True)
        before = wrong(FinishedRun.read(folder).annotations, seen)
        with viewed(folder) as url, opened(url) as page:
            annotator = Annotator(page, folder, seen)
            annotator.work()
        track("apply", str(folder))
        after = wrong(FinishedRun.read(folder / "corrected").annotations, seen)
        for when, found in (("before", before), ("after", after)):
            print(f"{clip}, {when}:", *(found.values() or ["nothing is wrong"]), sep="\n  ")
        pictures(folder, seen, out / f"{clip}.png")
        counts = len(annotator.edits), annotator.keys, annotator.clicks
        minutes = (key_s * sum(counts[1:]) + look_s * annotator.looked) / 60
        numbers = len(places(before, seen)), len(places(after, seen)), annotator.looked, *counts
        table.append(f"| {clip} | {' | '.join(map(str, numbers))} | {minutes:.1f} |")
        left += numbers[1]
    print("", *table, f"\n{key_s} s a key or click and {look_s} s a doubt are assumed.", sep="\n")
    raise SystemExit(left > 0)


if __name__ == "__main__":
    study(main)
