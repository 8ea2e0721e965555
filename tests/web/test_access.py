"""Who may ask: pages of other sites, and of no site, change nothing."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tracker.web.access import Access
from tracker.web.body import body
from tracker.web.entrance import entrance

TOKEN = "correct horse battery staple"


async def changed(request):
    return PlainTextResponse(await body(request, 8))


class Client:
    """Asks an application in this process, and keeps its cookies."""

    def __init__(self, token=None, host="127.0.0.1:8000", free=()):
        routes = [Route("/", changed, methods=["GET", "POST"]), *entrance(token)]
        self._transport = httpx.ASGITransport(Access(Starlette(routes=routes), token, free))
        self._url, self._cookies = f"http://{host}", httpx.Cookies()

    def get(self, path, **given):
        return self._asked("GET", path, given)

    def post(self, path, **given):
        return self._asked("POST", path, given)

    def _asked(self, method, path, given):
        async def asked():
            async with httpx.AsyncClient(transport=self._transport, base_url=self._url, cookies=self._cookies) as http:
                answer = await http.request(method, path, **given)
                self._cookies = http.cookies
                return answer

        return asyncio.run(asked())


@pytest.mark.parametrize(
    "origin", ["null", "http://evil.example", "http://127.0.0.1:9", "https://127.0.0.1:8000.evil.example"]
)
def test_a_page_of_another_origin_changes_nothing(origin):
    assert Client().post("/", content="x", headers={"Origin": origin}).status_code == 403


def test_our_own_page_and_programs_may():
    assert Client().post("/", content="x", headers={"Origin": "http://127.0.0.1:8000"}).text == "x"
    assert Client().post("/", content="x").text == "x"


def test_a_name_that_leads_here_is_not_this_machine():
    assert Client(host="rebound.example").get("/").status_code == 403


def test_a_body_is_read_up_to_its_bound():
    assert Client().post("/", content="12345678").text == "12345678"
    assert Client().post("/", content="123456789").status_code == 413


def test_with_a_token_all_but_what_is_free_asks_for_it():
    asked = Client(TOKEN, host="camera-box", free=["/"])
    assert asked.get("/").status_code == 200 and asked.get("/base.css").status_code == 200
    asked = Client(TOKEN, host="camera-box")
    assert asked.get("/").status_code == 401
    assert asked.get("/", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert asked.post("/login", data={"token": "wrong"}, headers={"Origin": "null"}).status_code == 401
    assert asked.post("/login", data={"token": TOKEN}).status_code == 303
    assert asked.get("/").status_code == 200
