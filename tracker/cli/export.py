"""Write the three networks for OpenVINO or ONNX Runtime, compared with PyTorch."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli._options import Prompt, listed, overridden


class Format(StrEnum):
    openvino = "openvino"
    onnx = "onnx"


def command(
    out: Annotated[Path, typer.Option(help="Folder for the networks.")],
    format: Annotated[Format, typer.Option(help="What is to run them.")] = Format.openvino,
    int8: Annotated[bool, typer.Option("--int8", help="8-bit weights and activations: smaller and faster.")] = False,
    calibrate: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="Video or folder of images like those to be tracked, for --int8 and the comparison. With labels in "
            "YOLO's layout, mAP is that of the labels. Default: two photographs.",
        ),
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="How many frames of it at most.")] = 160,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file: which weights.", metavar="C")] = None,
    model: Annotated[str | None, typer.Option(help="YOLO weights in place of the configuration's.")] = None,
    prompt: Prompt = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
) -> None:
    """Write detector, appearance CNN and LSTM step for another engine.

    Each is compared with PyTorch: the largest difference, and for --int8 what it costs (mAP of detections, IoU of
    masks, how far keypoints and angles are off, rank-1 of embeddings, IoU of forecasts). `track --model OUT` uses
    them; OUT/export.yaml says what they were made from.

    Example: track export --int8 --calibrate video.mp4 --out runs/export
    """
    from rich.console import Console

    from tracker.config import Config
    from tracker.export.calibration_data import collect
    from tracker.export.convert import export, ready

    settings = Config.load(config) if config else Config()
    settings = overridden(
        settings,
        {"--model": ("detector", "model", model), "--prompt": ("detector", "prompt", listed(prompt))},
    )
    ready(settings, out, format=format.value, int8=int8)
    console = Console(stderr=True, quiet=quiet)
    with console.status("") as status:
        calibration_set = collect(calibrate, settings, frames, progress=status.update)
        parity = export(settings, out, calibration_set, format=format.value, int8=int8, progress=status.update)
    if as_json:
        print(json.dumps({name: check.to_dict() for name, check in parity.items()}, indent=2))
    elif not quiet:
        for name, check in parity.items():
            print(f"{name}: {check}")
        print(f"use them with: track SOURCE --model {out}")
