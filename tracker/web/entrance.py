"""The way in: the page that asks for the token, and the style that all pages share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from tracker.web.access import COOKIE, LOGIN, STYLE, same, session
from tracker.web.body import body

_PAGE = Path(__file__).with_name("page")
_LONGEST_FORM = 4096  # bytes
_REMEMBERED_S = 30 * 86400
_GUESS_S = 0.5  # that a wrong token costs


def entrance(token: str | None) -> list[Route]:
    """Routes to it.

    Args:
        token: None: none is needed, and the page lets nobody in.
    """

    async def login(request: Request) -> Response:
        if request.method != "POST" or token is None:
            return FileResponse(_PAGE / "login.html")
        form = await body(request, _LONGEST_FORM)
        given = parse_qs(form.decode("utf-8", "replace")).get("token", [""])[0]
        if not same(given.strip(), token):
            await asyncio.sleep(_GUESS_S)
            return FileResponse(_PAGE / "login.html", 401)
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, session(token), httponly=True, samesite="strict", max_age=_REMEMBERED_S)
        return answer

    async def style(_: Request) -> Response:
        return FileResponse(_PAGE / "base.css")

    return [Route(LOGIN, login, methods=["GET", "POST"]), Route(STYLE, style)]
