"""What a page is told where what it asks for cannot be: a sentence."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tracker.errors import ChangedError


async def refused(_: Request, error: Exception) -> Response:
    """`{"problem": SENTENCE}` of a TrackerError, as a Starlette application's exception handler."""
    return JSONResponse({"problem": str(error)}, 412 if isinstance(error, ChangedError) else 422)
