"""The pages of a site: pictures, states, health, metrics and events, for those who may see them."""

import asyncio
import contextlib
import json
import socket
import sys
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import cv2
import httpx
import numpy as np
import pytest

from helpers.browser import browser
from helpers.cameras import cameras
from tracker import Config, Detections, Site, Tracker
from tracker.errors import ConfigError, MissingExtraError, OutputError, UsageError
from tracker.site.config import HttpConfig, SiteCamera, SiteConfig
from tracker.site.feed import Moment
from tracker.site.web.live import Pictures
from tracker.site.web.server import WebServer
from tracker.web.bind import address, read_token

CONFIG = Config().override({"detector": {"imgsz": 160}, "device": "cpu", "appearance": {"enabled": False}})
TOKEN = "correct horse battery staple"
AWAY = "rtsp://bob:hunter2@127.0.0.1:9/live"


@contextlib.contextmanager
def running(folder, port=0, token=None, away=False, **http):
    """A site with a camera `door`; its address."""
    if token is not None:
        (folder / "token").write_text(token + "\n")
        http["token_file"] = str(folder / "token")
    with cameras() as server:
        views = {"door": SiteCamera(source=f"http://127.0.0.1:{server.port}/door")}
        if away:
            views["gate"] = SiteCamera(source=AWAY)
        settings = HttpConfig(bind=f"127.0.0.1:{port}", **http)
        site = Site(SiteConfig(cameras=views, project=folder / "site", tracker=CONFIG, http=settings))
        site.start()
        try:
            yield f"http://{site._services[0].shown}"
        finally:
            site.stop()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """One for all that only ask."""
    folder = tmp_path_factory.mktemp("site")
    with running(folder, away=True, down_after_s=1.0) as url, httpx.Client(base_url=url, timeout=60) as client:
        while not client.get("/health").json()["cameras"]["door"]["frames"]:
            time.sleep(0.1)
        yield client


def test_health_tells_of_each_camera_and_that_one_is_down(site):
    end_s = time.monotonic() + 60
    while (answer := site.get("/health")).status_code == 200 and time.monotonic() < end_s:
        time.sleep(0.1)
    about = answer.json()
    assert answer.status_code == 503 and about["status"] == "down" and about["down"] == ["gate"]
    assert about["cameras"]["door"]["state"] == "live" and about["cameras"]["door"]["width"] == 284
    assert about["cameras"]["gate"]["last_frame_s"] is None


def test_no_answer_shows_a_password(site):
    for path in ("/health", "/metrics", "/"):
        assert "hunter2" not in site.get(path).text


def test_metrics_are_prometheus(site):
    from prometheus_client.parser import text_string_to_metric_families

    families = {family.name: family for family in text_string_to_metric_families(site.get("/metrics").text)}
    up = {sample.labels["camera"]: sample.value for sample in families["tracker_up"].samples}
    assert up == {"door": 1.0, "gate": 0.0}
    assert families["tracker_frames"].samples[0].value > 0
    assert "process_resident_memory_bytes" in families


def picture(jpeg):
    return cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)


def test_a_snapshot_shows_the_frame_with_its_tracks_and_the_next_another(site):
    first = site.get("/cameras/door/snapshot.jpg")
    assert picture(first.content).shape == (240, 284, 3)
    shown = [first]
    for _ in range(5):  # the view comes back to where it was now and then
        shown.append(site.get("/cameras/door/snapshot.jpg", params={"after": shown[-1].headers["X-Number"]}))
        assert int(shown[-1].headers["X-Number"]) > int(shown[-2].headers["X-Number"])
    assert len({one.content for one in shown}) > 1


def test_a_live_picture_goes_on_and_all_viewers_share_what_was_encoded(site):
    seen, shared, all_are_there = [], [], threading.Barrier(20)

    def view(count):
        with httpx.stream("GET", f"{site.base_url}/cameras/door/stream.mjpeg", timeout=60) as answer:
            assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
            all_are_there.wait(60)
            body = b""
            for part in answer.iter_bytes():
                body += part
                if body.count(b"--frame") > count:
                    break
        parts = [part.partition(b"\r\n\r\n")[2].rstrip(b"\r\n") for part in body.split(b"--frame\r\n")[1:count]]
        assert all(picture(part).shape == (240, 284, 3) for part in parts)
        seen.append(parts)

    viewers = [threading.Thread(target=view, args=(5,)) for _ in range(20)]
    for viewer in viewers:
        viewer.start()
    for viewer in viewers:
        viewer.join()
    shared = {part for parts in seen for part in parts}
    assert len(seen) == 20
    assert len(shared) < 0.5 * sum(map(len, seen)), "each picture was encoded once, not once a viewer"


def test_events_come_as_they_are_published(site):
    with httpx.stream("GET", f"{site.base_url}/cameras/door/events", timeout=60) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                message = json.loads(line[6:])
                break
    assert message["type"] in ("start", "end") and message["camera"] == "door"


