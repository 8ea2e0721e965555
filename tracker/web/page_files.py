"""What a page is made of, read once: an answer then waits for no thread, however busy others keep the interpreter."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}  # whatever this machine takes them for


def page_files(folder: Path, index: str) -> list[Route]:
    """Routes to the page `index` at `/`, and to all scripts and styles of its folder by their names."""
    parts = sorted(path for path in folder.iterdir() if path.suffix in (".css", ".js"))
    return [_route("/", folder / index), *(_route(f"/{path.name}", path) for path in parts)]


def _route(address: str, file: Path) -> Route:
    content = file.read_bytes()

    async def answer(_: Request) -> Response:
        return Response(content, media_type=_TYPES[file.suffix])

    return Route(address, answer)
