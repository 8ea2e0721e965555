"""What is doubted in a made street whose mistakes are known, and that the edits proposed mend them."""

import json
import time

import cv2
import numpy as np
import pytest

from helpers.finished_runs import annotated, leave_run, walking
from tracker.jobs.corrections.corrected import corrected
from tracker.jobs.corrections.doubts import doubtful, doubts
from tracker.jobs.corrections.edits import Delete, Interpolate, Merge, Split, Swap
from tracker.jobs.corrections.second_opinion import matched

FPS = 25
SIZE = (1280, 720)
RANDOM = np.random.default_rng(1)


def ways(*more, shake=0.7):
    """Rows of people 30 x 60, who go a few pixels a frame and shake as a detector's boxes do."""
    rows = []
    for track, frames, start, step, *score in more:
        for f, i, *box in walking(track, frames, start, step, (30, 60)):
            rows.append((f, i, *(np.array(box) + RANDOM.normal(0, shake, 4)), 0, *(score or [0.8])))
    return rows


def calm():
    """Five who go their ways, two of whom cross, one behind the other; nobody is wrong."""
    return ways(
        (20, range(1, 101), (100, 100), (3, 0)),
        (21, range(1, 101), (700, 160), (-2, 0.5)),
        (22, range(1, 101), (200, 400), (4, 0)),  # meets ...
        (23, range(1, 101), (600, 410), (-4, 0)),  # ... this one at frame 50
        (24, range(10, 101), (1000, 600), (0, -2)),
    )


def street(*more):
    return annotated([*calm(), *more], 100, fps=FPS, size=SIZE)


def told(video, least=0.3, **more):
    found = doubtful(video, np.arange(1, video.frame_count + 1), **more)
    return [one for one in found if one.doubt > least]


def test_nothing_is_doubted_where_nothing_is_wrong():
    assert told(street()) == []


def test_a_track_that_goes_on_as_another_is_one_with_it():
    video = street(*ways((1, range(5, 41), (100, 250), (4, 0)), (2, range(48, 101), (100 + 4 * 43, 250), (4, 0))))
    (one,) = told(video)
    assert (one.kind, one.ids, one.frame, one.edits) == ("one", (1, 2), 48, (Merge(2, 1),))
    assert "begins 0.32 s after track 1 ended" in one.words
    said = json.loads(json.dumps(one.to_dict()))
    assert (
        said["edits"] == [{"edit": "merge", "id": 2, "into": 1}] and said["ids"] == [1, 2] and 0 <= said["doubt"] <= 1
    )
    assert told(corrected(video, one.edits)) == []


def test_two_that_changed_objects_where_they_met_are_swapped():
    one, two = ways((1, range(1, 101), (200, 250), (4, 0))), ways((2, range(1, 101), (600, 258), (-4, 0)))
    wrong = [(f, 3 - track if f > 50 else track, *rest) for f, track, *rest in [*one, *two]]
    found = told(street(*wrong))
    (swap,) = [one for one in found if one.kind == "swap"]
    assert swap.ids == (1, 2) and abs(swap.frame - 51) <= 8 and swap.doubt > 0.9
    (edit,) = swap.edits
    assert isinstance(edit, Swap)
    assert [one for one in told(corrected(street(*wrong), [Swap((1, 2), 51)])) if one.kind == "swap"] == []


def test_two_who_walk_together_all_the_time_are_swapped_where_they_changed():
    """They overlap from the first frame to the last: there is no before and after, only a frame in which both jump."""
    one, two = ways((1, range(1, 101), (200, 250), (4, 0))), ways((2, range(1, 101), (218, 258), (4, 0)))
    wrong = [(f, 3 - track if f > 50 else track, *rest) for f, track, *rest in [*one, *two]]
    assert [one for one in told(street(*one, *two)) if one.kind == "swap"] == []
    (swap,) = [one for one in told(street(*wrong)) if one.kind == "swap"]
    assert (swap.ids, swap.frame, swap.edits) == ((1, 2), 51, (Swap((1, 2), 51),))


def test_a_track_that_goes_over_to_another_object_jumps():
    """It follows one who stops to be seen, and from then on one who goes back."""
    video = street(*ways((1, range(1, 51), (200, 250), (4, 0)), (1, range(51, 101), (398, 256), (-4, 1))))
    (jump,) = told(video)
    assert (jump.kind, jump.ids) == ("jump", (1,)) and abs(jump.frame - 51) <= 2
    assert isinstance(jump.edits[0], Split)


def test_one_that_comes_back_elsewhere_is_doubted_and_one_where_it_was_expected_is_not():
    back = ways((1, range(1, 41), (100, 250), (4, 0)), (1, range(66, 101), (100 + 4 * 65, 250), (4, 0)))
    elsewhere = ways((2, range(1, 41), (100, 500), (4, 0)), (2, range(66, 101), (700, 650), (-4, 0)))
    (gap,) = told(street(*back, *elsewhere))
    assert (gap.kind, gap.ids, gap.frame) == ("gap", (2,), 66)


def test_a_short_hole_can_be_filled():
    video = street(*ways((1, range(1, 41), (100, 250), (4, 0)), (1, range(51, 101), (300, 250), (4, 0))))
    (gap,) = told(video, 0.29)
    assert (gap.kind, gap.edits) == ("gap", (Interpolate(1, 40, 51),))
    assert (corrected(video, gap.edits).ids == 1).sum() == 100


