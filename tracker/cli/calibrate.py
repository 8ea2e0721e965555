"""Tell where on the ground a camera looks, for positions in metres and speeds."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tracker.errors import UsageError


def command(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="What the camera shows: any source of `track`.")],
    out: Annotated[Path, typer.Option(help="The file to write.")] = Path("camera.yaml"),
    points: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A table x_px,y_px,x_m,y_m of four or more points of the ground."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the error of each point.")] = False,
) -> None:
    """Tell where on the ground a camera looks, for positions in metres and speeds.

    Pixels are of the first frame, x to the right and y down; metres are in any directions and from any place that suit.
    Take corners of markings, kerbs or tiles far apart, where objects go, no three on one line. Leaves the file for
    `track SOURCE --camera`, and prints how far each point is from where it was said to be: with more than four, a
    mistake shows.

    Example: track calibrate video.mp4 --out camera.yaml --points points.csv
    """
    if points is None:
        raise UsageError(
            "calibrate needs to know points of the ground; give --points FILE, a table x_px,y_px,x_m,y_m with four or "
            "more of them"
        )
    from rich.console import Console
    from rich.table import Table

    from tracker.analytics.ground.plane import GroundPlane
    from tracker.analytics.ground.points_file import read_points
    from tracker.errors import DataError, InputError
    from tracker.system.output_folder import claim
    from tracker.video.source import open_source

    pixels, metres = read_points(points)
    with open_source(video) as source:
        size = source.size
    assert size is not None  # of an open source
    outside = ((pixels < 0) | (pixels > size)).any(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{points}: point {row + 1} is at pixel {pixels[row].tolist()}, outside of the frame of {size[0]} x "
            f"{size[1]}; give pixels of this video"
        )
    try:
        ground = GroundPlane.from_points(pixels, metres, frame_size=size)
    except InputError as error:
        raise DataError(f"{points}: {error}") from None
    claim(out.parent, "calibrate", (out.name,), [path for path in (Path(video), points) if path.exists()])
    ground.save(out)
    table = Table("point", "x_px", "y_px", "x_m", "y_m", "error m", box=None, header_style="bold")
    for number, (pixel, place, error_m) in enumerate(zip(pixels, metres, ground.error_m, strict=True), 1):
        table.add_row(f"{number}", *(f"{value:g}" for value in (*pixel, *place)), f"{error_m:.3f}")
    Console(quiet=quiet, markup=False, emoji=False).print(table)
