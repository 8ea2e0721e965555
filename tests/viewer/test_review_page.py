"""A run in a browser: seen, and corrected by mouse and by keyboard alone, with what is then in edits.json."""

import contextlib
import csv
import json
import shutil
import time
from itertools import pairwise

import numpy as np
import pytest

from helpers.browser import browser
from helpers.clips import pan
from helpers.crowded_runs import crowd, write_run, write_video
from helpers.finished_runs import annotated, as_sequence, leave_run
from tracker.cli import main
from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.finished_run import FinishedRun
from tracker.evaluation.tracking import score
from tracker.jobs.corrections.apply import apply
from tracker.viewer.review.reviewed_run import ReviewedRun
from tracker.viewer.review.routes import application
from tracker.web.listener import HttpListener

FRAMES = 60
HTML = "<img src=x onerror=document.title='owned'>"
SEEN = (*range(1, 21), *range(31, 61))
ROWS = [
    *((frame, 1, 100 + frame, 100, 140 + frame, 200, "person", "confirmed") for frame in range(1, 31)),
    *((frame, 2, 100 + frame, 100, 140 + frame, 200, "person", "confirmed") for frame in range(34, 61)),
    *((frame, 3, 400, 100, 460, 160, "car", "predicted" if 20 < frame < 26 else "confirmed") for frame in range(1, 61)),
    *((frame, 4, 300 + 2 * frame, 220, 340 + 2 * frame, 320, HTML, "confirmed") for frame in SEEN),
]


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "numbers.mp4", FRAMES)


@contextlib.contextmanager
def served(folder, truth=None):
    run = ReviewedRun(folder, truth)
    listener = HttpListener("127.0.0.1:0", None, lambda: application(run, None))
    listener.start()
    try:
        yield f"http://{listener.shown}"
    finally:
        listener.stop()
        run.close()


@contextlib.contextmanager
def opened(chromium, url, width=1440, height=900, refused=(), **options):
    """The page, with its first picture there; errors in it fail the test.

    Args:
        refused: statuses that are expected.
    """
    wrong = []
    page = chromium.new_page(viewport={"width": width, "height": height}, **options)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda said: said.type == "error" and wrong.append(said.text))
    try:
        page.goto(url)
        page.wait_for_function("() => globalThis.page?.view?.shown > 0 && page.timeline.told")
        yield page
        assert [text for text in wrong if not any(str(status) in text for status in refused)] == []
    finally:
        page.close()


@pytest.fixture
def folder(tmp_path, video):
    zones = {"units": "px", "zones": {"hall": {"points": [[0, 0], [600, 0], [600, 300]]}}}
    folder = write_run(tmp_path / "run", ROWS, FRAMES, str(video), record={"zones": zones})
    event = {"time_s": 0.2, "frame": 6, "event": "enter", "zone": "hall", "id": 3, "class": "car", "direction": "in"}
    (folder / "events.jsonl").write_text(json.dumps(event) + "\n")
    return folder


@pytest.fixture
def page(chromium, folder):
    with served(folder) as url, opened(chromium, url) as page:
        yield page


def edits(folder):
    path = folder / "edits.json"
    return json.loads(path.read_text())["edits"] if path.exists() else None


def go(page, frame):
    page.evaluate("frame => page.view.set({ frame, playing: false })", frame)
    page.wait_for_function("frame => page.view.shown === frame", arg=frame)


def at(page, x, y):
    """Where a place of the picture is on the screen."""
    box = page.locator("#picture").bounding_box()
    scale, left, top = page.evaluate("() => [page.stage.camera.scale, page.stage.camera.x, page.stage.camera.y]")
    return box["x"] + left + x * scale, box["y"] + top + y * scale


def click(page, x, y):
    page.mouse.click(*at(page, x, y))


def chosen(page):
    return page.evaluate("() => page.view.chosen")


def saved(page, count):
    page.wait_for_function("n => page.edits.list.length === n && page.rows.tag === page.edits.tag", arg=count)


OBJECTS = {1: (120, 150), 2: (150, 150), 3: (430, 130), 4: (330, 270)}  # a place of each in frame 10, of 2 in frame 40


