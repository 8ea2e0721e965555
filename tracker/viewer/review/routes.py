"""What can be asked for, and the answers.

/                     the page
/run                  JSON: what the run is of, zones, what else can be asked for
/rows                 the rows as they are with the edits (`rows.py`)
/edits                GET: edits.json's content, its version as ETag; PUT with If-Match: replaces it, where it is that
                      version still
/frames/N.jpg         a frame, 960 pixels wide at most; with ?whole=1 as large as it is
/shapes/N             masks, skeletons and oriented boxes of a frame's rows
/crops/ID.jpg         an object's best picture
/events, /doubts      JSON: what happened, and where to look, with the ids of now
/mistakes             JSON: against a truth
/forecast?id=&frame=  JSON: where the object goes from there on, as the motion network says
/explain?id=&frame=   JSON: why, or how far the answer is
/video                the source, in ranges
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from tracker.errors import TrackerError
from tracker.jobs.corrections.edits import MOST_BYTES
from tracker.viewer.review.correcting import Corrected
from tracker.viewer.review.reviewed_run import ReviewedRun
from tracker.viewer.review.rows import packed_shapes
from tracker.web.access import Access
from tracker.web.body import body
from tracker.web.entrance import entrance
from tracker.web.page_files import page_files
from tracker.web.refusals import refused

_PAGE = Path(__file__).with_name("page")
_DIGITS = 9  # of a number in an address


def application(run: ReviewedRun, token: str | None) -> Access:
    """All of it as one ASGI application.

    Args:
        run: that is shown. token: None: none is asked for.
    """

    def rows(_: Request) -> Response:
        now = run.corrections.current()
        return Response(now.packed, media_type="application/octet-stream", headers={"ETag": now.tag})

    def edits(_: Request) -> Response:
        return _edits(run.corrections.current())

    async def save(request: Request) -> Response:
        tag = request.headers.get("if-match")
        if tag is None:
            raise HTTPException(428, "say which version this replaces, with If-Match")
        content = await body(request, MOST_BYTES)
        return _edits(await run_in_threadpool(run.corrections.save, content, tag))

    def frame(request: Request) -> Response:
        return _jpeg(run.frame(_number(request, "number"), request.query_params.get("whole") == "1"))

    def shapes(request: Request) -> Response:
        now = run.corrections.current().rows
        there = now[now.frames == _number(request, "number")]
        return Response(packed_shapes(there), media_type="application/octet-stream")

    def crop(request: Request) -> Response:
        return _jpeg(run.crops.jpeg(run.corrections.current(), _number(request, "number")))

    def events(_: Request) -> Response:
        return JSONResponse(run.events())

    def doubts(_: Request) -> Response:
        return JSONResponse(run.doubts())

    def mistakes(_: Request) -> Response:
        return JSONResponse(run.mistakes())

    def asked(request: Request) -> tuple[int, int]:
        """The object and the frame of a question that keeps this machine busy for a while."""
        if request.headers.get("sec-fetch-site") not in (None, "same-origin", "none"):
            raise HTTPException(403, "another site's page may not ask")
        track, number = (_query(request, name) for name in ("id", "frame"))
        if not 1 <= number <= run.run.annotations.frame_count:
            raise HTTPException(404, "there is no such frame")
        return track, number

    def forecast(request: Request) -> Response:
        return JSONResponse(run.forecast(*asked(request)))

    def explained(request: Request) -> Response:
        track, number = asked(request)
        then = run.corrections.current().origins.then(track, number)
        if then is None:
            return JSONResponse({"done": True, "id": track, "problem": "this object is none of the run's own"})
        return JSONResponse({"then": then, **run.explanations.ask(then, number)})

    def video(_: Request) -> Response:
        if run.video is None:
            raise HTTPException(404, "there is no video")
        return FileResponse(run.video, media_type=mimetypes.guess_type(run.video)[0] or "application/octet-stream")

    routes = [
        *entrance(token),
        *page_files(_PAGE, "index.html"),
        Route("/run", lambda _: JSONResponse(run.about())),
        Route("/rows", rows),
        Route("/edits", edits, methods=["GET"]),
        Route("/edits", save, methods=["PUT"]),
        Route("/frames/{number}.jpg", frame),
        Route("/shapes/{number}", shapes),
        Route("/crops/{number}.jpg", crop),
        Route("/events", events),
        Route("/doubts", doubts),
        Route("/mistakes", mistakes),
        Route("/forecast", forecast),
        Route("/explain", explained),
        Route("/video", video),
    ]
    return Access(Starlette(routes=routes, exception_handlers={TrackerError: refused}), token)


def _edits(now: Corrected) -> Response:
    return Response(now.edits.text, media_type="application/json", headers={"ETag": now.tag})


def _jpeg(jpeg: bytes | None) -> Response:
    if jpeg is None:
        raise HTTPException(404, "there is no such picture")
    return Response(jpeg, media_type="image/jpeg")


def _number(request: Request, name: str) -> int:
    return _whole(request.path_params[name])


def _query(request: Request, name: str) -> int:
    return _whole(request.query_params.get(name, ""))


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise HTTPException(404, "there is no such number")
    return int(text)
