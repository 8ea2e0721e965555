"""See a finished run in a browser, and correct it: ids, boxes, names, classes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tracker.cli._options import PagesAt, Preproc, TokenFile

if TYPE_CHECKING:
    from tracker.web.access import Access


def command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of results of `track`.")],
    http: PagesAt = "127.0.0.1:0",
    token_file: TokenFile = None,
    gt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A truth (MOTChallenge's gt.txt, or its sequence) to list mistakes against."),
    ] = None,
    preproc: Preproc = True,
    other: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Another run of the video, as with --offline: where both disagree is listed."),
    ] = None,
) -> None:
    """See a finished run in a browser, and correct it: ids, boxes, names, classes.

    Serves a page until Ctrl-C, on this machine alone: open the address that is
    printed. It shows the video with its tracks, all objects over time, why each
    was tracked so, and where the tracker is in doubt. Corrections are kept in
    RUN/edits.json, the only file that is written; `track apply RUN` makes
    tables and video of them.

    Example: track view runs/track/video
    """
    from tracker.viewer.review.reviewed_run import ReviewedRun
    from tracker.viewer.serving import serve

    reviewed = ReviewedRun(run, gt, preproc, other, shared=token_file is not None)

    def application(token: str | None) -> Access:
        from tracker.viewer.review.routes import application

        return application(reviewed, token)

    try:
        serve(http, token_file, application, "run")
    finally:
        reviewed.close()
