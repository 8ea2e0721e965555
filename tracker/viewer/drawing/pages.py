"""What both pages are made of: the picture, the files of the page, and what it asks and sends."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tracker.errors import InputError, TrackerError
from tracker.viewer.drawing.picture import Still
from tracker.web.access import Access
from tracker.web.body import body
from tracker.web.entrance import entrance
from tracker.web.page_files import page_files
from tracker.web.refusals import refused

_PAGE = Path(__file__).with_name("page")
_LONGEST = 4 << 20  # bytes of what a page sends
_DIGITS = 16
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

    async def pictured(_: Request) -> Response:
        return Response(picture.jpeg, media_type="image/jpeg")

    async def told(_: Request) -> Response:
        return JSONResponse(state())

    def taker(answer: Answer) -> Callable[[Request], Awaitable[Response]]:
        async def take(request: Request) -> Response:
            try:
                sent = json.loads(await body(request, _LONGEST), parse_int=_whole)
                json.dumps(sent, ensure_ascii=False).encode()  # half a character (a surrogate alone) is no text
            except (ValueError, RecursionError):
                raise InputError("what was sent is no JSON; load this page again") from None
            return JSONResponse(answer(sent, request.headers.get("if-match", "")))

        return take

    routes = [
        *entrance(token),
        *page_files(_PAGE, f"{page}.html"),
        Route("/picture.jpg", pictured),
        Route("/state", told),
        *(Route(f"/{name}", taker(answer), methods=["PUT"]) for name, answer in asked.items()),
    ]
    return Access(Starlette(routes=routes, exception_handlers={TrackerError: refused}), token)


def _whole(digits: str) -> float:
    """A whole number; one that no array takes is as good as infinite."""
    return int(digits) if len(digits) < _DIGITS else float(digits)
