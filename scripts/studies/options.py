"""The options that studies share, and how a study is run from the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

Sequences = Annotated[list[Path], typer.Argument(metavar="ROOT...", help="A sequence, or a folder of sequences.")]
Sets = Annotated[Path, typer.Argument(help="Folder of what scripts/make_sets.py wrote.")]
Out = Annotated[Path, typer.Option(help="Folder for what is found; created where it is missing.")]
Preset = Annotated[str | None, typer.Option("--config", help="As of `track`: a preset by name, or a YAML file.")]
Clip = Annotated[Path, typer.Argument(help="A recorded video.")]
Cameras = Annotated[int, typer.Option("--cameras", help="How many.")]
Rate = Annotated[float, typer.Option(help="Frames/s of each camera.")]
Height = Annotated[int, typer.Option(help="Of the pictures.")]
Only = Annotated[str, typer.Option(help="Some of them, separated by commas. Default: all.")]


def study(*commands: Callable[..., Any]) -> None:
    """Run the command line: of several commands the first word names one."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
    for command in commands:
        app.command()(command)
    app()
