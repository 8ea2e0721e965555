"""Drawing in a browser: by mouse and by keyboard alone, what is saved equals what was drawn."""

import contextlib
import threading

import cv2
import numpy as np
import pytest

from helpers.browser import browser
from tracker import GroundPlane, Zones
from tracker.viewer.drawing.calibrate_page import CalibratePage
from tracker.viewer.drawing.document import Document
from tracker.viewer.drawing.pages import application
from tracker.viewer.drawing.picture import Still
from tracker.viewer.drawing.zones_page import ZonesPage
from tracker.web.listener import HttpListener

SIZE = (640, 360)
JPEG = cv2.imencode(".jpg", np.full((SIZE[1], SIZE[0], 3), 120, np.uint8))[1].tobytes()
SHOWN = Still(JPEG, SIZE)


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started


@contextlib.contextmanager
def served(app):
    listener = HttpListener("127.0.0.1:0", None, lambda: app)
    listener.start()
    try:
        yield f"http://{listener.shown}"
    finally:
        listener.stop()


@contextlib.contextmanager
def opened(chromium, app, width=1280):
    """A page; errors in it fail the test."""
    wrong = []
    with served(app) as url:
        page = chromium.new_page(viewport={"width": width, "height": 800})
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: said.type == "error" and "422" not in said.text and wrong.append(said.text))
        page.goto(url)
        page.wait_for_selector("#picture image")
        yield page
        page.close()
    assert wrong == []


def on_screen(page, x, y):
    """Where a pixel of the picture is."""
    box = page.locator("#picture").bounding_box()
    scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
    left = box["x"] + (box["width"] - SIZE[0] * scale) / 2
    top = box["y"] + (box["height"] - SIZE[1] * scale) / 2
    return left + x * scale, top + y * scale


def zones_application(path):
    page = ZonesPage(Document(path), SHOWN)
    return application("zones", SHOWN, page.state, None, zones=page.save)


def saved(page):
    page.click("#save")
    page.wait_for_selector("#said.right")


@pytest.mark.parametrize("width", [1280, 390])
def test_lines_and_zones_drawn_by_mouse_are_what_is_saved(chromium, tmp_path, width):
    path = tmp_path / "zones.yaml"
    with opened(chromium, zones_application(path), width) as page:
        page.click("[data-tool=line]")
        page.mouse.click(*on_screen(page, 60, 300))
        page.mouse.click(*on_screen(page, 580, 250))
        page.fill("#name", "<b>gate</b>")
        page.press("#name", "Enter")
        page.fill("#classes", "person, car")
        page.press("#classes", "Enter")
        page.click("[data-tool=zone]")
        for corner in ((100, 50), (300, 50), (300, 150), (100, 150)):
            page.mouse.click(*on_screen(page, *corner))
        page.click("#finish")
        page.fill("#dwell", "4.5")
        page.press("#dwell", "Enter")
        page.mouse.move(*on_screen(page, 300, 150))
        page.mouse.down()
        page.mouse.move(*on_screen(page, 330, 170), steps=4)
        page.mouse.up()
        assert page.locator("text.label").first.text_content() == "<b>gate</b>"
        saved(page)
    gate, zone = Zones.load(path).places
    assert gate.name == "<b>gate</b>" and gate.classes == ("person", "car") and not gate.is_zone
    np.testing.assert_allclose(gate.points, [[60, 300], [580, 250]], atol=2)
    assert zone.is_zone and zone.dwell_s == 4.5
    np.testing.assert_allclose(zone.points, [[100, 50], [300, 50], [330, 170], [100, 150]], atol=3)


def test_the_keyboard_alone_is_enough(chromium, tmp_path):
    path = tmp_path / "zones.yaml"
    with opened(chromium, zones_application(path)) as page:
        page.focus("[data-tool=line]")
        page.keyboard.press("Enter")
        for key in ("ArrowLeft", "Enter", *["ArrowRight"] * 5, "Enter"):
            page.keyboard.press(key)
        page.keyboard.type("door")
        page.keyboard.press("Enter")
        page.keyboard.press("Control+s")
        page.wait_for_selector("#said.right")
        first = Zones.load(path).places[0]
        assert first.name == "door" and first.points[1, 0] - first.points[0, 0] >= 5
        page.focus('[data-key="0.1"]')
        page.keyboard.press("Shift+ArrowDown")
        page.keyboard.press("Control+s")
        page.wait_for_selector("#said.right")
        second = Zones.load(path).places[0]
        np.testing.assert_allclose(second.points - first.points, [[0, 0], [0, 1]], atol=0.11)


