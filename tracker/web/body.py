"""What a request brings, within bounds."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

SLOWEST_S = 10.0


async def body(request: Request, longest: int) -> bytes:
    """All of what a request brings.

    Args:
        longest: bytes that are read at most.

    Raises:
        HTTPException: 413: it is longer; 408: it takes too long.
    """
    try:
        return await asyncio.wait_for(_read(request, longest), SLOWEST_S)
    except (TimeoutError, ClientDisconnect):
        raise HTTPException(408, "too slow") from None


async def _read(request: Request, longest: int) -> bytes:
    read = b""
    async for part in request.stream():
        read += part
        if len(read) > longest:
            raise HTTPException(413, "too long")
    return read
