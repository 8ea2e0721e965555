"""Drawing: stable, distinguishable colours, in place, only where something is, and never outside the frame."""

import runpy
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.output.draw import PALETTE, Annotator, Colours, colour
from tracker.output.plates import INK, label
from tracker.structures import Detections, Status, Tracks

GREY = 110
SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "make_palette.py"))
linear, oklab, distances = SCRIPT["linear"], SCRIPT["oklab"], SCRIPT["distances"]
RGB = np.array(PALETTE, float)[:, ::-1]


def tracks(ids, boxes, status=Status.CONFIRMED, time_s=0.0, velocity=(0.0, 0.0)) -> Tracks:
    n = len(ids)
    xyxy = np.asarray(boxes, np.float32).reshape(n, 4)

    def forecaster(seconds):
        moved = xyxy[:, None] + seconds[None, :, None] * np.tile(velocity, 2)
        return moved.astype(np.float32), np.full((n, len(seconds), 4), 3, np.float32)

    return Tracks(
        np.asarray(ids, np.int64),
        xyxy,
        np.full(n, 0.9, np.float32),
        np.zeros(n, np.int64),
        np.zeros(n, np.int64),
        np.full(n, status, np.int64),
        np.arange(n),
        time_s,
        1 / 30,
        {0: "person"},
        forecaster=forecaster,
    )


@pytest.fixture
def canvas():
    return np.full((360, 480, 3), GREY, np.uint8)


def touched(image):
    return (image != GREY).any(axis=2)


def luminance(rgb):
    return linear(rgb) @ [0.2126, 0.7152, 0.0722]


class TestColours:
    """Distances are of OKLab (Ottosson, 2020), where 0.02 is just noticeable."""

    def test_a_track_keeps_its_colour(self):
        assert colour(3) == colour(3) == colour(3 + len(PALETTE))
        assert len({colour(i) for i in range(1, len(PALETTE) + 1)}) == len(PALETTE) >= 20

    def test_no_two_that_are_there_have_the_same_and_each_keeps_its_own(self):
        """14 is there when 38 comes, whose colour by its id is the same."""
        colours, count = Colours(), len(PALETTE)
        colours.see([14])
        colours.see([14, 14 + count, 15])
        own = [colours(track) for track in (14, 14 + count, 15)]
        assert len(set(own)) == 3 and own[0] == colour(14) and own[2] == colour(15)
        colours.see([15])
        colours.see([14 + count])
        assert [colours(track) for track in (14, 14 + count, 15)] == own, "also when they come back, or are alone"

    def test_what_is_remembered_is_bounded(self):
        colours = Colours()
        for track in range(1, 5000, 2):
            colours.see([1, track, track + 1])
        assert len(colours._of) <= 2003 and colours(1) == colour(1)

    @pytest.mark.parametrize(("ids_on", "least"), [(1, 0.17), (2, 0.15), (3, 0.12), (4, 0.12), (11, 0.08)])
    def test_ids_near_to_one_another_have_colours_far_apart(self, ids_on, least):
        """Those that are there at the same time often are: no two of 24 ids in a row look alike."""
        assert np.diagonal(np.roll(distances(RGB), -ids_on, axis=1)).min() > least

    def test_text_is_readable_on_each(self):
        ink = luminance(np.array(INK, float)[::-1])
        assert ((luminance(RGB) + 0.05) / (ink + 0.05) > 4.5).all(), "WCAG's contrast for text"

    @pytest.mark.parametrize("sees", ["PROTANOPIA", "DEUTERANOPIA"])
    def test_no_two_look_the_same_to_the_colour_blind(self, sees):
        seen = oklab(linear(RGB) @ np.transpose(SCRIPT[sees]))
        apart = np.linalg.norm(seen[:, None] - seen, axis=-1)
        assert apart[np.triu_indices(len(seen), 1)].min() > 0.04

    def test_they_are_what_the_script_makes(self):
        assert np.array_equal(SCRIPT["palette"](), RGB)


