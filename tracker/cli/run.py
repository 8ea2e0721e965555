"""Track every object in videos, image folders, cameras or streams (the default command)."""
from typing import Annotated
import typer

def command(source: Annotated[list[str], typer.Argument(help="video")], conf: Annotated[float, typer.Option(help="c")] = 0.1) -> None:
    """Track.

    Example: track video.mp4
    """
