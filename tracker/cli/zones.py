"""Draw lines and zones on a picture of a video, for counting."""

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
        "zones.yaml"
    ),
    at: At = 0.0,
    http: PagesAt = "127.0.0.1:0",
    token_file: TokenFile = None,
) -> None:
    """Draw lines and zones on a picture of a video, for counting.

    Serves a page until Ctrl-C, on this machine alone: open the address that is
    printed. Saved from there, the file is what `track SOURCE --zones` takes.

    Example: track zones video.mp4 --out zones.yaml
    """
    from tracker.viewer.drawing.document import Document
    from tracker.viewer.drawing.picture import picture
    from tracker.viewer.drawing.zones_page import ZonesPage
    from tracker.viewer.serving import serve

    shown = picture(video, at)
    page = ZonesPage(Document(out), shown)

    def application(token: str | None) -> Access:
        from tracker.viewer.drawing.pages import application

        return application("zones", shown, page.state, token, zones=page.save)

    serve(http, token_file, application, "zones")
