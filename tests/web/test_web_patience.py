"""How long a connection may take, and for how much."""

import contextlib
import socket
import time
from http.client import HTTPConnection

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from tracker.web import patience
from tracker.web.listener import HttpListener

LARGE = 8 << 20  # bytes: more than the system keeps for who does not read


def answering(content):
    async def answer(_):
        return Response(content)

    return answer


@pytest.fixture(scope="module")
def listener():
    routes = [Route("/large", answering(b"x" * LARGE)), Route("/small", answering(b"small"))]
    made = HttpListener("127.0.0.1:0", None, lambda: Starlette(routes=routes))
    made.start()
    yield made
    made.stop()


@contextlib.contextmanager
def asked(listener, path, times=1):
    """A connection on which this was asked for so many times at once."""
    host, _, port = listener.shown.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        raw.sendall(times * f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        yield raw


def kept(listener):
    """The server's ends of connections."""
    return list(listener._server.server_state.connections)


def taken(raw):
    """What comes until the end, which may be a reset."""
    said = bytearray()
    with contextlib.suppress(ConnectionError):
        while part := raw.recv(1 << 16):
            said += part
    return said


def test_who_does_not_read_the_answer_is_hung_up_on(listener, monkeypatch):
    monkeypatch.setattr(patience, "SLOWEST_S", 0.4)
    with asked(listener, "/large") as raw:
        end_s = time.monotonic() + 30
        while not (paused := [one for one in kept(listener) if one.flow.write_paused]) and time.monotonic() < end_s:
            time.sleep(0.01)
        while (there := paused[0] in kept(listener)) and time.monotonic() < end_s:
            time.sleep(0.05)
        assert not there and len(taken(raw)) < LARGE


def test_who_reads_it_has_all_of_it_and_may_ask_again(listener):
    kept_open = set()
    with contextlib.closing(HTTPConnection(listener.shown, timeout=30)) as http:
        for path, size in (("/large", LARGE), ("/small", 5)):
            http.request("GET", path)
            assert len(http.getresponse().read()) == size
            kept_open.add(http.sock)
    assert len(kept_open) == 1


def test_who_asks_many_times_at_once_has_one_answer(listener):
    with asked(listener, "/small", times=100) as raw:
        assert taken(raw).count(b"HTTP/1.1 200") == 1
