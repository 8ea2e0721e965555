"""What can be asked for, and the answers.

/                               the page: all cameras, their states, what happens
/health                         JSON; 503 where a camera is down
/metrics                        Prometheus' text format
/events, /cameras/NAME/events   server-sent events (WHATWG HTML), each a message as published
/cameras/NAME/stream.mjpeg      the live picture with boxes, ids and trails
/cameras/NAME/snapshot.jpg      one picture of it
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from tracker.site.feed import Feed
from tracker.site.web.health import SiteMetrics, health
from tracker.site.web.live import EventHub, Pictures
from tracker.web.access import Access
from tracker.web.entrance import entrance
from tracker.web.page_files import page_files

MOST_STREAMS = 128  # endless answers (pictures and events) at once
_SLOWEST_S = 10.0  # that a viewer may take to take one part of such an answer
_HEARTBEAT_S = 10.0
_FIRST_S = 3.0  # that a snapshot is waited for
_PAGE = Path(__file__).with_name("page")


def application(feed: Feed, pictures: Mapping[str, Pictures], events: EventHub, token: str | None) -> Access:
    """All of it as one ASGI application.

    Args:
        feed: of the site. pictures: camera -> its pictures. events: of all cameras. token: None: none is asked for.
    """
    metrics = SiteMetrics(feed)
    streams = asyncio.Semaphore(MOST_STREAMS)

    def of(request: Request) -> tuple[str, Pictures]:
        name = request.path_params["name"]
        if name not in pictures:
            raise HTTPException(404, "no such camera")
        return name, pictures[name]

    async def told_health(request: Request) -> Response:
        up, about = health(feed)
        content = about if request.state.known else {"status": about["status"]}
        return JSONResponse(content, 200 if up else 503)

    async def told_metrics(_: Request) -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    async def snapshot(request: Request) -> Response:
        _, one = of(request)
        after = request.query_params.get("after", "")
        number, jpeg = await one.next(int(after) if after.isdecimal() and len(after) < 16 else 0, _FIRST_S)
        if not jpeg:
            raise HTTPException(503, "no picture yet")
        return Response(jpeg, media_type="image/jpeg", headers={"X-Number": str(number)})

    async def stream(request: Request) -> Response:
        _, one = of(request)
        return Endless(_parts(one), "multipart/x-mixed-replace; boundary=frame", streams)

    async def happened(request: Request) -> Response:
        name = of(request)[0] if "name" in request.path_params else ""
        return Endless(_lines(events, name), "text/event-stream", streams)

    routes = [
        *entrance(token),
        *page_files(_PAGE, "index.html"),
        Route("/health", told_health),
        Route("/metrics", told_metrics),
        Route("/events", happened),
        Route("/cameras/{name}/events", happened),
        Route("/cameras/{name}/stream.mjpeg", stream),
        Route("/cameras/{name}/snapshot.jpg", snapshot),
    ]
    return Access(Starlette(routes=routes), token, free=["/health"])  # which tells a stranger one word


class Endless(Response):
    """An answer without an end, for one viewer; one that takes too long over a part of it is left.

    Args:
        parts: bytes as they come. media_type: of all. places: how many such answers may be given at once.
    """

    def __init__(self, parts: AsyncGenerator[bytes], media_type: str, places: asyncio.Semaphore) -> None:
        super().__init__(media_type=media_type)
        self._parts = parts
        self._places = places
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["method"] == "HEAD":
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        if self._places.locked():
            await JSONResponse({"error": "too many viewers"}, 503)(scope, receive, send)
            return
        async with self._places:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            sending = asyncio.ensure_future(self._send_all(send))
            leaving = asyncio.ensure_future(_left(receive))
            try:
                await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                await asyncio.gather(sending, leaving, return_exceptions=True)
        if sending.cancelled() or sending.exception() is not None:
            return  # it has left, or is too slow to be told of the end
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_all(self, send: Send) -> None:
        try:
            async for part in self._parts:
                message = {"type": "http.response.body", "body": part, "more_body": True}
                await asyncio.wait_for(send(message), _SLOWEST_S)
        finally:
            await self._parts.aclose()


async def _left(receive: Receive) -> None:
    """Returns when the viewer has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _parts(pictures: Pictures) -> AsyncGenerator[bytes]:
    """JPEGs as a `multipart/x-mixed-replace`; the last once more where none comes, so that who has left is noticed."""
    number = 0
    while not pictures.closed:
        number, jpeg = await pictures.next(number, _HEARTBEAT_S)
        if jpeg:
            yield b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg)


async def _lines(events: EventHub, camera: str) -> AsyncGenerator[bytes]:
    """Messages as server-sent events, with a comment now and then that keeps the connection."""
    yield b"retry: 2000\n\n"
    with events.listening(camera) as queue:
        while True:
            try:
                body = await asyncio.wait_for(queue.get(), _HEARTBEAT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if body is None:
                return
            yield b"data: " + body.encode() + b"\n\n"