class TestStyle:
    BOXES = ((100, 100, 160, 220), (200, 150, 290, 300))

    def drawn(self, canvas, **options):
        image = canvas.copy()
        annotator = Annotator(**options)
        for step in range(10):
            image[:] = GREY
            annotator.draw(image, tracks([1, 2], np.add(self.BOXES, 4 * step), time_s=step / 30))
        return touched(image)

    @pytest.mark.parametrize("width", [1, 2, 3, 4, 7])
    def test_lines_are_as_wide_as_asked_with_a_dark_edge(self, canvas, width):
        plain = np.zeros_like(canvas)
        cv2.rectangle(plain, (100, 100), (160, 220), colour(1), width)
        image = canvas.copy()
        Annotator(labels=False, line_width=width).draw(image, tracks([1], [[100, 100, 160, 220]]))
        across, asked = image[160, :130], plain[160, :130].any(axis=1)
        assert (across[asked] == colour(1)).all()
        assert (across[np.flatnonzero(asked)[0] - 1] == INK).all()

    def test_trails_are_as_wide_in_proportion(self, canvas):
        thin, thick = (self.drawn(canvas, labels=False, line_width=width) for width in (2, 6))
        assert thick[:, :135].sum() > 2 * thin[:, :135].sum(), "behind the first box are nothing but trails"

    def test_without_labels_there_are_boxes_and_trails_only(self, canvas):
        full, bare = self.drawn(canvas), self.drawn(canvas, labels=False)
        assert (bare <= full).all()
        assert full[122:133, 140:190].all() and not bare[122:132, 140:190].any(), "the plate above the first box"

    def test_without_trails_there_is_nothing_behind(self, canvas):
        behind = np.s_[215:235, 122:132]  # the first box's foot was there
        assert self.drawn(canvas)[behind].any() and not self.drawn(canvas, trail_s=0)[behind].any()


def test_in_a_crowd_labels_are_short_and_each_can_be_read(canvas):
    """Three rows of ten people, a third of a label apart: each id's plate is there as a whole."""
    boxes = [[60 + 30 * x, 100 + 50 * y, 84 + 30 * x, 170 + 50 * y] for y in range(3) for x in range(10)]
    Annotator().draw(canvas, tracks(range(1, 31), boxes))
    for track in range(1, 31):
        found = [
            cv2.matchTemplate(canvas, label(text, colour(track), 11), cv2.TM_SQDIFF).min()
            for text in (str(track), f"{track} person 0.90")
        ]
        assert min(found) < 1000, track  # it computes with rounded numbers


def test_a_box_is_drawn_in_place_in_its_colour_with_a_label(canvas):
    image = canvas
    Annotator().draw(image, tracks([5], [[100, 100, 160, 220]]))
    assert (image[100, 130] == colour(5)).all()
    assert (image[220, 130] == colour(5)).all()
    assert (image[160, 130] == GREY).all(), "the object itself stays visible"
    label = image[86:97, 100:160]
    assert (label[0] == colour(5)).all(), "the label's plate, above the box"
    assert (label.sum(axis=2) < sum(colour(5)) / 2).sum() > 20, "its text"
    assert not touched(image)[:, 300:].any()


def test_tentative_tracks_are_not_drawn_and_empty_frames_are_fine(canvas):
    Annotator().draw(canvas, tracks([5], [[100, 100, 160, 220]], Status.TENTATIVE))
    Annotator(forecast_s=1).draw(canvas, tracks([], []))
    assert not touched(canvas).any()


def test_a_predicted_box_is_dashed(canvas):
    full, dashed = canvas.copy(), canvas.copy()
    Annotator().draw(full, tracks([5], [[100, 100, 300, 300]]))
    Annotator().draw(dashed, tracks([5], [[100, 100, 300, 300]], Status.PREDICTED))
    side = slice(110, 290)
    assert (full[side, 300] == colour(5)).all()
    share = (dashed[side, 300] == colour(5)).all(axis=1).mean()
    assert 0.3 < share < 0.7


@pytest.mark.parametrize(
    "box",
    [[-50, -50, 30, 30], [450, 330, 900, 900], [-500, -500, -400, -400], [5000, 10, 6000, 40], [0, 0, 480, 360]],
    ids=["upper left", "lower right", "outside", "far right", "whole frame"],
)
def test_boxes_over_the_edge_of_the_frame(canvas, box):
    annotator = Annotator(forecast_s=1)
    for step in range(4):
        annotator.draw(canvas, tracks([1], [np.add(box, step)], time_s=step / 30, velocity=(60, 0)))


def test_a_tiny_frame_holds_no_label_but_no_error(canvas):
    image = canvas[:9, :7].copy()
    Annotator(forecast_s=1).draw(image, tracks([123456], [[1, 1, 6, 8]]))


