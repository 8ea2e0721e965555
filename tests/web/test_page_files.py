"""A page's own files, and nothing else of their folder or below it."""

import asyncio
import shutil

import httpx
import pytest
from starlette.applications import Starlette

from tracker.web.page_files import page_files


@pytest.mark.parametrize(
    ("address", "status", "kind"),
    [
        ("/", 200, "text/html"),
        ("/main.js", 200, "text/javascript"),
        ("/main.css", 200, "text/css"),
        ("/notes.txt", 404, "text/plain"),
        ("/other.html", 404, "text/plain"),
        ("/..%2fsecret.js", 404, "text/plain"),
        ("/deeper/more.js", 404, "text/plain"),
    ],
)
def test_scripts_and_styles_come_by_their_names_and_types(tmp_path, address, status, kind):
    folder = tmp_path / "page"
    (folder / "deeper").mkdir(parents=True)
    for name in ("index.html", "other.html", "main.js", "main.css", "notes.txt", "deeper/more.js", "../secret.js"):
        (folder / name).write_text(name)
    transport = httpx.ASGITransport(Starlette(routes=page_files(folder, "index.html")))
    shutil.rmtree(folder)  # what is asked for is in memory

    async def got():
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
            return await http.get(address)

    answer = asyncio.run(got())
    assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (status, kind)
