"""Say why a track did what it did in one frame: what it was compared with, and what was refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tracker.jobs.explain import Explanation

TERMS = {
    "track": "track",
    "detection": "detection",
    "score": "score",
    "score, calibrated": "trust",
    "heights away": "distance",
    "IoU": "iou",
    "IoU, grown": "grown_iou",
    "x vertical": "vertical",
    "x class": "same_class",
    "+ appearance": "look",
    "= similarity": "similarity",
    "gate": "gate",
    "stage": "stage",
}


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of results of `track` or `track eval`.")],
    track_id: Annotated[int, typer.Option("--id", help="The track, as in the results.")],
    frame: Annotated[int, typer.Option(help="The frame, as in the results.")],
    sequence: Annotated[
        str | None, typer.Option(help="Which sequence of `track eval`, where there are several.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="In place of the run's: auto, cpu, cuda or cuda:N.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print all of it as JSON.")] = False,
) -> None:
    """Say why a track did what it did in one frame: what it was compared with, and what was refused.

    Where an id changes, ask for the old one and for the new one in the frame
    of the change. The run is replayed up to that frame from its run.yaml, so
    its video or sequence must still be where it was.

    A track's similarity to a detection is the overlap of the two boxes, both
    grown by the prediction's uncertainty, times how well top and bottom agree,
    times the class factor, plus what the appearance embeddings say. It must exceed the gate of
    the stage in which the two may meet.

    Example: track explain runs/track/video --id 12 --frame 300
    """
    from rich.console import Console

    from tracker.jobs.explain import explain

    with _progress(Console(stderr=True, quiet=quiet or as_json), frame) as progress:
        found = explain(run, track_id, frame, sequence, device, progress)
    if as_json:
        print(json.dumps(found.to_dict()))
    else:
        _print(Console(highlight=False, markup=False, emoji=False), found)


@contextmanager
def _progress(console: Console, frames: int) -> Iterator[Callable[[int], None]]:
    from rich.progress import Progress

    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("repeating", total=max(frames, 1))
        yield lambda number: bar.update(task, completed=number)


def _print(console: Console, found: Explanation) -> None:
    console.print(found.answer, style="bold", soft_wrap=True)
    console.print(_place(found), _future(found), sep="\n", soft_wrap=True)
    if found.pairs:
        console.print(_table(found))
    for pair in found.pairs:
        what = f"track {pair.track}" if found.state == "new" else f"detection {pair.detection}"
        console.print(f"{what}: {pair.verdict}", style="green" if pair.verdict == "matched" else "")
    for back in found.returns:
        console.print(f"By appearance, new track {back.new} is track {back.absent} with log-odds of {back.odds:.1f}.")
    if found.remark:
        console.print(f"Note: {found.remark}.", style="yellow", soft_wrap=True)


def _table(found: Explanation) -> Table:
    """A column a pair, a row a term."""
    from rich.table import Table

    table = Table(box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    for pair in found.pairs:
        table.add_column(justify="right", style="green" if pair.verdict == "matched" else "")
    for label, name in TERMS.items():
        values = [getattr(pair, name) for pair in found.pairs]
        table.add_row(label, *("-" if v is None else f"{v:.2f}" if isinstance(v, float) else str(v) for v in values))
    return table


def _place(found: Explanation) -> str:
    """Where it was seen last and where it was looked for."""
    if found.predicted is None or found.std is None or found.grown is None:
        return f"At {found.time_s:.2f} s; it was not expected anywhere."
    left, top, right, bottom = found.predicted
    return (
        f"At {found.time_s:.2f} s; last detected in frame {found.last_seen}, {found.unseen_s:.2f} s before. "
        f"Expected at {left:.0f},{top:.0f} to {right:.0f},{bottom:.0f}, give or take {found.std[0]:.0f} px across and "
        f"{found.std[1]:.0f} px down: its box grows by {found.grown[0]:.0f} and {found.grown[1]:.0f} px to each side."
    )


def _future(found: Explanation) -> str:
    if found.next_reported is not None:
        return f"It is reported next in frame {found.next_reported}, and last in frame {found.last_reported}."
    next_one = "" if found.successor is None else f"; track {found.successor} begins soon after, near its place"
    return f"It is not reported later (its last frame is {found.last_reported}){next_one}."
