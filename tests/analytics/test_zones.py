"""zones.yaml: detections in the regions to ignore are dropped; what is wrong with a file is said in a sentence."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Detections, Zones
from tracker.errors import ConfigError

FRAME = (640, 480)


def saved(folder: Path, text: str) -> Path:
    path = folder / "zones.yaml"
    path.write_text(text)
    return path


def standing_at(*feet):
    """Boxes of 20 x 60 with the middle of their lower edges there."""
    return Detections(np.array([[x - 10, y - 60, x + 10, y] for x, y in feet]))


def kept(zones, *feet, frame=FRAME):
    detections = standing_at(*feet)
    rows = {tuple(box): n for n, box in enumerate(detections.xyxy.tolist())}
    return [rows[tuple(box)] for box in zones.keep(detections, frame).xyxy.tolist()]


def square(left, top, side=100):
    return {"points": [[left, top], [left + side, top], [left + side, top + side], [left, top + side]]}


class TestIgnoring:
    def test_goes_by_the_foot_not_by_how_much_of_the_body_is_in_the_region(self, tmp_path):
        zones = Zones.load(saved(tmp_path, "ignore: [{points: [[100, 100], [200, 100], [200, 200], [100, 200]]}]"))
        inside, head_only, beside, on_the_border_below = (150, 110), (150, 240), (90, 150), (150, 203)
        assert kept(zones, inside, head_only, beside, on_the_border_below) == [1, 2, 3]

    def test_shares_count_from_the_frame_of_the_moment(self):
        zones = Zones.parsed({"units": "share", "ignore": [{"points": [[0.5, 0], [1, 0], [1, 1], [0.5, 1]]}]}, "z")
        assert kept(zones, (300, 400), (340, 400)) == [0]
        assert kept(zones, (300, 400), (340, 400), frame=(1280, 960)) == [0, 1]

    def test_pixels_go_with_the_picture_where_a_stream_changes_its_size(self):
        zones = Zones.parsed({"ignore": [square(300, 300)]}, "z").fitted(FRAME)
        assert kept(zones, (350, 350), (100, 100)) == [1]
        assert kept(zones, (700, 700), (350, 350), frame=(1280, 960)) == [1]

    def test_what_lies_in_any_of_several_regions_goes_where_they_overlap_too(self):
        zones = Zones.parsed({"ignore": [square(0, 0), square(50, 50)]}, "z")
        assert kept(zones, (25, 60), (75, 75), (140, 140), (200, 100)) == [3]

    def test_a_foot_at_or_below_the_lower_edge_of_the_frame_counts_there(self):
        zones = Zones.parsed({"ignore": [{"points": [[0, 380], [640, 380], [640, 480], [0, 480]]}]}, "z")
        assert kept(zones, (320, 480), (320, 490), (-5, 480), (320, 370)) == [3]

    def test_other_columns_stay_with_their_rows(self):
        detections = Detections([[0, 0, 10, 10], [300, 300, 320, 340]], [0.4, 0.9], [3, 7], features=np.eye(2, 512))
        left = Zones.parsed({"ignore": [square(0, 0)]}, "z").keep(detections, FRAME)
        assert (left.scores.tolist(), left.classes.tolist()) == ([pytest.approx(0.9)], [7])
        assert left.features[0, 1] == 1

    def test_nothing_is_dropped_where_nothing_is_to_be_ignored(self):
        detections = standing_at((10, 100))
        assert Zones().keep(detections, FRAME) is detections

    @given(st.lists(st.tuples(st.floats(1, 639), st.floats(1, 479)), min_size=1, max_size=40))
    def test_agrees_with_geometry_a_pixel_from_every_border(self, feet):
        zones = Zones.parsed({"ignore": [{"points": [[100, 50], [600, 90], [320, 460]]}]}, "z")
        corners, edges = zones.ignore[0], np.roll(zones.ignore[0], -1, axis=0) - zones.ignore[0]
        normal = np.stack([-edges[:, 1], edges[:, 0]], 1) / np.linalg.norm(edges, axis=1, keepdims=True)
        detections = standing_at(*feet)
        feet = np.stack([detections.xyxy[:, [0, 2]].mean(1), detections.xyxy[:, 3]], 1)
        depth = ((feet[:, None] - corners) * normal).sum(-1).min(1)
        left = {tuple(box) for box in zones.keep(detections, FRAME).xyxy.tolist()}
        for box, inside in zip(detections.xyxy.tolist(), depth.tolist(), strict=True):
            assert abs(inside) <= 1.5 or (tuple(box) in left) == (inside < 0)


class TestTheFile:
    def test_is_what_it_says_of_itself(self):
        for units, points in (("px", [[0, 0], [9, 0], [9.5, 9]]), ("share", [[0, 0], [1, 0], [0.5, 1]])):
            zones = Zones.parsed({"units": units, "ignore": [{"points": points}]}, "z")
            again = Zones.parsed(zones.to_dict(), "run.yaml")
            assert again.units == units
            assert again.ignore[0].tolist() == points

    def test_may_close_a_polygon_with_its_first_point(self):
        zones = Zones.parsed({"ignore": [{"points": [[0, 0], [9, 0], [9, 9], [0, 0]]}]}, "z")
        assert zones.ignore[0].tolist() == [[0, 0], [9, 0], [9, 9]]

    def test_may_have_lines_and_zones(self):
        said = {
            "lines": {"gate": {"points": [[100, 400], [500, 400]], "anchor": "centre", "classes": ["person", "2"]}},
            "zones": {"till": {**square(0, 0), "anchor": "bottom", "dwell_s": 5}},
        }
        zones = Zones.parsed({**said, "ignore": []}, "z")
        assert [(place.name, place.is_zone) for place in zones.places] == [("gate", False), ("till", True)]
        assert zones.to_dict() == {"units": "px", **said, "ignore": []}
        assert Zones.parsed(zones.to_dict(), "run.yaml").to_dict() == zones.to_dict()

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("ignore: [{points: [[0, 0], [9, 9]]}]", "region 1 of ignore has 2 points; give at least 3"),
            ("lines: {gate: {points: [[0, 0]]}}", "lines.gate has 1 point; give at least 2"),
            ("zones: {till: {points: [[0, 0], [9, 9]]}}", "zones.till has 2 points; give at least 3"),
            (
                "ignore: [{points: [[0, 0], [9, -1], [9, 9]]}]",
                "region 1 of ignore has the point [9, -1], outside of the frame; give pixels from 0",
            ),
            (
                "{units: share, ignore: [{points: [[0, 0], [0.9, 0], [90, 0.9]]}]}",
                "the point [90, 0.9], outside of the frame; give shares from 0 to 1, or pixels with units: px",
            ),
            (
                "ignore: [{points: [[0, 0], [9, 9], [9, 0], [0, 9]]}]",
                "region 1 of ignore crosses itself (the edge from [0, 0] and the edge from [9, 0]); list its points in",
            ),
            ("ignore: [{points: [[0, 0], [5, 5], [9, 9]]}]", "region 1 of ignore has no area, its points lie on one"),
            ("ignore: [{points: [[0, 0], [5, x], [9, 9]]}]", "region 1 of ignore has no list of points; write points:"),
            ("ignore: [{points: [[0, 0], [.nan, 1], [9, 9]]}]", "region 1 of ignore has no list of points"),
            ("ignore: [{}]", "region 1 of ignore has no list of points"),
            ("ignore: [{point: []}]", "region 1 of ignore has the unknown key 'point'; did you mean 'points'?"),
            (
                "points: [{px: [1, 2], m: [3, 4]}]",
                "this is a camera.yaml (points on the ground); give it as the camera",
            ),
            ("ignored: []", "the file has the unknown key 'ignored'; did you mean 'ignore'?"),
            ("ignore: {bench: {}}", "ignore is {'bench': {}}; write ignore: [{points: ...}]"),
            ("zones: [{}]", "zones is [{}]; write zones: {NAME: {points: ...}}"),
            (
                "lines: {gate: {points: [[0, 0], [0, 0]]}}",
                "lines.gate has the same point twice in a row; give",
            ),
            (
                "lines: {gate: {points: [[0, 0], [9, 9]], anchor: feet}}",
                "lines.gate has the anchor 'feet'; give one of: bottom, centre, center, top,",
            ),
            (
                "lines: {gate: {points: [[0, 0], [9, 9]], classes: person}}",
                "lines.gate has the classes 'person'; give names or numbers: classes: [person, car]",
            ),
            (
                "zones: {till: {points: [[0, 0], [9, 9], [9, 0]], dwell_s: -1}}",
                "zones.till has dwell_s -1; give seconds above 0",
            ),
            (
                "{lines: {a: {points: [[0, 0], [9, 9]]}}, zones: {a: {points: [[0, 0], [9, 9], [9, 0]]}}}",
                "lines and zones both have 'a'; give each a name of its own",
            ),
            ("units: metres", "units is 'metres'; give px or share"),
            ("- 5", "the file is [5]; give keys and values, of: units, lines, zones, ignore"),
            ("", "says nothing; write lines: {NAME: {points: [[X, Y], [X, Y]]}}, or draw them with: track zones"),
            ("ignore: [", "line 1 is not plain YAML"),
        ],
    )
    def test_that_is_wrong_is_refused_with_what_and_where(self, tmp_path, text, said):
        path = saved(tmp_path, text)
        with pytest.raises(ConfigError) as error:
            Zones.load(path)
        assert said in str(error.value)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    def test_that_is_not_there_is_named(self, tmp_path):
        with pytest.raises(ConfigError, match=r"nowhere\.yaml cannot be read"):
            Zones.load(tmp_path / "nowhere.yaml")

    def test_of_a_larger_picture_is_refused_with_both(self):
        zones = Zones.parsed({"ignore": [square(0, 0), square(600, 100)]}, "z")
        for use in (lambda: zones.fitted(FRAME), lambda: zones.keep(standing_at((1, 70)), FRAME)):
            with pytest.raises(
                ConfigError, match=r"region 2 of ignore has the point \[700, 100\], outside .* 640 x 480"
            ):
                use()