@pytest.mark.parametrize(
    "path, status",
    [
        ("/cameras/nobody/snapshot.jpg", 404),
        ("/cameras/..%2f..%2fetc/snapshot.jpg", 404),
        ("/cameras/../../etc/passwd", 404),
        ("/page.css/../../server.py", 404),
        ("/cameras/door/snapshot.jpg?after=" + "9" * 1000, 200),
    ],
)
def test_a_path_that_leads_elsewhere_leads_nowhere(site, path, status):
    with socket.create_connection((site.base_url.host, site.base_url.port)) as raw:  # as it stands: httpx tidies it
        raw.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        assert raw.recv(20).split()[1] == str(status).encode()


def test_a_header_that_is_huge_is_refused(site):
    with socket.create_connection((site.base_url.host, site.base_url.port)) as raw:
        with contextlib.suppress(OSError):
            raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 10_000_000)
        with contextlib.suppress(OSError):
            assert raw.recv(20).split()[1:2] == [b"400"]
    assert site.get("/").status_code == 200


def test_many_that_read_nothing_do_not_hold_up_the_camera(site):
    before = site.get("/health").json()["cameras"]["door"]["frames"]
    held = []
    for _ in range(300):
        raw = socket.create_connection((site.base_url.host, site.base_url.port))
        raw.sendall(b"GET /cameras/door/stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        held.append(raw)
    end_s = time.monotonic() + 60
    while (after := site.get("/health").json()["cameras"]["door"]["frames"]) <= before and time.monotonic() < end_s:
        time.sleep(0.1)
    for raw in held:
        raw.close()
    assert after > before


def test_another_sites_page_cannot_ask(site):
    assert site.get("/", headers={"Host": "evil.example"}).status_code == 403
    assert site.get("/health", headers={"Origin": "https://evil.example"}).status_code == 403
    assert "frame-ancestors 'none'" in site.get("/").headers["Content-Security-Policy"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """One that asks for a token."""
    with running(tmp_path_factory.mktemp("guarded"), token=TOKEN) as url:
        yield url


class TestToken:
    @pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Cookie": f"tracker={TOKEN}"}])
    @pytest.mark.parametrize("path", ["/", "/metrics", "/cameras/door/snapshot.jpg", "/events", "/nothing"])
    def test_nobody_sees_anything_without_it(self, guarded, path, headers):
        assert httpx.get(guarded + path, headers=headers).status_code == 401

    def test_but_health_in_one_word(self, guarded):
        assert httpx.get(f"{guarded}/health").json() == {"status": "ok"}
        assert "cameras" in httpx.get(f"{guarded}/health", headers={"Authorization": f"Bearer {TOKEN}"}).json()

    def test_a_browser_is_sent_to_a_page_that_asks_for_it(self, guarded):
        with httpx.Client(base_url=guarded, follow_redirects=True, headers={"Accept": "text/html"}) as client:
            assert client.get("/").url.path == "/login"
            assert client.post("/login", data={"token": "wrong"}).status_code == 401
            assert client.post("/login", data={"token": "x" * 10_000}).status_code == 413
            assert client.post("/login", data={"token": TOKEN}).url.path == "/"
            assert client.get("/metrics").status_code == 200
            ours = client.cookies["tracker"]
            assert httpx.get(f"{guarded}/metrics", headers={"Cookie": f"a{{b=1; tracker={ours}"}).status_code == 200
            assert TOKEN not in str(client.cookies)


def asked(site, request):
    """A connection on which this was sent."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.settimeout(60)
    raw.connect((site.base_url.host, site.base_url.port))
    raw.sendall(request)
    return raw


def hung_up(raw):
    with contextlib.suppress(ConnectionError):
        while raw.recv(1 << 16):
            pass
    return True


class TestWhoTakesTooLong:
    """Hung up on, so that there is room for others."""

    @pytest.fixture(autouse=True)
    def soon(self, monkeypatch):
        from tracker.site.web import routes
        from tracker.web import body, patience

        monkeypatch.setattr(patience, "SLOWEST_S", 1.0)
        monkeypatch.setattr(body, "SLOWEST_S", 1.0)
        monkeypatch.setattr(routes, "_SLOWEST_S", 1.0)

    @pytest.mark.parametrize(
        "begun", [b"", b"GET / HTTP/1.1\r\nHost: local", b"GET /page.css HTTP/1.1\r\nHost: localhost\r\n\r\nGET"]
    )
    def test_to_ask(self, site, begun):
        with asked(site, begun) as raw:
            assert hung_up(raw)

    def test_to_say_the_token(self, guarded):
        url = httpx.URL(guarded)
        with socket.create_connection((url.host, url.port), timeout=60) as raw:
            raw.sendall(b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\nt")
            assert raw.recv(20).split()[1] == b"408"

    def test_in_so_great_a_number_that_no_descriptor_is_left(self, site, monkeypatch):
        from tracker.web import patience

        monkeypatch.setattr(patience, "MOST_SOCKETS", 20)
        held = [asked(site, b"") for _ in range(40)]
        assert hung_up(held[-1])
        for raw in held:
            raw.close()


def test_to_ask_for_the_head_of_what_has_no_end_is_answered_at_once(site):
    assert site.head("/events").headers["content-type"].startswith("text/event-stream")
    assert site.head("/login").status_code == 200


def test_any_name_of_this_machine_will_do(site):
    assert site.get("/", headers={"Host": "127.0.0.2:80"}).status_code == 200


def test_a_picture_that_cannot_be_drawn_costs_none_of_those_after_it():
    empty = Tracker().update(None, Detections.empty())
    moments = [Moment("door", n, n, np.zeros((n, n, 3), np.uint8), empty) for n in (0, 8)]
    views = iter([*moments, *[None] * 100])
    camera = SimpleNamespace(name="door", counted=None, wait=lambda _after, _timeout_s: next(views))

    async def two():
        pictures = Pictures(camera)
        await pictures.next(0, 0.5)
        return await pictures.next(0, 5.0)

    assert picture(asyncio.run(two())[1]).shape == (8, 8, 3)


@pytest.mark.parametrize("bind", ["0.0.0.0:0", "[::]:0", "192.168.0.1:80", "camera-box:80"])
def test_others_are_let_in_only_with_a_token(bind, tmp_path):
    site = Site(SiteConfig(cameras={"a": SiteCamera(source="rtsp://127.0.0.1:9/x")}, http=HttpConfig(bind=bind)))
    with pytest.raises(UsageError, match="name a file with a token"):
        WebServer(site)


def test_what_cannot_be_listened_at_is_told_before_anything_runs(tmp_path):
    with pytest.raises(UsageError, match="give HOST:PORT"):
        address("8080")
    (tmp_path / "token").write_text("short\n")
    with pytest.raises(ConfigError, match="fewer than 16"):
        read_token(str(tmp_path / "token"))
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(str(tmp_path / "none"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match="cannot listen"), running(tmp_path, port=port):
            pass


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "prometheus_client"])
def test_without_a_package_one_sentence_says_what_to_install(package, tmp_path, monkeypatch):
    for module in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, package, None)
    config = SiteConfig.of_sources(["rtsp://127.0.0.1:9/x"])
    site = Site(replace(config, project=tmp_path, http=HttpConfig(bind="127.0.0.1:0")))
    with pytest.raises(
        MissingExtraError, match=rf"^{package} is not installed; run: pip install 'lstm-tracker\[site\]'"
    ):
        WebServer(site)


def test_the_page_listens_again_after_another_answer_and_lists_what_happens_by_time(site):
    answers = [503, 502]

    def proxy(route):
        if answers:
            route.fulfill(status=answers.pop(), body="the site restarts")
        else:
            asked_again.append(route)
            route.continue_()

    asked_again = []

    with browser() as chromium:
        page = chromium.new_page()
        page.route("**/events", proxy)
        page.goto(str(site.base_url))
        end_s = time.monotonic() + 120
        while not asked_again and time.monotonic() < end_s:
            page.wait_for_timeout(100)
        assert asked_again
        about = {"type": "end", "camera": "yard", "track": {"id": 1, "class": "person", "start_s": 0, "last_s": 9}}
        times = [5e8, 3e8, 4e8]
        told = [about | {"message_id": f"n{time_s}", "time_s": time_s} for time_s in times]
        page.evaluate("told => told.forEach(one => happened({ data: JSON.stringify(one) }))", told)
        shown = page.eval_on_selector_all("#events li", "all => all.map(one => Number(one.dataset.time))")
    assert set(times) <= set(shown) and shown == sorted(shown, reverse=True)


def test_the_page_shows_moving_pictures_on_a_desktop_and_a_phone_and_comes_back_after_a_restart(tmp_path):
    with browser() as chromium, contextlib.ExitStack() as stack:
        url = stack.enter_context(running(tmp_path))
        problems = []
        pages = [
            chromium.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
            for width, scheme in ((1440, "light"), (390, "dark"))
        ]
        for page in pages:
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.goto(url)
            page.wait_for_selector(".picture.shown")
            first = page.get_attribute("article img", "src")
            page.wait_for_function("before => document.querySelector('article img').src != before", arg=first)
            assert page.inner_text("article .state") == "live"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is cut off"
        left = {"event": "exit", "zone": "hall", "id": 3, "class": "person", "direction": "out", "seconds": 4.2}
        crossed = {"event": "cross", "zone": "gate", "id": 3, "class": "person", "direction": "in", "seconds": None}
        about = {"type": "event", "camera": "yard", "time_s": 1.0}
        told = [about | {"message_id": str(n), "event": event} for n, event in enumerate((left, crossed))]
        pages[0].evaluate("told => told.forEach(one => happened({ data: JSON.stringify(one) }))", told)
        lines = pages[0].locator("#events li", has_text="yard").all_inner_texts()
        assert "person 3 crossed gate, in" in lines[0] and "person 3 left hall after 4 s" in lines[1]
        pages[0].click("button.picture")
        pages[0].wait_for_function("() => document.getElementById('large-picture').naturalWidth == 284")
        pages[0].keyboard.press("Escape")
        stack.pop_all().close()
        pages[0].wait_for_selector("#summary.lost")
        with running(tmp_path, port=int(url.rpartition(":")[2])):
            pages[0].wait_for_function("() => document.getElementById('summary').textContent.startsWith('1 of 1')")
        assert problems == []
