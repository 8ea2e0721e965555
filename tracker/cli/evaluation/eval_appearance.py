"""Measure how well the appearance network tells identities apart."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from tracker.cli._options import option
from tracker.config import AppearanceConfig, Config


def command(
    data: Annotated[
        list[Path],
        typer.Argument(
            metavar="DATA...",
            help="Sequences in MOTChallenge's layout with images and gt/, or folders of them; folders of pictures "
            "named as in Market-1501 or MSMT17.",
        ),
    ],
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            help="OSNet x0.25 weights; `embedded` for those of the package; `detector` for the embedded detector's own "
            'features (Ultralytics\' "auto"); repeatable.',
        ),
    ] = None,
    gaps: Annotated[str, typer.Option(help="Seconds between query and gallery.")] = "1,5,10,20",
    stride: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 1,
    device: Annotated[str, option(Config, "device")] = Config.device,
    out: Annotated[
        Path | None, typer.Option(help="Also write the numbers to this JSON file, and plot them beside it.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Rank-1 and mAP across gaps of time and across cameras.

    In sequences each crop that is not occluded is compared with all of its class some seconds later, in folders of
    pictures with those by other cameras; rank-1 is how often the most similar one is the same identity. The error is a
    standard error over identities.

    Example: track eval-appearance PETS09-S2L1 --model embedded --model osnet_x0_25_msmt17.safetensors
    """
    from rich.console import Console
    from rich.table import Table

    from tracker.appearance.embedder import Embedder
    from tracker.datasets.mot import find_sequences, is_sequence_folder
    from tracker.errors import UsageError
    from tracker.evaluation.detector_features import DetectorFeatures
    from tracker.evaluation.reid import Describes, evaluate, plot
    from tracker.system.device import resolve_device
    from tracker.system.files import replace_text, writing
    from tracker.system.output_folder import claim

    try:
        seconds = [float(gap) for gap in gaps.split(",")]
    except ValueError as error:
        raise UsageError(f"--gaps is {gaps!r}; give seconds separated by commas, like 1,5,10,20") from error
    if out is not None:
        if not out.name or out.suffix == ".png":
            raise UsageError(f"--out is {out}; give a JSON file, beside which the plot goes")
        picture = out.with_suffix(".png")
        claim(out.parent, "eval-appearance", (out.name, picture.name), data)
    place = resolve_device(device)
    names = models or ["embedded"]
    embedders: dict[str, Describes] = {
        name: DetectorFeatures(device=place)
        if name == "detector"
        else Embedder(AppearanceConfig(model="" if name == "embedded" else name), place)
        for name in names
    }
    moving = [path for path in data if is_sequence_folder(path)]
    pictures = [path for path in data if path not in moving]
    sequences = find_sequences(moving) if moving else []
    result: dict[str, Any] = evaluate(sequences, embedders, seconds, stride, pictures)
    text = json.dumps(result, indent=2)
    if out is not None:
        replace_text(out, text + "\n")
        with writing(picture):
            plot(result, picture)
    if as_json:
        print(text)
    elif not quiet:
        columns = ("model", "ms a crop", "gap s", "rank-1 %", "±", "mAP %", "queries", "identities")
        table = Table(*columns, box=None, header_style="bold")
        for name, model in result.items():
            for gap, row in model["gaps"].items():
                scores = [f"{row[key]:.1f}" if key in row else "-" for key in ("rank1", "rank1_error", "map")]
                table.add_row(
                    name, f"{model['ms_per_crop']:.2f}", gap, *scores, str(row["queries"]), str(row["identities"])
                )
        Console(markup=False, emoji=False).print(table)  # names may have brackets, colons
        empty = {gap for model in result.values() for gap, row in model["gaps"].items() if not row["queries"]}
        if empty:
            gone = ", ".join(sorted(empty, key=float))
            print(
                f"no identity is seen again {gone} s later in the frames looked at; change --gaps or --stride",
                file=sys.stderr,
            )