class TestTrails:
    def walk(self, canvas, seconds, gone_s=0.0):
        annotator = Annotator(trail_s=1.0)
        steps = round(seconds * 30)
        for step in range(steps):
            image = canvas.copy()
            left = 20 + 4 * step
            annotator.draw(image, tracks([1], [[left, 50, left + 20, 100]], time_s=step / 30))
        for step in range(steps, steps + round(gone_s * 30)):
            image = canvas.copy()
            annotator.draw(image, tracks([], [], time_s=step / 30))
        return image, annotator

    def test_the_way_of_the_foot_fades(self, canvas):
        image, _ = self.walk(canvas, 1.0)
        row = np.abs(image[100, :130].astype(int) - colour(1)).sum(axis=1)
        assert row[125] < row[80] < row[45], "nearer the object, nearer its colour"

    def test_it_goes_with_the_track(self, canvas):
        fading, _ = self.walk(canvas, 1.0, gone_s=0.5)
        assert touched(fading).any()
        gone, annotator = self.walk(canvas, 1.0, gone_s=1.2)
        assert not touched(gone).any()
        assert not annotator._trails

    def test_memory_is_bounded_at_any_frame_rate(self, canvas):
        annotator = Annotator(trail_s=10.0)
        for step in range(2000):
            annotator.draw(canvas, tracks([1], [[10, 10, 30, 60]], time_s=step / 1000))
        assert len(annotator._trails[1]) <= 64


def test_the_forecast_leads_where_the_object_goes(canvas):
    Annotator(forecast_s=1.0).draw(canvas, tracks([1], [[100, 100, 140, 200]], velocity=(150, 0)))
    seen = touched(canvas)[196:206]
    assert seen[:, 145:276].any(axis=0).all(), "a path from the foot at 120 to 270, then 2.146 * 3 px that hold 90 %"
    assert not seen[:, 280:].any()
    assert not seen[:, :95].any()


def carrying(boxes, **columns):
    """Tracks of which each has what its detection carried."""
    found = Detections(boxes, **columns)
    return replace(tracks(range(1, len(boxes) + 1), boxes), detected=found.columns)


class TestWhatDetectionsCarry:
    def test_a_mask_tints_its_pixels_and_no_other_in_its_box(self, canvas):
        mask = np.zeros((2, 360, 480), bool)
        mask[0, 150:200, 120:140] = True
        drawn = carrying([[100, 100, 200, 300], [300, 100, 400, 300]], masks=mask)
        Annotator(trail_s=0, labels=False).draw(canvas, drawn)
        inside = touched(canvas)[110:290, 110:190]
        np.testing.assert_array_equal(inside, mask[0, 110:290, 110:190])
        assert not touched(canvas)[110:290, 310:390].any()

    def test_a_mask_at_the_frames_edge_and_of_a_larger_frame_stays_in_the_picture(self, canvas):
        mask = np.ones((1, 400, 500), bool)
        Annotator(trail_s=0, labels=False).draw(canvas, carrying([[10, 10, 470, 350]], masks=mask))
        assert touched(canvas).all()

    def test_a_predicted_track_has_none(self, canvas):
        drawn = carrying([[100, 100, 200, 300]], masks=np.ones((1, 360, 480), bool), keypoints=np.ones((1, 17, 3)))
        drawn = replace(drawn, detection_index=np.array([-1]), status=np.array([Status.PREDICTED]))
        Annotator(trail_s=0, labels=False).draw(canvas, drawn)
        assert not touched(canvas)[110:290, 110:190].any() and not touched(canvas)[:50].any()

    def test_keypoints_are_joined_where_both_ends_are_sure(self, canvas):
        points = np.full((1, 17, 3), np.nan, np.float32)
        points[0, 5], points[0, 7], points[0, 9] = (120, 120, 0.9), (120, 200, 0.9), (120, 280, 0.2)
        Annotator(trail_s=0, labels=False).draw(canvas, carrying([[100, 100, 200, 300]], keypoints=points))
        seen = touched(canvas)[:, 115:126].any(axis=1)
        assert seen[119:201].all() and not seen[215:290].any()

    def test_of_other_keypoints_only_the_points(self, canvas):
        points = np.array([[[120, 120, 1], [180, 280, 1]]], np.float32)
        Annotator(trail_s=0, labels=False).draw(canvas, carrying([[100, 100, 200, 300]], keypoints=points))
        inside = touched(canvas)[110:290, 110:190]
        assert inside[10, 10] and inside[170, 70] and not inside[30:150].any()

    def test_an_oriented_box_is_drawn_in_the_place_of_the_upright_one(self, canvas):
        corners = np.array([[[150, 100], [200, 200], [150, 300], [100, 200]]], np.float32)
        Annotator(trail_s=0, labels=False).draw(canvas, carrying([[100, 100, 200, 300]], corners=corners))
        assert touched(canvas)[150, 125] and touched(canvas)[200, 199] and not touched(canvas)[105, 105:140].any()