class TestSeeing:
    def test_the_boxes_are_those_of_the_frame_that_is_shown(self, page):
        """Its number is in the picture; the row of object 1 says where its box is."""
        for frame in (1, 30, 7, 59, 8):
            go(page, frame)
            said = page.evaluate("""() => {
              const picture = page.frames.get(page.view.shown), g = new OffscreenCanvas(640, 360).getContext("2d");
              g.drawImage(picture, 0, 0, 640, 360);
              let number = 0;
              for (let bit = 0; bit < 12; bit++)
                if (g.getImageData(40 * bit + 20, 20, 1, 1).data[0] > 128) number += 1 << bit;
              return number;
            }""")
            assert said == frame

    def test_a_click_chooses_an_object_in_the_picture_in_the_timeline_and_in_the_list(self, page):
        go(page, 10)
        click(page, *OBJECTS[3])
        assert chosen(page) == 3 and page.locator("#card-name").inner_text() == "car 3"
        assert "hall" in page.locator("#card-events").inner_text()
        assert "5 predicted" in page.locator("#card-facts").inner_text()
        bars = page.locator("#bars").bounding_box()
        page.mouse.click(bars["x"] + 60, bars["y"] + 11)
        assert chosen(page) == 1
        page.locator("#items .item", has_text="car 3").click()
        assert chosen(page) == 3
        page.keyboard.press("Escape")
        click(page, 5, 300)
        assert chosen(page) is None

    def test_keys_go_by_frames_play_and_stop(self, page):
        page.locator("#picture").focus()
        for key, frame in [("ArrowRight", 2), ("Shift+ArrowRight", 12), ("ArrowLeft", 11), ("End", 60), ("Home", 1)]:
            page.keyboard.press(key)
            assert page.evaluate("() => page.view.frame") == frame
        page.keyboard.press("Space")
        page.wait_for_function("() => page.view.frame > 5 && page.view.shown > 5")
        page.keyboard.press("Space")
        assert page.evaluate("() => !page.view.playing")
        assert page.locator("#play").get_attribute("aria-label") == "Play"

    def test_whoever_goes_on_faster_than_pictures_come_sees_those_that_do(self, page):
        """A picture takes 0.4 s to come: 60 frames are dragged along in two seconds."""
        page.wait_for_function("() => !page.frames.asked.size")
        line = page.context.new_cdp_session(page)
        line.send("Network.enable")
        slow = {"offline": False, "latency": 400, "downloadThroughput": -1, "uploadThroughput": -1}
        line.send("Network.emulateNetworkConditions", slow)
        seen = page.evaluate("""async () => {
          const seen = new Set();
          page.view.on(["shown"], () => seen.add(page.view.shown));
          for (let frame = 1; frame <= 60; frame++) {
            page.view.set({ frame });
            await new Promise((done) => setTimeout(done, 33));
          }
          return [...seen];
        }""")
        assert len([frame for frame in seen if frame > 8]) >= 2, "those before were there already"
        page.wait_for_function("() => page.view.shown === 60")

    def test_a_picture_that_rests_is_as_large_as_it_is_seen_and_one_that_moves_is_small(self, chromium, tmp_path):
        rows = [(frame, 1, 100, 100, 140, 200, "person", "confirmed") for frame in range(1, 31)]
        size = 1600, 900
        large = write_video(tmp_path / "large.mp4", 30, size)
        folder = write_run(tmp_path / "run", rows, 30, str(large), size)
        asked = []
        with served(folder) as url, opened(chromium, url, width=1800, height=1200) as page:
            page.on("request", lambda request: asked.append(request.url))
            page.evaluate("""async () => {
              const { player, view } = page;
              performance.now = () => player.movedAt; // as fast as can be, whatever else this machine does
              for (let frame = 2; frame <= 20; frame++) {
                view.set({ frame });
                await new Promise((done) => setTimeout(done, 30));
              }
              delete performance.now;
            }""")
            page.wait_for_function("() => page.view.shown === 20 && page.frames.has(20, true)")
            assert page.evaluate("() => [page.frames.get(20).width, page.frames.get(20, true).width]") == [960, 1600]
            assert [url.rpartition("/")[2] for url in asked if "whole" in url] == ["20.jpg?whole=1"]

    def test_playing_ends_with_the_last_frame(self, page):
        go(page, 50)
        page.locator("#speed").select_option("4")
        page.locator("#play").click()
        page.wait_for_function("() => page.view.shown === 60 && !page.view.playing")

    def test_the_wheel_zooms_where_it_is_and_a_drag_moves(self, page):
        go(page, 10)
        page.mouse.move(*at(page, *OBJECTS[3]))
        before = at(page, *OBJECTS[3])
        page.mouse.wheel(0, -600)
        page.wait_for_function("() => !page.stage.camera.fitted")
        after = at(page, *OBJECTS[3])
        assert after == pytest.approx(before, abs=1.5)
        page.mouse.down()
        page.mouse.move(before[0] + 50, before[1] + 30, steps=4)
        page.mouse.up()
        assert at(page, *OBJECTS[3]) == pytest.approx((after[0] + 50, after[1] + 30), abs=1.5)
        assert chosen(page) is None, "a drag is no click"
        page.keyboard.press("0")
        assert page.evaluate("() => page.stage.camera.fitted")

    def test_a_followed_object_stays_in_the_middle(self, page):
        go(page, 5)
        click(page, *OBJECTS[4])
        page.keyboard.press("f")
        for frame in (5, 15, 40):
            go(page, frame)
            page.wait_for_timeout(60)
            stage = page.locator("#picture").bounding_box()
            x, _ = at(page, 320 + 2 * frame, 270)
            assert x == pytest.approx(stage["x"] + stage["width"] / 2, abs=90)

    @pytest.mark.parametrize(
        ("words", "found"),
        [("3", [3]), ("car", [3]), ("hall", [3]), ("0:01.4", [2, 3, 4]), ("f25", [1, 3, 4]), ("class:person", [1, 2]),
         ("person 2", [2]), ("nothing", [])],
    )  # fmt: skip
    def test_the_search_finds_by_id_class_zone_and_time(self, page, words, found):
        page.keyboard.press("/")
        page.keyboard.type(words)
        page.wait_for_function("n => page.timeline.objects.length === n", arg=len(found))
        assert sorted(page.evaluate("() => page.timeline.objects.map(one => one.id)")) == found
        assert page.locator("#found").inner_text() == f"{len(found)} of 4"
        page.keyboard.press("Enter")
        assert chosen(page) in (found or [None])

    def test_a_name_with_html_is_text(self, page):
        assert HTML.split()[0] in page.locator("#items").inner_text()
        page.evaluate("() => page.view.set({ chosen: 4 })")
        assert "onerror" in page.locator("#card-name").inner_text()
        assert page.locator("#card-name img, #items .item img[src=x]").count() == 0
        assert page.title() == "run · tracker"

    def test_the_timeline_tells_itself_to_a_screen_reader(self, page):
        page.locator("#bars").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        active = page.locator("#bars").get_attribute("aria-activedescendant")
        page.wait_for_function("() => document.querySelector('#bars-options [aria-selected=true]')")
        active = page.locator("#bars").get_attribute("aria-activedescendant")
        told = page.locator(f"#{active}")
        assert told.get_attribute("role") == "option" and told.get_attribute("aria-selected") == "true"
        assert told.inner_text().startswith("car 3, frames 1 to 60") and "5 predicted" in told.inner_text()
        ruler = page.locator("#ruler")
        assert ruler.get_attribute("role") == "slider" and ruler.get_attribute("aria-valuenow") == "1"
        assert "frame 1 of 60" in ruler.get_attribute("aria-valuetext")

    def test_everything_is_reached_by_tab_and_has_a_name(self, page):
        page.evaluate("() => page.view.set({ chosen: 3 })")
        nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, select, [tabindex='0']")]
          .filter((one) => one.checkVisibility() && !one.getAttribute("aria-label") && !one.labels?.length &&
            !one.getAttribute("aria-labelledby") && !one.textContent.trim()).map((one) => one.outerHTML)""")
        assert nameless == []
        seen = set()
        page.locator("#query").focus()
        for _ in range(45):
            page.keyboard.press("Tab")
            seen.add(page.evaluate("() => document.activeElement.id || document.activeElement.dataset.tool"))
        wanted = {"picture", "play", "frame", "speed", "follow", "ruler", "bars", "merge", "split", "swap", "box",
                  "interpolate", "delete", "rename", "class", "explain", "tab-objects", "items", "add"}  # fmt: skip
        assert wanted <= seen

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_a_phone_shows_all_of_it_without_scrolling_sideways(self, chromium, folder, scheme):
        (folder / "gt.txt").write_text("1,1,10,10,20,20,1,1,1\n")
        with (
            served(folder, folder / "gt.txt") as url,
            opened(chromium, url, 390, 844, color_scheme=scheme, has_touch=True) as page,
        ):
            page.evaluate("() => page.view.set({ chosen: 3 })")
            assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
            page.locator("#tools [data-tool=split]").tap()
            assert page.locator("#tool").is_visible()

    @pytest.mark.parametrize("frames", [0, FRAMES])
    def test_a_run_that_found_nothing_is_empty(self, chromium, tmp_path, video, frames):
        folder = write_run(tmp_path / "run", [], frames, str(video))
        with served(folder) as url, opened(chromium, url, refused=[404]) as page:
            assert page.locator("#no-items").inner_text() == "No object matches."
            for key in ("ArrowRight", "End", "n", "m", "f", "e", "Space", "Space", "a", "Escape"):
                page.keyboard.press(key)
            assert page.evaluate("() => page.view.chosen") is None

    def test_without_its_video_a_run_is_shown_without_pictures(self, chromium, tmp_path):
        folder = write_run(tmp_path / "run", ROWS, FRAMES)
        with served(folder) as url, opened(chromium, url) as page:
            assert "gone.mp4 is not there" in page.locator("#notice").inner_text()
            page.evaluate("() => page.view.set({ frame: 40 })")
            page.wait_for_function("() => page.view.shown === 40")
            click(page, *OBJECTS[3])
            assert chosen(page) == 3


KEYS = {
    "merge": (40, 2, ["m", "1", "Enter"], {"edit": "merge", "id": 2, "into": 1}),
    "split": (25, 3, ["s", "Enter"], {"edit": "split", "id": 3, "frame": 25, "new": 5}),
    "swap": (10, 3, ["w", "4", "Enter"], {"edit": "swap", "ids": [3, 4], "frame": 10}),
    "delete": (10, 4, ["Delete", "Enter"], {"edit": "delete", "id": 4}),
    "rename": (10, 3, ["r", "Anna", "Enter"], {"edit": "rename", "id": 3, "name": "Anna"}),
    "class": (10, 1, ["c", "car", "Enter"], {"edit": "class", "id": 1, "class": "car"}),
    "box": (
        10, 3, ["b", "ArrowRight", "Shift+ArrowDown", "Alt+ArrowRight", "Enter"],
        {"edit": "box", "id": 3, "frame": 10, "box": [401.0, 110.0, 462.0, 170.0]},
    ),
    "interpolate": (25, 4, ["i", "Enter"], {"edit": "interpolate", "id": 4, "from": 20, "to": 31}),
    "add": (
        10, None, ["a", "ArrowRight", "Enter"],
        {"edit": "box", "id": 5, "frame": 10, "box": [288.0, 144.0, 352.0, 216.0], "class": "person"},
    ),
}  # fmt: skip


class TestCorrecting:
    @pytest.mark.parametrize("name", KEYS)
    def test_by_keys_alone(self, page, folder, name):
        frame, track, keys, wanted = KEYS[name]
        page.locator("#frame").focus()
        page.keyboard.press("Control+a")
        page.keyboard.type(f"{frame}")
        page.keyboard.press("Enter")
        if track is not None:
            page.keyboard.press("Escape")
            page.keyboard.press("/")
            page.keyboard.type(f"id:{track}")
            page.keyboard.press("Enter")
            assert chosen(page) == track
            page.locator("#picture").focus()
        else:
            page.keyboard.press("Escape")
        before = page.evaluate("() => page.rows.id.length")
        for key in keys:
            text = key.islower() or key.isdigit() or key == "Anna"
            page.keyboard.type(key) if text else page.keyboard.press(key)
        saved(page, 1)
        assert edits(folder) == [wanted]
        more = {"delete": -50, "interpolate": 10, "add": 1}.get(name, 0)
        assert page.evaluate("() => page.rows.id.length") - before == more

    def test_by_mouse_alone(self, page, folder):
        """Nothing is typed: ids are clicked, frames are those that are shown, boxes are dragged."""
        go(page, 40)
        click(page, *OBJECTS[2])
        page.locator("[data-tool=merge]").click()
        go_to = page.locator("#bars").bounding_box()
        page.mouse.click(go_to["x"] + 60, go_to["y"] + 11)  # object 1, which is not in this frame
        page.locator("#tool-apply").click()
        saved(page, 1)
        assert chosen(page) == 1
        go(page, 10)
        click(page, *OBJECTS[3])
        page.locator("[data-tool=swap]").click()
        click(page, *OBJECTS[4])
        page.locator("#tool-apply").click()
        saved(page, 2)
        page.locator("[data-tool=split]").click()
        page.locator("#tool-apply").click()
        saved(page, 3)
        assert chosen(page) == 5
        page.locator("[data-tool=box]").click()
        x, y = page.evaluate("() => { const [l, t, r, b] = page.view.editing.box; return [(l + r) / 2, (t + b) / 2] }")
        start = at(page, x, y)
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(start[0] + 40, start[1] + 20, steps=5)
        page.mouse.up()
        page.locator("#tool-apply").click()
        saved(page, 4)
        page.locator("[data-tool=interpolate]").click()
        page.locator("#tool-apply").click()
        saved(page, 5)
        page.locator("[data-tool=delete]").click()
        page.locator("#tool-apply").click()
        saved(page, 6)
        page.locator("#add").click()
        start, end = at(page, 20, 60), at(page, 90, 160)
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=6)
        page.mouse.up()
        page.locator("#tool-apply").click()
        saved(page, 7)
        made = edits(folder)
        assert [edit["edit"] for edit in made] == ["merge", "swap", "split", "box", "interpolate", "delete", "box"]
        assert made[0] == {"edit": "merge", "id": 2, "into": 1}
        assert made[1] == {"edit": "swap", "ids": [3, 4], "frame": 10}
        assert made[2] == {"edit": "split", "id": 3, "frame": 10, "new": 5}
        scale = page.evaluate("() => page.stage.camera.scale")
        assert made[3]["box"][0] == pytest.approx(320 + 40 / scale, abs=1.5)
        assert made[6]["box"] == pytest.approx([20, 60, 90, 160], abs=1.5)

    def test_what_is_applied_is_what_was_shown(self, chromium, tmp_path):
        seen = [(frame, 1 if frame < 10 else 2, 100 + frame, 100, 140 + frame, 180) for frame in range(1, 21)]
        others = [(frame, 3, 200, 20, 240, 90) for frame in range(3, 15)]
        folder = leave_run(tmp_path / "run", annotated(seen + others)).folder
        with served(folder) as url, opened(chromium, url) as page:
            page.evaluate("() => page.view.set({ frame: 12, chosen: 2 })")
            for count, keys in enumerate((["m", "1"], ["b", "ArrowRight"], ["r", "Anna"], ["s"]), 1):
                for key in keys:
                    page.keyboard.press(key) if key[0] in "ab" or len(key) > 4 else page.keyboard.type(key)
                page.keyboard.press("Enter")
                saved(page, count)
            shown = page.evaluate(
                "() => [...page.rows.id].map((id, k) => [page.rows.frame[k], id, page.rows.box[4 * k]])"
            )
        apply(folder, video=False)
        with (folder / "corrected" / "tracks.csv").open(newline="") as file:
            applied = [[int(row["frame"]), int(row["id"]), float(row["left"])] for row in csv.DictReader(file)]
        assert applied == sorted(shown)
        assert [12, 4, 113] in applied and {track for _, track, _ in applied} == {1, 3, 4}

    def test_what_is_applied_is_as_computed_by_hand(self, chromium, tmp_path):
        """Three walk over a line: one has two ids, two have changed places, and what stands beside is no object."""
        there = {
            "a": [(f, 0, 20 + 4 * f, 20, 40 + 4 * f, 60) for f in range(1, 41)],
            "b": [(f, 0, 20 + 4 * f, 80, 40 + 4 * f, 120) for f in range(1, 41)],
            "c": [(f, 0, 20 + 4 * f, 140, 40 + 4 * f, 180) for f in range(1, 41)],
        }
        ids = {"a": lambda f: 1 if f < 20 else 5, "b": lambda f: 2 if f < 25 else 3, "c": lambda f: 3 if f < 25 else 2}
        rows = [(f, ids[who](f), *box) for who, rows in there.items() for f, _, *box in rows]
        rows += [(f, 4, 250, 100, 270, 140) for f in range(5, 36)]
        gate = {"units": "px", "lines": {"gate": {"points": [[110, 0], [110, 240]]}}}
        run = leave_run(tmp_path / "run", annotated(rows), zones=gate)
        truth = [(f, k, *box) for k, rows in enumerate(there.values(), 1) for f, _, *box in rows]
        sequence = as_sequence(leave_run(tmp_path / "as-it-is", annotated(truth)), tmp_path / "truth")

        def hota(of):
            shutil.copy(of.folder / "tracks.txt", tmp_path / "truth.txt")
            return score(sequence, tmp_path)["combined"]["HOTA"]

        assert hota(run) < 80
        with served(run.folder) as url, opened(chromium, url) as page:
            for count, (track, frame, keys) in enumerate([(5, 20, "m1"), (2, 25, "w3"), (4, 10, ["Delete"])], 1):
                page.evaluate(f"() => page.view.set({{ frame: {frame}, chosen: {track} }})")
                for key in [*keys, "Enter"]:
                    page.keyboard.press(key)
                saved(page, count)
        done = FinishedRun.read(apply(run.folder, video=False).folder)
        assert hota(done) == pytest.approx(100)
        assert sorted(event["id"] for event in done.events) == [1, 2, 3]
        assert sorted(event["id"] for event in run.events) == [2, 3], "one got another id on the line"
        counted = [(of.folder / "counts.csv").read_text().splitlines()[-1] for of in (run, done)]
        assert counted == ["gate,person,2,0,,", "gate,person,3,0,,"]

    def test_undone_and_redone_they_are_the_same_bytes(self, page, folder):
        go(page, 10)
        click(page, *OBJECTS[3])
        states = []
        for keys in (["Delete", "Enter"], ["Escape"]):
            for key in keys:
                page.keyboard.press(key)
        saved(page, 1)
        states.append(((folder / "edits.json").read_bytes(), page.evaluate("() => [...page.rows.id]")))
        click(page, *OBJECTS[1])
        page.keyboard.press("s")
        page.keyboard.press("Enter")
        saved(page, 2)
        two = (folder / "edits.json").read_bytes()
        page.keyboard.press("Control+z")
        saved(page, 1)
        assert ((folder / "edits.json").read_bytes(), page.evaluate("() => [...page.rows.id]")) == states[0]
        page.keyboard.press("Control+Shift+z")
        saved(page, 2)
        assert (folder / "edits.json").read_bytes() == two
        page.locator("#undo").click()
        saved(page, 1)
        page.locator("#undo").click()
        saved(page, 0)
        assert page.locator("#undo").is_disabled() and edits(folder) == []
        assert page.evaluate("() => page.rows.byId.has(3)")

    def test_what_cannot_be_is_said_and_not_kept(self, chromium, folder):
        with served(folder) as url, opened(chromium, url, refused=[422]) as page:
            page.evaluate("() => page.view.set({ chosen: 3 })")
            page.keyboard.press("m")
            page.keyboard.type("77")
            page.keyboard.press("Enter")
            page.wait_for_function("() => document.getElementById('tool-problem').textContent")
            assert "no track 77" in page.locator("#tool-problem").inner_text()
            assert edits(folder) is None and page.locator("#tool").is_visible()
            page.keyboard.press("Escape")
            assert page.locator("#tool").is_hidden()

    def test_two_tabs_do_not_overwrite_each_other(self, chromium, folder):
        same = {"chromium": chromium, "refused": [412]}
        with served(folder) as url, opened(url=url, **same) as one, opened(url=url, **same) as two:
            for page, key in ((one, "Delete"), (two, "s")):
                go(page, 10)
                page.evaluate("() => page.view.set({ chosen: 3 })")
                page.keyboard.press(key)
            one.keyboard.press("Enter")
            saved(one, 1)
            two.keyboard.press("Enter")
            two.wait_for_selector("#notice:not([hidden])")
            assert edits(folder) == [{"edit": "delete", "id": 3}]
            two.locator("#notice button").click()
            saved(two, 1)
            assert not two.evaluate("() => page.rows.byId.has(3)")

    def test_edits_are_there_again_when_the_page_is(self, chromium, folder):
        with served(folder) as url:
            with opened(chromium, url) as page:
                page.evaluate("() => page.view.set({ chosen: 3 })")
                page.keyboard.press("r")
                page.keyboard.type(HTML[:40])
                page.keyboard.press("Enter")
                saved(page, 1)
            with opened(chromium, url) as page:
                assert page.evaluate("() => page.rows.title(page.rows.byId.get(3))") == HTML[:40]
                page.locator("#tab-edits").click()
                assert "Name 3" in page.locator("#items").inner_text()
                assert page.locator("#items img").count() == 0

    def test_a_doubt_is_gone_to_and_mended_as_proposed(self, page, folder):
        """Object 2 goes on where 1 ended."""
        page.wait_for_function("() => !page.doubting")
        page.keyboard.press("n")
        page.wait_for_function("() => page.view.chosen !== null && document.getElementById('card-doubt').textContent")
        assert sorted([chosen(page), page.evaluate("() => page.view.other")]) == [1, 2]
        page.keyboard.press("y")
        saved(page, 1)
        assert edits(folder) == [{"edit": "merge", "id": 2, "into": 1}]
        page.wait_for_selector("#items .settled")

    def test_mistakes_against_a_truth_are_gone_to_and_mended(self, chromium, tmp_path, video):
        box = (100, 100, 140, 180)
        rows = [(frame, 1 if frame < 20 else 2, *box, "person", "confirmed") for frame in range(1, 41)]
        folder = write_run(tmp_path / "run", rows, FRAMES, str(video))
        truth = tmp_path / "gt.txt"
        truth.write_text("".join(f"{frame},7,100,100,40,80,1,1,1\n" for frame in range(1, 41)))
        with served(folder, truth) as url, opened(chromium, url) as page:
            page.wait_for_function("() => page.panel.lists.mistakes.length === 1")
            page.keyboard.press("n")
            page.wait_for_function("() => page.view.shown === 20")
            assert (chosen(page), page.evaluate("() => page.view.other")) == (2, 1)
            page.keyboard.press("m")
            page.keyboard.press("Enter")
            saved(page, 1)
            page.wait_for_function("() => page.panel.lists.mistakes.length === 0")
            assert edits(folder) == [{"edit": "merge", "id": 2, "into": 1}]


def broken(places, ends=(0, 30, 60)):
    """Objects at these places, each tracked in pieces that end there: ids go up by object and piece."""
    track = 0
    for place in places:
        for before, end in pairwise(ends):
            track += 1
            for frame in range(before + (4 if before else 1), end + 1):
                yield frame, track, place + frame, 100, place + 40 + frame, 200, "person", "confirmed"


@pytest.fixture
def three(tmp_path, video):
    """Three objects: 1 and 2, 3 and 4, 5 and 6."""
    return write_run(tmp_path / "three", broken((20, 240, 460)), FRAMES, str(video))


def doubts_there(page):
    page.wait_for_function("() => !page.doubting")


class TestGoingFromOnePlaceToLookAtToTheNext:
    PAIRS = ({1, 2}, {3, 4}, {5, 6})

    def pair(self, page):
        return {chosen(page), page.evaluate("() => page.view.other")}

    def test_begins_with_the_most_doubtful_whatever_is_chosen(self, chromium, three):
        with served(three) as url, opened(chromium, url) as page:
            doubts_there(page)
            page.locator("#items .item", has_text="person 5").click()
            page.keyboard.press("n")
            first = page.evaluate("() => page.panel.lists.doubts[0].ids")
            assert self.pair(page) == set(first)

    def test_misses_none_when_one_is_mended_and_passes_what_is_settled(self, chromium, three):
        with served(three) as url, opened(chromium, url) as page:
            doubts_there(page)
            seen = []
            for count in (1, 2, 3):
                page.keyboard.press("n")
                seen.append(self.pair(page))
                page.keyboard.press("y")
                saved(page, count)
                page.wait_for_function(f"() => page.panel.lists.doubts.filter((one) => one.settled).length >= {count}")
            assert sorted(seen, key=min) == list(self.PAIRS)
            page.locator("#undo").click()
            saved(page, 2)
            page.wait_for_function("() => page.panel.lists.doubts.some((one) => !one.settled)")
            page.evaluate("() => page.view.set({ frame: 1, chosen: null, other: null })")
            page.keyboard.press("p")
            page.keyboard.press("n")
            assert self.pair(page) == seen[2]

    def test_misses_no_mistake_when_one_is_mended(self, chromium, three, tmp_path):
        truth = tmp_path / "gt.txt"
        boxes = [(frame, 1 + k, place + frame) for frame in range(1, 61) for k, place in enumerate((20, 240, 460))]
        truth.write_text("".join(f"{frame},{track},{left},100,40,100,1,1,1\n" for frame, track, left in boxes))
        with served(three, truth) as url, opened(chromium, url) as page:
            seen = []
            for count in (1, 2, 3):
                page.wait_for_function(f"() => page.panel.lists.mistakes.length === {4 - count}")
                page.keyboard.press("n")
                seen.append(self.pair(page))
                page.keyboard.press("m")
                page.keyboard.press("Enter")
                saved(page, count)
            assert seen == list(self.PAIRS)

    def test_leaves_the_arrows_to_the_frames_where_the_list_was_opened_by_a_click(self, chromium, three):
        with served(three) as url, opened(chromium, url) as page:
            doubts_there(page)
            page.locator("#tab-doubts").click()
            page.keyboard.press("n")
            frame = page.evaluate("() => page.view.frame")
            page.keyboard.press("ArrowLeft")
            assert page.evaluate("() => page.view.frame") == frame - 1
            assert page.locator("#tab-doubts").get_attribute("aria-selected") == "true"

    def test_tells_what_is_proposed_in_the_ids_of_now(self, chromium, tmp_path, video):
        folder = write_run(tmp_path / "run", broken((20,), (0, 20, 40, 60)), FRAMES, str(video))
        with served(folder) as url, opened(chromium, url) as page:
            doubts_there(page)
            page.evaluate("() => page.view.set({ chosen: 2 })")
            for key in ("m", "1", "Enter"):
                page.keyboard.press(key)
            saved(page, 1)
            page.locator("#tab-doubts").click()
            page.wait_for_selector("#items .settled")
            page.locator("#items .item", has_text="after track 2").click()
            assert "Proposed: Merge 3 into 1," in page.locator("#card-doubt").inner_text()


CHANGED = """async ([layer, places]) => {
  const colours = async () => {
    page.stage.draw();
    await new Promise((done) => setTimeout(done, 100));
    const { camera, g } = page.stage;
    return places.map(([x, y]) =>
      [...g.getImageData(camera.x + x * camera.scale, camera.y + y * camera.scale, 1, 1).data].join());
  };
  const before = await colours();
  document.querySelector(`#layers [value=${layer}]`).click();
  const after = await colours();
  document.querySelector(`#layers [value=${layer}]`).click();
  return before.map((one, k) => one !== after[k]);
}"""


def test_what_objects_carry_is_drawn_where_it_is_and_can_be_hidden(chromium, tmp_path):
    """A mask, a limb from one hip to the other, and a box that stands on its corner in the place of the upright one."""
    covered = np.zeros((1, 240, 320), bool)
    covered[0, 100:200, 100:180] = True
    points = np.full((1, 17, 3), np.nan, np.float32)
    points[0, [11, 12]] = [[40, 60, 0.9], [80, 60, 0.9]]
    corners = np.array([[[240, 40], [280, 80], [240, 120], [200, 80]]], np.float32)
    rows = annotated([(1, 1, 200, 40, 280, 120), (2, 1, 201, 40, 281, 120)])
    carried = {1: Columns(masks=Masks.of(covered), keypoints=points, corners=corners)}
    folder = leave_run(tmp_path / "run", rows, json=True, columns=carried).folder
    with served(folder) as url, opened(chromium, url) as page:
        page.wait_for_function("() => page.shapes.known.has(1)")
        assert page.evaluate(CHANGED, ["masks", [[140, 150], [90, 150], [140, 95]]]) == [True, False, False]
        assert page.evaluate(CHANGED, ["skeletons", [[60, 60], [60, 75]]]) == [True, False]
        assert page.evaluate(CHANGED, ["boxes", [[260, 60], [200, 60]]]) == [True, False]


@pytest.fixture
def masked(tmp_path):
    """A run of 30 frames whose object has a mask in frame 20."""
    covered = np.ones((1, 240, 320), bool)
    rows = annotated([(frame, 1, 20, 20, 60, 100) for frame in range(1, 31)])
    return leave_run(tmp_path / "run", rows, json=True, columns={20: Columns(masks=Masks.of(covered))}).folder


def test_what_objects_carry_is_asked_for_when_what_was_asked_before_has_come(chromium, masked):
    late = []
    with served(masked) as url, opened(chromium, url) as page:
        page.route("**/shapes/*", lambda route: late.append(route) if len(late) < 3 else route.continue_())
        page.evaluate("() => page.shapes.forget()")
        go(page, 5)
        page.wait_for_function("() => page.shapes.asking.size === 3")
        go(page, 20)
        page.wait_for_timeout(500)  # longer than it paints once more by itself
        for route in late:
            route.continue_()
        page.wait_for_function("() => page.shapes.known.has(20)", timeout=30_000)


def test_what_objects_carry_is_not_asked_for_all_the_time_where_nobody_answers(chromium, masked):
    asked = []

    def fails(route):
        asked.append(route)
        route.fulfill(status=500)

    with served(masked) as url, opened(chromium, url, refused=(500,)) as page:
        page.route("**/shapes/*", fails)
        go(page, 20)
        page.wait_for_timeout(1500)
    assert 2 <= len(asked) <= 15


def test_the_forecast_of_the_chosen_object_is_drawn_ahead_of_it(page):
    go(page, 30)
    page.evaluate("() => page.view.set({ chosen: 4, frame: 31 })")
    page.wait_for_function("() => page.view.forecast?.frame === 31 && page.view.forecast.feet.length")
    feet = page.evaluate("() => page.view.forecast.feet")
    assert all(after[0] > before[0] for before, after in pairwise(feet)), "it goes to the right"
    assert page.evaluate(CHANGED, ["forecast", [feet[8], [feet[8][0], 120]]]) == [True, False]
    page.locator("#after").click()
    page.wait_for_function("() => page.view.forecast?.frame === 32")


@pytest.mark.slow
def test_a_real_run_is_explained(chromium, tmp_path, monkeypatch, capsys):
    """Tracked by the command, then asked about: the run is done again up to the frame."""
    pan(tmp_path / "video.mp4", frames=10)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["video.mp4", "--no-video", "--save-crops", "--imgsz", "320", "--project", "runs", "--quiet"])
    assert not end.value.code, capsys.readouterr().err
    with served(tmp_path / "runs" / "video") as url, opened(chromium, url) as page:
        page.evaluate("() => page.view.set({ chosen: page.rows.objects[0].id, frame: page.rows.objects[0].first + 1 })")
        page.keyboard.press("e")
        page.wait_for_function("() => page.why.of && document.querySelector('#why table')", timeout=120_000)
        assert page.locator("#why p").first.inner_text().startswith("Track ")
        assert page.evaluate("() => page.view.explained.predicted.length") == 4


@pytest.mark.slow
def test_a_run_of_two_thousand_objects(chromium, tmp_path_factory):
    """100,000 rows: how fast is printed, not asserted tightly, because machines differ."""
    folder = tmp_path_factory.mktemp("large")
    video = write_video(folder / "video.mp4", 1000)
    run = write_run(folder / "run", crowd(2000, 50, 1000), 1000, str(video))
    with served(run) as url:
        start = time.monotonic()
        with opened(chromium, url) as page:
            first_s = time.monotonic() - start
            assert page.evaluate("() => [page.rows.id.length, page.rows.objects.length]") == [100_000, 2000]
            scrubbed = page.evaluate("""async () => {
              const begun = performance.now(), shown = new Set();
              page.view.on(["shown"], () => shown.add(page.view.shown));
              for (let frame = 400; frame < 460; frame++) {
                page.view.set({ frame });
                await new Promise((done) => setTimeout(done, 33));
              }
              return [60000 / (performance.now() - begun), shown.size];
            }""")
            scrolled = page.evaluate("""async () => {
              const begun = performance.now();
              for (let step = 0; step < 60; step++) {
                page.timeline.bars.scrollTop = 700 * step;
                await new Promise(requestAnimationFrame);
              }
              return 60000 / (performance.now() - begun);
            }""")
            assert page.evaluate("() => page.timeline.sight[0]") > 1800
            assert page.locator("#bars-options > *").count() < 40, "what is out of sight is not there"
            assert page.locator("#items .item").count() < 40
            page.keyboard.press("/")
            page.keyboard.type("1999")
            page.keyboard.press("Enter")
            assert chosen(page) == 1999
    print(
        f"\nfirst picture {first_s:.2f} s, {scrubbed[0]:.0f} frames/s scrubbed with {scrubbed[1]} of 60 pictures, "
        f"{scrolled:.0f} frames/s scrolled"
    )
    assert first_s < 60 and scrubbed[1] > 2 and scrolled > 1
