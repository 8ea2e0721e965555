"""Who may ask: with a token, those who know it; without one, this machine alone, and no other site's pages on it."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Callable, Collection
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tracker.web.bind import is_loopback

COOKIE = "tracker"
LOGIN, STYLE = "/login", "/base.css"  # anybody may ask for these
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Access:
    """Lets requests through that may be, and adds the headers that keep pages to themselves.

    A token comes as `Authorization: Bearer TOKEN`, or by a cookie that the page at `/login` sets. Comparisons take the
    same time whatever is wrong. Without a token, the request must be for this machine by name, so that no page of
    another site can ask through a name of its own that leads here (DNS rebinding). What changes something is refused
    to pages of any other origin, those without one included, which a hostile page can make itself (a sandboxed frame).

    Args:
        app: what is asked. token: None: none is needed. free: paths that are answered without the token, too; the
            application sees in `request.state.known` who asks.
    """

    def __init__(self, app: ASGIApp, token: str | None, free: Collection[str] = ()) -> None:
        self._app = app
        self._token = token
        self._free = {LOGIN, STYLE, *free}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            return
        request = Request(scope)
        known = scope["state"] = {**scope.get("state", {}), "known": self.knows(request)}
        refusal = self._refusal(request, known["known"])
        await (self._app if refusal is None else refusal)(scope, receive, _with_headers(send))

    def knows(self, request: Request) -> bool:
        """Did it bring the token?"""
        if self._token is None:
            return True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        by_header = kind.lower() == "bearer" and same(given.strip(), self._token)
        return by_header | same(_cookie(request), session(self._token))

    def _refusal(self, request: Request, known: bool) -> Response | None:
        if self._token is None and not is_loopback(_host(request)):
            return PlainTextResponse("ask for 127.0.0.1 or localhost, or start with --token-file\n", 403)
        if _other_origin(request):
            return PlainTextResponse("another site's page may not ask\n", 403)
        if known or request.url.path in self._free:
            return None
        if "text/html" in request.headers.get("accept", "") and request.url.path == "/":
            return RedirectResponse(LOGIN, 303)
        return PlainTextResponse("a token is needed\n", 401, {"WWW-Authenticate": "Bearer"})


def session(token: str) -> str:
    """What the cookie holds: not the token itself."""
    return hmac.new(token.encode(), b"session of a tracker site", hashlib.sha256).hexdigest()


def same(one: str, other: str) -> bool:
    """Whether two texts are the same, in a time that does not tell how far they are."""
    digests = [hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest() for text in (one, other)]
    return hmac.compare_digest(*digests)


def _cookie(request: Request) -> str:
    return request.cookies.get(COOKIE, "")  # also beside cookies of others at this host that are none by the book


def _host(request: Request) -> str:
    try:
        return urlsplit("//" + request.headers.get("host", "")).hostname or ""
    except ValueError:
        return ""


def _other_origin(request: Request) -> bool:
    origin = request.headers.get("origin")
    if origin is None:
        return False
    if origin == "null":  # browsers send it with the form that logs in, too, because pages are to send no referrer
        return request.method not in ("GET", "HEAD") and request.url.path != LOGIN
    try:
        return urlsplit(origin).netloc != request.headers.get("host", "")
    except ValueError:
        return True


def _with_headers(send: Send) -> Callable[..., Awaitable[None]]:
    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = message.setdefault("headers", [])
            assert isinstance(headers, list)
            headers += [(name.lower().encode(), value.encode()) for name, value in _HEADERS.items()]
        await send(message)

    return sending
