"""What the pages that draw on a picture read and write."""

import asyncio
import json
import os

import cv2
import httpx
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from helpers.commands import ended
from tracker import GroundPlane, Zones
from tracker.analytics.zones_file import parsed, written
from tracker.errors import ChangedError, ConfigError, InputError, OutputError, SourceError
from tracker.viewer.drawing.calibrate_page import CalibratePage
from tracker.viewer.drawing.document import Document
from tracker.viewer.drawing.pages import application
from tracker.viewer.drawing.picture import Still, picture
from tracker.viewer.drawing.zones_page import ZonesPage

PICTURE = Still(b"", (640, 480))
HAND_MADE = """# at the door
units: share
lines: {gate: {points: [[0.1, 0.5], [0.9, 0.5]], anchor: centre, classes: [person, 2]}}
zones: {till: {points: [[0, 0], [0.5, 0], [0.5, 0.75]], dwell_s: 5}}
ignore: [{points: [[0.5, 0.5], [1, 0.5], [1, 1]]}]
"""
CORNERS = [([100, 400], [0, 0]), ([540, 400], [8, 0]), ([420, 200], [8, 20]), ([220, 200], [0, 20])]
POINTS = [{"px": pixel, "m": place} for pixel, place in CORNERS]


def zones_page(path):
    return ZonesPage(Document(path), PICTURE)


class TestZones:
    def test_a_file_that_is_there_is_shown_in_pixels_and_saved_in_its_own_units(self, tmp_path):
        path = tmp_path / "zones.yaml"
        path.write_text(HAND_MADE)
        page = zones_page(path)
        state = page.state()
        assert [(shape["kind"], shape.get("name")) for shape in state["shapes"]] == [
            ("line", "gate"), ("zone", "till"), ("ignore", None),
        ]  # fmt: skip
        assert state["shapes"][0]["points"] == [[64, 240], [576, 240]] and state["comments"]
        page.save({"shapes": state["shapes"]}, state["version"])
        assert Zones.load(path).to_dict() == Zones.parsed(yaml.safe_load(HAND_MADE), "").to_dict()
        assert not page.state()["comments"]

    def test_a_new_file_holds_what_was_drawn(self, tmp_path):
        path = tmp_path / "new" / "zones.yaml"
        page = zones_page(path)
        shapes = [
            {"kind": "line", "name": "a: b", "points": [[1, 2.5], [300, 400]], "anchor": "bottom", "classes": None},
            {"kind": "ignore", "points": [[0, 0], [10, 0], [10, 10]]},
        ]
        page.save({"shapes": shapes}, page.state()["version"])
        assert path.read_text() == (
            "units: px\nlines:\n  'a: b': {points: [[1, 2.5], [300, 400]], anchor: bottom}\n"
            "ignore:\n  - {points: [[0, 0], [10, 0], [10, 10]]}\n"
        )

    @pytest.mark.parametrize(
        ("shape", "said"),
        [
            ({"kind": "zone", "name": "a", "points": [[0, 0], [9, 9], [9, 0], [0, 9]]}, "crosses itself"),
            ({"kind": "line", "name": "a", "points": [[0, 0]]}, "1 point"),
            ({"kind": "line", "name": " ", "points": [[0, 0], [1, 1]]}, "no name"),
            ({"kind": "line", "name": "a", "points": [[0, 0], [900, 1]]}, "outside of the frame"),
            ({"kind": "line", "name": "a", "points": [[0, 0], [1, 1]], "dwell_s": 3}, "unknown key"),
            ({"kind": "zone", "name": "a", "points": [[0, 0], [9, 0], [9, 9]], "dwell_s": "x"}, "dwell_s"),
            ({"kind": "door", "name": "a", "points": [[0, 0], [9, 0]]}, "kind"),
            ({"kind": "line", "name": "a", "points": [[0, None], "x"]}, "no points"),
        ],
    )
    def test_what_is_no_shape_is_told_and_nothing_is_written(self, tmp_path, shape, said):
        path = tmp_path / "zones.yaml"
        page = zones_page(path)
        with pytest.raises((ConfigError, InputError), match=said):
            page.save({"shapes": [shape]}, page.state()["version"])
        assert not path.exists()

    def test_two_of_one_name_are_refused(self, tmp_path):
        line = {"kind": "line", "name": "a", "points": [[0, 0], [9, 9]]}
        with pytest.raises(ConfigError, match="two places are called 'a'"):
            zones_page(tmp_path / "z.yaml").save({"shapes": [line, line]}, "new")

    def test_what_somebody_else_changed_meanwhile_is_not_lost(self, tmp_path):
        path = tmp_path / "zones.yaml"
        page = zones_page(path)
        version = page.state()["version"]
        path.write_text(HAND_MADE)
        with pytest.raises(ChangedError, match="changed by somebody else"):
            page.save({"shapes": []}, version)
        assert path.read_text() == HAND_MADE

    def test_a_file_of_something_else_is_not_touched(self, tmp_path):
        path = tmp_path / "notes.yaml"
        for text in ("shopping: [milk]", "[", "lines: {a: {points: [[0, 0], [9999, 0]]}}"):
            path.write_text(text)
            with pytest.raises(ConfigError):
                zones_page(path)
        path.write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="cannot be read as text"):
            zones_page(path)

    def test_nothing_is_written_through_a_link(self, tmp_path):
        (tmp_path / "real.yaml").write_text(HAND_MADE)
        link = tmp_path / "zones.yaml"
        link.symlink_to("real.yaml")
        with pytest.raises(OutputError, match="is a link"):
            zones_page(link)
        link.unlink()
        page = zones_page(link)
        link.symlink_to("real.yaml")
        with pytest.raises(OutputError, match="is a link"):
            page.save({"shapes": []}, page.state()["version"])
        assert (tmp_path / "real.yaml").read_text() == HAND_MADE

    @pytest.mark.parametrize(("place", "said"), [("file/zones.yaml", "a file stands"), ("/proc/zones.yaml", "cannot")])
    def test_where_nothing_can_be_saved_nothing_is_drawn(self, tmp_path, place, said):
        (tmp_path / "file").touch()
        with pytest.raises(OutputError, match=said):
            zones_page(tmp_path / place)


