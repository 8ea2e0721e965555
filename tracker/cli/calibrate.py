"""Tell where on the ground a camera looks, for positions in metres and speeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli._options import At, PagesAt, TokenFile

if TYPE_CHECKING:
    from tracker.web.access import Access


def command(
    video: Annotated[str, typer.Argument(metavar="VIDEO", help="What the camera shows: any source of `track`.")],
    out: Annotated[Path, typer.Option(help="The file to write, and to go on with where it is there.")] = Path(
        "camera.yaml"
    ),
    points: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A table x_px,y_px,x_m,y_m of four or more points; then no page is needed."),
    ] = None,
    at: At = 0.0,
    http: PagesAt = "127.0.0.1:0",
    token_file: TokenFile = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not print the error of each point.")] = False,
) -> None:
    """Tell where on the ground a camera looks, for positions in metres and speeds.

    Serves a page until Ctrl-C, on this machine alone, on which points are clicked and their metres typed: open the
    address that is printed. With --points it reads them from a table, and prints how far each is from where it was said
    to be. Pixels are of the picture, x to the right and y down; metres are in any directions and from any place that
    suit. Take corners of markings, kerbs or tiles far apart, where objects go, no three on one line: with more than
    four, a mistake shows. Leaves the file for `track SOURCE --camera`.

    Example: track calibrate video.mp4 --out camera.yaml --points points.csv
    """
    if points is None:
        _page(video, out, at, http, token_file)
    else:
        _from_table(video, out, points, quiet)


def _page(video: str, out: Path, at: float, http: str, token_file: Path | None) -> None:
    from tracker.viewer.drawing.calibrate_page import CalibratePage
    from tracker.viewer.drawing.document import Document
    from tracker.viewer.drawing.picture import picture
    from tracker.viewer.serving import serve

    shown = picture(video, at)
    page = CalibratePage(Document(out), shown)

    def application(token: str | None) -> Access:
        from tracker.viewer.drawing.pages import application

        return application("calibrate", shown, page.state, token, fit=page.fit, lengths=page.lengths, ground=page.save)

    serve(http, token_file, application, "calibration")


def _from_table(video: str, out: Path, points: Path, quiet: bool) -> None:
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
