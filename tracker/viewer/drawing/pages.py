"""What both pages are made of: the picture, files of the page, and answers that say what is wrong."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tracker.errors import TrackerError
from tracker.viewer.drawing.document import ChangedError
from tracker.viewer.drawing.picture import Still
from tracker.web.access import Access
from tracker.web.body import body
from tracker.web.entrance import entrance

_PAGE = Path(__file__).with_name("page")
_LONGEST = 4 << 20  # bytes of what a page sends
Answer = Callable[[Any, str], dict[str, Any]]
"""What a page sends, and the version it has edited -> what it is told."""


def application(
    page: str, picture: Still, state: Callable[[], dict[str, Any]], token: str | None, **asked: Answer
) -> Access:
    """A page that draws on a picture.

    Args:
        page: its name, of an HTML file and a script in `page/`.
        state: what it begins with, at GET `/state`. asked: name -> what PUT of that path does.
    """
    files = {"/": f"{page}.html", **{f"/{name}": name for name in ("drawing.css", "stage.js", f"{page}.js")}}

    async def file(request: Request) -> Response:
        return FileResponse(_PAGE / files[request.url.path])

    async def pictured(_: Request) -> Response:
        return Response(picture.jpeg, media_type="image/jpeg")

    async def told(_: Request) -> Response:
        return _answered(state)

    def taker(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def take(request: Request) -> Response:
            try:
                sent = json.loads(await body(request, _LONGEST))
            except (ValueError, RecursionError):
                return JSONResponse({"error": "what was sent is no JSON"}, 400)
            return _answered(lambda: answer(sent, request.headers.get("if-match", "")))

        return take

    routes = [
        *entrance(token),
        *(Route(path, file) for path in files),
        Route("/picture.jpg", pictured),
        Route("/state", told),
        *(Route(f"/{name}", taker(answer), methods=["PUT"]) for name, answer in asked.items()),
    ]
    return Access(Starlette(routes=routes), token)


def _answered(call: Callable[[], dict[str, Any]]) -> Response:
    try:
        return JSONResponse(call())
    except ChangedError as error:
        return JSONResponse({"error": str(error)}, 412)
    except TrackerError as error:
        return JSONResponse({"error": str(error)}, 422)