coordinates = st.tuples(st.integers(0, 640), st.integers(0, 480)).map(list)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
lines = st.lists(coordinates, min_size=2, max_size=4, unique_by=tuple)


@given(st.dictionaries(names, lines, max_size=3))
def test_a_file_reads_as_it_was_meant_whatever_its_names(shapes):
    content = {"units": "px", "lines": {name: {"points": points, "anchor": "top"} for name, points in shapes.items()}}
    text = written(content)
    read = yaml.safe_load(text)
    assert parsed(read).places == () if not shapes else [place.name for place in parsed(read).places] == list(shapes)
    for place in parsed(read).places:
        assert place.points.tolist() == shapes[place.name]


class TestCalibration:
    def test_the_file_holds_the_points(self, tmp_path):
        page = CalibratePage(Document(tmp_path / "camera.yaml"), PICTURE)
        page.save({"points": POINTS}, page.state()["version"])
        ground = GroundPlane.load(tmp_path / "camera.yaml")
        assert ground.frame_size == PICTURE.size
        np.testing.assert_array_equal(ground.metres, [place for _, place in CORNERS])
        assert page.state()["points"] == POINTS

    def test_points_of_a_table_may_take_the_place_of_what_a_page_saved_but_of_nobodys_file(self, tmp_path, capsys):
        cv2.imwrite(str(tmp_path / "1.png"), np.zeros((480, 640, 3), np.uint8))
        table = "".join(f"{x},{y},{x_m},{y_m}\n" for (x, y), (x_m, y_m) in CORNERS)
        (tmp_path / "points.csv").write_text("x_px,y_px,x_m,y_m\n" + table)
        words = ["calibrate", str(tmp_path / "1.png"), "--points", str(tmp_path / "points.csv"), "--quiet", "--out"]
        page = CalibratePage(Document(tmp_path / "page.yaml"), PICTURE)
        page.save({"points": POINTS}, page.state()["version"])
        assert ended([*words, str(tmp_path / "page.yaml")], capsys) == (0, "")
        (tmp_path / "mine.yaml").write_bytes((tmp_path / "page.yaml").read_bytes())
        page = CalibratePage(Document(tmp_path / "mine.yaml"), PICTURE)
        page.save({"points": POINTS}, page.state()["version"])
        code, said = ended([*words, str(tmp_path / "mine.yaml")], capsys)
        assert code == 1 and "was not made by track calibrate" in said

    def test_the_grid_lies_on_the_ground_every_so_many_metres(self, tmp_path):
        page = CalibratePage(Document(tmp_path / "camera.yaml"), PICTURE)
        fit = page.fit({"points": POINTS})
        assert fit["spacing_m"] == 2.0 and max(fit["error_m"]) < 1e-6
        ground = GroundPlane.from_points(*zip(*CORNERS, strict=True), frame_size=PICTURE.size)
        on_ground = 0
        for line in fit["grid"]:
            places = ground.to_metres(line)
            known = np.isfinite(places).all(axis=1)  # but for those at the edge of the ground, rounded outwards
            off = np.abs(places - 2 * (places / 2).round())[known].max(axis=0, initial=0)
            assert off.min() < 0.1
            on_ground += known.sum()
        assert on_ground > 400

    def test_a_lens_of_the_file_stays_and_bends_the_grid(self, tmp_path):
        path = tmp_path / "camera.yaml"
        lens = {"focal_px": [500.0, 500.0], "centre_px": [320.0, 240.0], "distortion": [-0.2, 0.0, 0.0, 0.0, 0.0]}
        path.write_text(yaml.safe_dump({"points": POINTS, "frame_size": [640, 480], "lens": lens, "foot_std": 0.03}))
        page = CalibratePage(Document(path), PICTURE)
        ground = GroundPlane.load(path)
        line = max(page.fit({"points": POINTS})["grid"], key=len)
        places = ground.to_metres(line)
        assert np.nanmin(np.abs(places - 2 * (places / 2).round()).max(axis=0)) < 0.05
        page.save({"points": POINTS}, page.state()["version"])
        assert GroundPlane.load(path).to_dict() == ground.to_dict()

    @pytest.mark.parametrize("points", [POINTS[:3], [*POINTS[:3], {"px": [1, 1], "m": [None, 2]}], "x", [1], None])
    def test_what_fixes_no_ground_is_told(self, tmp_path, points):
        page = CalibratePage(Document(tmp_path / "camera.yaml"), PICTURE)
        with pytest.raises(InputError):
            page.save({"points": points}, "new")
        assert not list(tmp_path.iterdir())

    def test_a_file_of_another_picture_is_told(self, tmp_path):
        (tmp_path / "camera.yaml").write_text(yaml.safe_dump({"points": POINTS, "frame_size": [1000, 200]}))
        with pytest.raises(ConfigError, match="calibrate it on this video"):
            CalibratePage(Document(tmp_path / "camera.yaml"), PICTURE)