def test_undo_gives_back_what_was_there_and_a_wrong_shape_is_told(chromium, tmp_path):
    path = tmp_path / "zones.yaml"
    path.write_text("units: px\nlines:\n  a: {points: [[10, 10], [200, 10]], anchor: bottom}\n")
    before = path.read_text()
    with opened(chromium, zones_application(path)) as page:
        page.click("#shapes button")
        page.click("#turn")
        saved(page)
        assert Zones.load(path).places[0].points[0, 0] == 200
        page.click("#undo")
        saved(page)
        assert path.read_text() == before
        page.fill("#name", "")
        page.press("#name", "Enter")
        page.click("#save")
        page.wait_for_selector("#said.wrong")
        assert "no name" in page.text_content("#said")
    assert path.read_text() == before


def test_points_clicked_and_metres_typed_are_what_is_saved(chromium, tmp_path):
    path = tmp_path / "camera.yaml"
    calibration = CalibratePage(Document(path), SHOWN)
    app = application("calibrate", SHOWN, calibration.state, None, fit=calibration.fit, ground=calibration.save)
    marks = [((100, 300), (0, 0)), ((540, 300), (8, 0)), ((420, 150), (8, 20)), ((220, 150), (0, 20))]
    with opened(chromium, app) as page:
        for row, (pixel, place) in enumerate(marks):
            page.mouse.click(*on_screen(page, *pixel))
            page.keyboard.type(str(place[0]))
            page.fill(f'[data-field="{row}.1"]', str(place[1]))
        page.wait_for_selector(".grid path")
        assert "every 2 m" in page.text_content("#grid")
        saved(page)
    ground = GroundPlane.load(path)
    np.testing.assert_allclose(ground.pixels, [pixel for pixel, _ in marks], atol=2)
    np.testing.assert_array_equal(ground.metres, [place for _, place in marks])


def test_two_lengths_and_a_direction_make_points(chromium, tmp_path):
    path = tmp_path / "camera.yaml"
    page_ = CalibratePage(Document(path), SHOWN)
    app = application("calibrate", SHOWN, page_.state, None, fit=page_.fit, lengths=page_.lengths, ground=page_.save)

    def seen(across, ahead, focal=500, tilt=0.35, height=5):
        depth = ahead * np.cos(tilt) + height * np.sin(tilt)
        return 320 + focal * across / depth, 180 + focal * (height * np.cos(tilt) - ahead * np.sin(tilt)) / depth

    with opened(chromium, app) as page:
        page.click("#mark")
        for place in ((-3, 9), (-3, 25), (4, 9), (4, 25), (-3, 12), (4, 12), (0, 10), (0, 20)):
            page.mouse.click(*on_screen(page, *seen(*place)))
        page.fill("#length-0", "7")
        page.fill("#length-1", "10")
        page.click("#use")
        page.wait_for_selector(".grid path")
        saved(page)
    np.testing.assert_allclose(GroundPlane.load(path).metres[4:6, 0], [-3, 4], atol=0.3)


def test_another_sites_page_saves_nothing(chromium, tmp_path):
    path = tmp_path / "zones.yaml"
    with served(zones_application(path)) as url, served(zones_application(tmp_path / "other.yaml")) as elsewhere:
        page = chromium.new_page()
        page.goto(elsewhere)
        sent = """async (url) => {
            const body = JSON.stringify({shapes: []});
            await fetch(url + "/zones", {method: "PUT", mode: "no-cors", body}).catch(() => {});
            await fetch(url + "/zones", {method: "POST", mode: "no-cors", body}).catch(() => {});
        }"""
        page.evaluate(sent, url)
        page.close()
    assert not path.exists()


def test_the_command_serves_until_it_is_ended(tmp_path, monkeypatch, capsys):
    from tracker.cli import zones
    from tracker.viewer import serving

    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((48, 64, 3), np.uint8))
    asked = threading.Event()
    monkeypatch.setattr(serving, "wait", asked.set)
    zones.command(str(tmp_path), tmp_path / "zones.yaml")
    assert asked.is_set() and "zones at http://127.0.0.1:" in capsys.readouterr().err
    assert not (tmp_path / "zones.yaml").exists()
