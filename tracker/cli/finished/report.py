"""Make one HTML file of a run: counts, times, speeds, maps and every object."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `track` left for a source.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The file to write.", show_default="RUN/report.html")
    ] = None,
    title: Annotated[str, typer.Option(help="Its heading.", show_default="the name of the source")] = "",
    open_it: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
) -> None:
    """Make one HTML file of a run: what was filmed, how many objects over time, what crossed lines and stayed in zones,
    speeds, maps, and a table of all objects.

    The file needs nothing else, no internet either, and prints well. Lines and zones, speeds and pictures of the
    objects are in it where the run had --zones, --camera and --save-crops; maps have a picture of the place where the
    video is still there.

    Example: track report runs/track/video
    """
    from tracker.datasets.finished_run import FinishedRun
    from tracker.errors import UsageError
    from tracker.system.files import replace_text
    from tracker.system.output_folder import claim
    from tracker.viewer.report.document import document

    finished = FinishedRun.read(run)
    out = out or run / "report.html"
    if out.is_dir():
        raise UsageError(f"{out} is a folder; name a file, such as {out / 'report.html'}")
    inputs = [path for path in (finished.source, *run.iterdir()) if path is not None and path != out]
    claim(out.parent, "report", (out.name,), inputs)
    replace_text(out, document(finished, title))
    print(out)
    if open_it:
        import webbrowser

        webbrowser.open(out.absolute().as_uri())