def test_the_picture_is_the_one_of_that_time(tmp_path):
    import cv2

    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 60, 3), 80 * number, np.uint8))
    first, third = picture(str(tmp_path), 0.0), picture(str(tmp_path), 0.05)
    assert first.size == (60, 40)
    shown = [cv2.imdecode(np.frombuffer(one.jpeg, np.uint8), 1).mean() for one in (first, third)]
    assert shown[0] < 5 and shown[1] > 150
    with pytest.raises(SourceError, match="no frame at 9 s"):
        picture(str(tmp_path), 9.0)


def test_state_is_plain_json(tmp_path):
    (tmp_path / "zones.yaml").write_text(HAND_MADE)
    json.dumps(zones_page(tmp_path / "zones.yaml").state(), allow_nan=False)


HUGE = "9" * 400
ZONE = {"kind": "zone", "name": "a", "points": [[0, 0], [1, 1], [0, 1]]}


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/zones", b"{"),
        ("/zones", b"\xff"),
        ("/zones", b"[" * 100_000),
        ("/zones", b"7"),
        ("/zones", b'{"shapes": [{"kind": "line", "name": "a", "points": [[%b, 0], [1, 1]]}]}' % HUGE.encode()),
        ("/zones", b'{"shapes": [{"kind": "line", "name": "a", "points": [[NaN, 0], [1, 1]]}]}'),
        ("/zones", b'{"shapes": [{"kind": "line", "name": "\\ud800", "points": [[0, 0], [1, 1]]}]}'),
        ("/zones", b'{"shapes": [{"kind": "line", "name": "a", "points": [[0, 0], [1, 1]], "classes": ["\\ud800"]}]}'),
        ("/zones", b'{"shapes": [{"kind": ["line"], "name": "a", "points": [[0, 0], [1, 1]]}]}'),
        ("/zones", json.dumps({"shapes": [{**ZONE, "dwell_s": int(HUGE)}]}).encode()),
        ("/ground", json.dumps({"points": [*POINTS[:3], {"px": [1, 1], "m": [0, int(HUGE)]}]}).encode()),
        ("/ground", json.dumps({"points": [*POINTS[:3], {"px": [1, int(HUGE)], "m": [0, 1]}]}).encode()),
        ("/fit", json.dumps({"points": [*POINTS[:3], {"px": [1, float("nan")], "m": [0, 1]}]}).encode()),
        ("/fit", json.dumps({"points": [*POINTS[:3], {"px": ["a", {}], "m": [0, 1]}]}).encode()),
        ("/fit", json.dumps({"points": [{**one, "m": [1e300 * x for x in one["m"]]} for one in POINTS]}).encode()),
        ("/lengths", json.dumps({"parallel": [[[0, int(HUGE)]] * 2] * 2, "segments": 0, "lengths_m": [1, 1]}).encode()),
        ("/lengths", b'{"parallel": [], "segments": [], "lengths_m": [NaN, 1]}'),
    ],
)  # fmt: skip
def test_whatever_is_sent_is_answered_in_a_sentence_and_nothing_is_written(tmp_path, path, sent):
    zones, ground = zones_page(tmp_path / "zones.yaml"), CalibratePage(Document(tmp_path / "camera.yaml"), PICTURE)
    asked = {"zones": zones.save, "ground": ground.save, "fit": ground.fit, "lengths": ground.lengths}
    transport = httpx.ASGITransport(application("zones", PICTURE, zones.state, None, **asked))

    async def put():
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http:
            return await http.put(path, content=sent, headers={"If-Match": "new"})

    answer = asyncio.run(put())
    assert answer.status_code == 422 and ";" in answer.json()["problem"]
    assert list(tmp_path.iterdir()) == []


def test_a_pipe_is_not_waited_for_and_no_endless_file_is_read(tmp_path):
    os.mkfifo(tmp_path / "zones.yaml")
    with pytest.raises(ConfigError, match="is no file"):
        zones_page(tmp_path / "zones.yaml")
    (tmp_path / "camera.yaml").write_text("#" * (5 << 20))
    with pytest.raises(ConfigError, match="too long"):
        CalibratePage(Document(tmp_path / "camera.yaml"), PICTURE)
