"""A track whose embeddings contradict what it remembers, look after look, is of another object."""

import numpy as np
import pytest

from tracker import Detections, Tracker
from tracker.appearance.contradiction import contrary_since, recognisable, well_known
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
        assert tracker._bank.slots.embeddings[tracker._bank.live[0]] @ ONE > 0.99

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


def test_what_is_well_known_was_looked_at_often_and_for_long():
    assert well_known(np.array([4, 3, 40]), np.array([1.5, 9.0, 1.4])).tolist() == [True, False, False]


def test_who_is_occluded_is_not_recognisable():
    boxes = np.array([(100, 100, 140, 220), (110, 150, 150, 270), (300, 100, 340, 220)], np.float32)
    assert recognisable(boxes, SIZE).tolist() == [False, True, True]
