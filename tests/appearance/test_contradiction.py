"""A track whose embeddings contradict what it remembers, look after look, is of another object."""

import numpy as np
import pytest

from tracker import Detections, Tracker
from tracker.appearance.contradiction import contrary_since, picture_changed, recognisable, well_known
from tracker.structures import FEATURE_SIZE

SIZE = (640.0, 480.0)
PICTURE = np.zeros((480, 640, 3), np.uint8)
MIDDLE, AT_THE_EDGE = (300.0, 200, 340, 320), (300.0, 400, 340, 480)
ONE, OTHER = np.eye(2, FEATURE_SIZE, dtype=np.float32)


def seen(box, look):
    return Detections([box], scores=[0.9], features=[look])


def ids(tracker, box, look, frames):
    """The ids that a box with this look has in so many frames."""
    return [tracker.update(PICTURE, seen(box, look)).ids.tolist() for _ in range(frames)]


def in_a_row(tracker, looks, frames):
    """The ids, from left to right, of boxes with these looks in so many frames."""
    left = 60.0 + 120 * np.arange(len(looks))
    boxes = np.stack([left, np.full(len(looks), 200), left + 40, np.full(len(looks), 320)], axis=1)
    given = []
    for _ in range(frames):
        tracks = tracker.update(PICTURE, Detections(boxes, scores=np.full(len(looks), 0.9), features=looks))
        given.append(tracks.ids[np.argsort(tracks.xyxy[:, 0])].tolist())
    return given


class TestStory:
    def test_a_box_that_slides_onto_another_object_gets_an_id_of_its_own_within_half_a_second(self):
        tracker = Tracker()
        ids(tracker, MIDDLE, ONE, 50)
        after = ids(tracker, MIDDLE, OTHER, 15)
        assert after[0] == [1] and after[-1] == [2]

    def test_who_looks_different_for_a_moment_keeps_the_id(self):
        tracker = Tracker()
        ids(tracker, MIDDLE, ONE, 50)
        ids(tracker, MIDDLE, OTHER, 5)
        assert ids(tracker, MIDDLE, ONE, 20)[-1] == [1]
        assert tracker._bank.embeddings(tracker._bank.live, 1.0)[0][0] @ ONE > 0.99

    def test_who_is_cut_off_by_the_border_keeps_the_id(self):
        tracker = Tracker()
        ids(tracker, AT_THE_EDGE, ONE, 50)
        assert ids(tracker, AT_THE_EDGE, OTHER, 20)[-1] == [1]

    def test_who_was_hardly_seen_cannot_be_contradicted(self):
        tracker = Tracker()
        ids(tracker, MIDDLE, ONE, 10)
        assert ids(tracker, MIDDLE, OTHER, 20)[-1] == [1]

    def test_two_that_swap_objects_get_their_ids_back(self):
        tracker = Tracker()
        left, right = (100.0, 200, 140, 320), (400.0, 200, 440, 320)

        def both(first, second):
            found = Detections([left, right], scores=[0.9, 0.9], features=[first, second])
            tracks = tracker.update(PICTURE, found)
            return tracks.ids[np.argsort(tracks.xyxy[:, 0])].tolist()

        for _ in range(50):
            before = both(ONE, OTHER)
        for _ in range(60):
            after = both(OTHER, ONE)
        assert after == before[::-1]

    def test_where_the_light_changes_all_keep_their_ids(self):
        tracker, before, after = Tracker(), np.eye(8, FEATURE_SIZE)[:4], np.eye(8, FEATURE_SIZE)[4:]
        in_a_row(tracker, before, 50)
        assert in_a_row(tracker, after, 60)[-1] == [1, 2, 3, 4]

    def test_of_many_the_one_that_is_another_object_gets_an_id_of_its_own(self):
        tracker, before, other = Tracker(), np.eye(8, FEATURE_SIZE)[:4], np.eye(8, FEATURE_SIZE)[[4, 1, 2, 3]]
        in_a_row(tracker, before, 50)
        assert in_a_row(tracker, other, 20)[-1] == [5, 2, 3, 4]

    def test_after_a_change_of_light_another_object_is_noticed_as_before(self):
        tracker, looks = Tracker(), np.eye(9, FEATURE_SIZE)
        in_a_row(tracker, looks[:4], 50)
        in_a_row(tracker, looks[4:8], 60)
        assert in_a_row(tracker, looks[[4, 5, 6, 8]], 20)[-1] == [1, 2, 3, 5]

    def test_it_goes_on_from_a_file(self, tmp_path):
        tracker = Tracker()
        ids(tracker, MIDDLE, ONE, 50)
        ids(tracker, MIDDLE, OTHER, 5)
        tracker.save(tmp_path / "state")
        loaded = Tracker.load(tmp_path / "state")
        assert ids(loaded, MIDDLE, OTHER, 10) == ids(tracker, MIDDLE, OTHER, 10)


@pytest.mark.parametrize(
    ("odds", "since", "box", "now", "other"),
    [
        (-3.0, np.inf, MIDDLE, 5.0, False),  # it begins
        (-3.0, 4.9, MIDDLE, 4.9, False),  # it goes on,
        (-3.0, 4.6, MIDDLE, 4.6, True),  # for long enough
        (-3.0, np.inf, AT_THE_EDGE, np.inf, False),  # not at the border
        (-3.0, 4.6, AT_THE_EDGE, 4.6, False),  # where nothing is decided, either
        (1.0, 4.6, MIDDLE, np.inf, False),  # the same as before, after all
        (np.nan, 4.6, MIDDLE, 4.6, False),  # not embedded
    ],
)
def test_since_when(odds, since, box, now, other):
    since_s, decided = contrary_since(np.array([odds]), np.array([since]), seen(box, ONE), np.array([0]), SIZE, 5.0)
    assert since_s.tolist() == [now] and decided.tolist() == [other]


@pytest.mark.parametrize(
    ("since", "agreed", "changed"),
    [
        ([4.0, 4.2, 4.1], [3, 3, 3], True),  # all that were looked at,
        ([4.0, 4.2, 4.1, np.inf, np.inf, np.inf, np.inf], [3, 3, 3, 3.9, 3.9, 3.9, 4.1], True),  # or most
        ([4.0, 4.2, 4.1, np.inf, np.inf, np.inf], [3, 3, 3, 4.3, 4.3, 4.3], False),  # half of them
        ([4.0, 4.2], [3, 3], False),  # two may have swapped
        ([4.0, 4.2, 1.0], [3, 3, 0], False),  # one of three that began long before
    ],
)
def test_where_most_contradict_at_once_the_picture_changed(since, agreed, changed):
    assert picture_changed(np.array(since), np.array(agreed, float), 4.0) is changed


def test_what_is_well_known_was_looked_at_often_and_for_long():
    assert well_known(np.array([4, 3, 40]), np.array([1.5, 9.0, 1.4])).tolist() == [True, False, False]


def test_who_is_occluded_is_not_recognisable():
    boxes = np.array([(100, 100, 140, 220), (110, 150, 150, 270), (300, 100, 340, 220)], np.float32)
    assert recognisable(boxes, SIZE).tolist() == [False, True, True]