def test_what_is_hardly_there_is_a_false_alarm():
    (short,) = told(street(*ways((1, range(30, 34), (900, 250), (0, 0), 0.2))))
    assert (short.kind, short.ids, short.edits) == ("short", (1,), (Delete(1),))


def test_two_at_one_place_are_doubles():
    video = street(*ways((1, range(1, 101), (100, 250), (4, 0)), (2, range(30, 90), (100 + 4 * 29, 252), (4, 0))))
    (double,) = told(video)
    assert (double.kind, double.ids, double.edits) == ("double", (1, 2), (Merge(2, 1),))


def test_one_that_goes_on_at_once_and_looks_otherwise_is_doubted_too():
    """Who went by 1 at the end was 2 all the time: by motion they are one, by their looks not."""
    one, two = np.eye(2, 512, dtype=np.float32)
    video = street(*ways((1, range(5, 41), (100, 250), (4, 0)), (2, range(42, 101), (100 + 4 * 37, 250), (4, 0))))
    (odd,) = told(video, looks={1: one, 2: two})
    assert odd.ids == (1, 2) and "looks otherwise" in odd.words
    (same,) = told(video, looks={1: one, 2: one})
    assert same.doubt > odd.doubt and "looks otherwise" not in same.words


class TestASecondPass:
    @pytest.fixture
    def run(self, tmp_path):
        return leave_run(tmp_path / "run", street())

    def other(self, tmp_path, change):
        rows = street()
        ids = rows.ids.copy()
        change(ids, rows.frames)
        table = [(f, i, *box) for f, i, box in zip(rows.frames, ids, rows.xyxy.tolist(), strict=True)]
        return leave_run(tmp_path / "other", annotated(table, 100, fps=FPS, size=SIZE))

    def test_that_says_the_same_under_other_ids_is_no_doubt(self, run, tmp_path):
        def change(ids, frames):
            ids += 7

        assert [one for one in doubts(run, self.other(tmp_path, change)) if one.kind == "pass"] == []

    def test_that_has_two_the_other_way_round_is_a_swap(self, run, tmp_path):
        def change(ids, frames):
            later = frames >= 60
            one, two = later & (ids == 22), later & (ids == 23)
            ids[one], ids[two] = 23, 22

        found = [one for one in doubts(run, self.other(tmp_path, change)) if one.kind == "pass"]
        assert [(one.ids, one.frame, one.edits) for one in found] == [((22, 23), 60, (Swap((22, 23), 60),))]

    def test_that_splits_or_joins_a_track_is_told(self, run, tmp_path):
        def change(ids, frames):
            ids[(frames >= 60) & (ids == 20)] = 99

        other = self.other(tmp_path, change)
        (split,) = [one for one in doubts(run, other) if one.kind == "pass"]
        assert (split.ids, split.frame) == ((20,), 60)
        (joined,) = [one for one in doubts(other, run) if one.kind == "pass"]
        assert (joined.ids, joined.edits) == ((20, 99), (Merge(99, 20),))

    def test_boxes_are_of_one_object_where_each_is_the_others_best(self):
        ours = annotated([(1, 1, 0, 0, 10, 20), (1, 2, 100, 0, 110, 20), (2, 1, 0, 0, 10, 20)])
        theirs = annotated([(1, 8, 1, 0, 11, 20), (1, 9, 3, 0, 13, 20), (3, 8, 0, 0, 10, 20)])
        assert matched(ours, theirs).tolist() == [8, 0, 0]


def test_pictures_of_a_run_say_who_looks_alike(tmp_path):
    """A man in red and a man in blue: the crops that --save-crops leaves."""
    from tracker.jobs.corrections.looks import of_crops
    from tracker.output.crops import CropWriter
    from tracker.structures import Tracks
    from tracker.video.source import Frame

    image = np.full((240, 320, 3), 128, np.uint8)
    image[50:150, 20:60], image[50:150, 200:240] = (0, 0, 220), (220, 0, 0)
    ids = np.array([1, 2])
    boxes = np.array([[20, 50, 60, 150], [200, 50, 240, 150]], np.float32)
    ones = np.ones(2, np.int64)
    CropWriter(tmp_path / "crops").write(
        Frame(image, 1, 0.0), Tracks(ids, boxes, ones * 0.9, ones, ones, ones, ids - 1, 0.0, 0.1)
    )
    cv2.imwrite(str(tmp_path / "crops" / "3.jpg"), image)  # a picture of the user's
    found = of_crops(tmp_path, np.array([1, 2, 3, 4]))
    assert set(found) == {1, 2} and found[1].shape == (512,)
    assert found[1] @ found[2] < 0.95 and np.linalg.norm(found[1]) == pytest.approx(1, abs=1e-3)


def test_a_long_run_is_looked_through_in_seconds():
    starts = [(20 + n % 50 * 25, 90 + n // 50 * 80) for n in range(100)]
    rows = [
        row for n, start in enumerate(starts) for row in walking(n + 1, range(1 + 2 * n, 101 + 2 * n), start, (1, 0.5))
    ]
    video = annotated(rows, fps=FPS, size=SIZE)
    began = time.process_time()
    doubtful(video, np.arange(1, video.frame_count + 1))
    assert len(video) == 10_000 and time.process_time() - began < 15
