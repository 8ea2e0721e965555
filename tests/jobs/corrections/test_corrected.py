"""What each edit does to rows, and the laws that they keep."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from helpers.finished_runs import annotated, walking
from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.errors import DataError
from tracker.jobs.corrections.corrected import Correction, corrected
from tracker.jobs.corrections.edits import (
    Delete,
    Interpolate,
    Merge,
    PlaceBox,
    Reclassify,
    Rename,
    Split,
    Swap,
)

FRAMES = 8


@st.composite
def videos(draw, tracks=4):
    """Each of the first ids in some frames, detected in some of these; no two boxes are the same."""
    rows = []
    for track in range(1, tracks + 1):
        there, predicted = draw(st.integers(1, 2**FRAMES - 1)), draw(st.integers(0, 2**FRAMES - 1))
        for frame in (f for f in range(1, FRAMES + 1) if there >> f - 1 & 1):
            x, y = 25 * frame + 7 * track, 20 * frame * track % 190
            rows.append((frame, track, x, y, x + 20, y + 40, track % 2 * 2, 0.5, predicted >> frame - 1 & 1))
    return annotated(rows, FRAMES)


@st.composite
def turns(draw):
    """Three tracks that share no frame: each frame is of one of them, or of none."""
    owners = [1, 2, 3, *draw(st.lists(st.integers(0, 3), min_size=FRAMES - 3, max_size=FRAMES - 3))]
    order = draw(st.permutations(owners))
    rows = [(n, i, 10 * n, 5 * i, 10 * n + 20, 5 * i + 40, i % 2 * 2) for n, i in enumerate(order, 1) if i]
    return annotated(rows, FRAMES)


def same(one, two):
    one, two = one.by_frame, two.by_frame
    names = ("frames", "ids", "xyxy", "classes", "scores", "occluded", "keyframes")
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in names)


frames_of = st.integers(1, FRAMES)


class TestLaws:
    @given(videos())
    def test_no_edit_changes_nothing(self, video):
        assert same(corrected(video, []), video)

    @given(videos(), frames_of)
    def test_two_swaps_change_nothing(self, video, frame):
        later = video.frames >= frame
        assume((later & (video.ids <= 2)).any())
        assume(
            all((~later & (video.ids == track)).any() for track in (1, 2))
        )  # both are there after the first one, too
        assert same(corrected(video, [Swap((1, 2), frame), Swap((1, 2), frame)]), video)

    @given(videos(), frames_of)
    def test_a_swap_is_one_whichever_comes_first(self, video, frame):
        assume((video.frames[video.ids <= 2] >= frame).any())
        assert same(corrected(video, [Swap((1, 2), frame)]), corrected(video, [Swap((2, 1), frame)]))

    @given(videos(), frames_of)
    def test_a_split_and_a_merge_change_nothing(self, video, frame):
        own = video.frames[video.ids == 1]
        assume(own.min() < frame <= own.max())
        assert same(corrected(video, [Split(1, frame, 9), Merge(9, 1)]), video)

    @given(turns())
    def test_a_merge_is_the_same_either_way_but_for_the_id(self, video):
        there, back = corrected(video, [Merge(1, 2)]), corrected(video, [Merge(2, 1)])
        assert same(there, replace(back, ids=np.where(back.ids == 1, 2, back.ids)))

    @given(turns())
    def test_merges_into_one_are_the_same_in_any_order(self, video):
        assert same(corrected(video, [Merge(1, 3), Merge(2, 3)]), corrected(video, [Merge(2, 3), Merge(1, 3)]))

    @given(videos())
    def test_an_object_is_in_one_place_at_a_time_and_none_appears_from_nowhere(self, video):
        merged = corrected(video, [Merge(1, 2), Merge(3, 2)])
        pairs = list(zip(merged.frames.tolist(), merged.ids.tolist(), strict=True))
        assert len(pairs) == len(set(pairs))
        assert set(merged.frames[merged.ids == 2].tolist()) == set(video.frames[video.ids <= 3].tolist())

    @given(videos(), frames_of, frames_of)
    def test_deleting_in_two_parts_is_deleting_all(self, video, middle, _):
        own = video.frames[video.ids == 1]
        assume(own.min() <= middle < own.max())
        parts = [Delete(1, last=middle), Delete(1, first=middle + 1)]
        assert same(corrected(video, parts), corrected(video, [Delete(1)]))
        assert same(corrected(video, parts), video[video.ids != 1])

    @given(videos())
    def test_interpolating_twice_is_interpolating_once(self, video):
        own = video.frames[video.ids == 1]
        assume(own.max() - own.min() > 1)
        once = Interpolate(1, int(own.min()), int(own.max()))
        assert same(corrected(video, [once]), corrected(video, [once, once]))

    @given(videos(), st.sampled_from([1, 2]), frames_of)
    def test_a_box_that_was_placed_is_the_only_one_that_moved(self, video, track, frame):
        moved = corrected(video, [PlaceBox(track, frame, (1, 2, 3, 4))])
        here = (moved.ids == track) & (moved.frames == frame)
        assert moved.xyxy[here].tolist() == [[1, 2, 3, 4]] and moved.keyframes[here].all()
        assert same(moved[~here], video[~((video.ids == track) & (video.frames == frame))])


class TestEdits:
    def test_merge_keeps_the_rows_of_the_one_it_goes_into(self):
        video = annotated([*walking(1, [1, 2, 3], (50, 100), (1, 0)), *walking(2, [3, 4], (200, 100), (1, 0))])
        found = corrected(video, [Merge(2, 1)])
        assert found.frames.tolist() == [1, 2, 3, 4] and set(found.ids.tolist()) == {1}
        assert found.xyxy[:, 0].tolist() == [40, 41, 42, 191]

    def test_a_new_class_has_a_new_number_and_a_known_one_its_own(self):
        video = annotated(walking(1, [1, 2], (50, 100), (1, 0)) + walking(2, [1, 2], (90, 100), (1, 0)))
        found = corrected(video, [Reclassify(1, "car"), Reclassify(2, "fish")])
        assert [found.names[number] for number in found.classes.tolist()] == ["car", "fish", "car", "fish"]
        assert set(found.classes.tolist()) == {2, 3}

    def test_names_go_with_their_objects(self):
        video = annotated([row for track in (1, 2, 3) for row in walking(track, [1, 2], (50 * track, 100), (1, 0))])
        correction = Correction(video)
        for edit in (Rename(1, "Anna"), Rename(2, "Bert"), Merge(1, 3), Split(3, 2, 9), Delete(2)):
            correction.apply(edit)
        assert correction.object_names == {3: "Anna"}

    def test_a_line_goes_by_the_boxes_that_were_placed_and_by_time(self):
        video = annotated([(1, 1, 0, 0, 10, 10), (5, 1, 40, 0, 50, 10), (3, 1, 99, 99, 109, 109)], 5)
        video = replace(video, times_s=np.array([0, 1, 2, 3, 6.0]))
        straight = corrected(video, [Interpolate(1, 1, 5)])
        np.testing.assert_allclose(straight.xyxy[:, 0], [0, 40 / 6, 80 / 6, 20, 40])
        assert straight.occluded.tolist() == [False, True, True, True, False]
        by = corrected(video, [PlaceBox(1, 3, (8, 0, 18, 10)), Interpolate(1, 1, 5)])
        np.testing.assert_allclose(by.xyxy[:, 0], [0, 4, 8, 16, 40])
        assert by.keyframes.tolist() == [True, False, True, False, True]

    def test_only_frames_that_were_tracked_get_rows(self):
        video = annotated([(1, 1, 0, 0, 10, 10), (5, 1, 40, 0, 50, 10)], 6)
        found = corrected(video, [Interpolate(1, 1, 5)], np.array([1, 3, 5]))
        assert found.frames.tolist() == [1, 3, 5]
        with pytest.raises(DataError, match="frame 2 was left out"):
            corrected(video, [PlaceBox(1, 2, (0, 0, 9, 9))], np.array([1, 3, 5]))

    def test_what_a_row_carries_goes_with_it_and_not_with_one_that_was_moved(self):
        video = annotated(walking(1, [1, 2], (50, 100), (1, 0)) + walking(2, [1, 2], (90, 100), (1, 0)))
        covered = np.zeros((4, 240, 320), bool)
        covered[np.arange(4), 100, np.arange(4)] = True
        video = replace(video, columns=Columns(Masks.of(covered), np.arange(24.0).reshape(4, 2, 3).astype(np.float32)))
        found = corrected(video, [Swap((1, 2), 2)])
        assert found.columns.masks.dense()[:, 100].argmax(axis=1).tolist() == [0, 1, 3, 2]
        found = corrected(video, [PlaceBox(1, 1, (1, 1, 9, 9))])
        assert found.columns.masks.known.tolist() == [False, True, True, True]
        assert np.isnan(found.columns.keypoints[0]).all() and found.columns.keypoints[3, 0, 0] == 18


VIDEO = annotated([*walking(1, [1, 2, 3], (50, 100), (1, 0)), *walking(2, [3, 4], (200, 100), (1, 0))], 6)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Merge(9, 1), "there is no track 9 by then"),
        (Merge(1, 9), "there is no track 9 by then"),
        (Split(1, 2, 2), "there is a track 2 already"),
        (Split(1, 1, 9), "no box before frame 1"),
        (Split(1, 4, 9), "no box from frame 4 on"),
        (Swap((1, 9), 2), "there is no track 9"),
        (Swap((1, 2), 5), "neither track 1 nor track 2"),
        (Delete(1, 5, 6), "no box from frame 5 to 6"),
        (Rename(9, "A"), "there is no track 9"),
        (Reclassify(9, "car"), "there is no track 9"),
        (PlaceBox(1, 7, (0, 0, 9, 9)), "no frame 7, the last one is 6"),
        (PlaceBox(9, 1, (0, 0, 9, 9)), "a new one needs a class"),
        (PlaceBox(1, 1, (0, 0, 9, 9), "car"), "is there already"),
        (PlaceBox(1, 1, (320, 0, 400, 9)), "outside of the frame of 320 x 240"),
        (Interpolate(1, 1, 6), "no box in frame 6"),
        (Interpolate(1, 1, 2), "no frame without a placed box"),
    ],
)
def test_an_edit_of_what_is_not_there_is_refused_by_its_number(edit, says):
    correction = Correction(VIDEO)
    correction.apply(Rename(1, "A"))
    with pytest.raises(DataError, match=says) as refused:
        correction.apply(edit)
    assert str(refused.value).startswith(f"edit 2 of edits.json ({edit.kind}): ")
    assert same(correction.annotations, VIDEO) and correction.object_names == {1: "A"}
