"""Measure how well motion models forecast boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

COLUMNS = {  # of metrics.json -> their headings
    "iou": "IoU",
    "centre_error_heights": "error",  # of the centre, in heights of the box
    "coverage50": "in 50 %",
    "coverage90": "in 90 %",
    "coverage99": "in 99 %",
    "nll": "NLL",
}


def command(
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT...", help="A sequence, or a folder of sequences.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json and details.json.")],
    models: Annotated[
        str,
        typer.Option(
            help="Of lstm, kalman, velocity, last, xyah, xywh, xyah-fitted, xywh-fitted and weight files, "
            "separated by commas."
        ),
    ] = "lstm,kalman,velocity,last",
    horizons: Annotated[str, typer.Option(help="Frames ahead, separated by commas.")] = "1,5,10,30",
    vid_stride: Annotated[int, typer.Option(min=1, help="Look at every K-th frame only.", metavar="K")] = 1,
    detections: Annotated[
        bool, typer.Option("--detections", help="Observe det/det.txt's boxes instead of degraded ground truth.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the degradation; the same for every model.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json's content.")] = False,
) -> None:
    """Forecast ground-truth tracks with several motion models, all by one protocol.

    Every model sees the same boxes: the truth jittered by 5 % of its size, 10 % of it missed, and bursts of misses.
    Leaves OUT/metrics.json (mean IoU, centre error in box heights, coverage of the 50, 90 and 99 % intervals, negative
    log-likelihood, for each model and horizon) and OUT/details.json (the same by speed, gap, frame rate, sequence).

    Example: track eval-motion MOT17/train --out runs/eval-motion --models lstm,kalman --horizons 1,30
    """
    import json

    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from tracker.errors import UsageError
    from tracker.evaluation.forecasts import evaluate_motion
    from tracker.system.files import replace_text
    from tracker.system.output_folder import claim

    try:
        ahead = [int(h) for h in horizons.split(",")]
    except ValueError:
        ahead = []
    if not ahead or min(ahead) < 1:
        raise UsageError(f"--horizons {horizons} is not a list of frames; give whole numbers from 1, such as 1,5,10,30")
    claim(out, "eval-motion", ("metrics.json", "details.json"), roots)
    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    with console.status("") as status:
        names = [name.strip() for name in models.split(",") if name.strip()]
        report = evaluate_motion(
            roots, names, ahead, vid_stride, detections, seed, lambda what: status.update(Text(what))
        )
    for name, content in (("metrics", report.metrics), ("details", report.details)):
        replace_text(out / f"{name}.json", json.dumps(content, indent=1) + "\n")
    if as_json:
        print(json.dumps(report.metrics, indent=1))
        return
    table = Table("model", "ahead", *COLUMNS.values(), "forecasts", box=None, header_style="bold")
    for model, by_horizon in report.metrics.items():
        for horizon, values in by_horizon.items():
            cells = ["" if values[c] is None else f"{values[c]:.3f}" for c in COLUMNS]
            table.add_row(model, horizon, *cells, str(values["forecasts"]))
    Console(quiet=quiet, markup=False, emoji=False).print(table)
    console.print(f"wrote {out / 'metrics.json'} and details.json", soft_wrap=True)
