"""Users of the API get from `smooth` what files get."""

import numpy as np
import pytest

from tracker import Detections, Tracker
from tracker.errors import InputError
from tracker.smoothing.fixed_lag import FixedLagSmoother


def frames():
    """Two walkers, one missed now and then, before a camera that moves."""
    rng = np.random.default_rng(3)
    for number in range(40):
        boxes = np.array([[50 + 3 * number, 40, 90 + 3 * number, 140], [400 - 2 * number, 60, 430 - 2 * number, 150]])
        boxes = boxes + rng.normal(0, 1, (2, 4))
        yield Detections(boxes[: 1 if number % 7 == 3 else 2]), np.array([[1, 0, 0.5 * (number > 20)], [0, 1, 0]])


def test_it_is_what_the_smoother_of_the_files_makes_of_the_same_tracks():
    tracker, other = Tracker(), Tracker()
    smoother = FixedLagSmoother(other.config.bank.report_delay_s, other.config.offline)
    expected = []
    for number, (found, camera) in enumerate(frames()):
        expected += smoother.push(number, other.update(None, found, camera, number / 25), other.camera_motion)
    expected += smoother.flush()
    updates = (tracker.update(None, found, camera, n / 25) for n, (found, camera) in enumerate(frames()))
    told = list(tracker.smooth(updates))
    assert len(told) == len(expected) == 40
    for now, (_, then) in zip(told, expected, strict=True):
        np.testing.assert_array_equal(now.ids, then.ids)
        np.testing.assert_array_equal(now.xyxy, then.xyxy)
    assert any((now.detection_index < 0).any() for now in told)  # gaps are filled


def test_frames_come_as_soon_as_the_lag_allows():
    tracker = Tracker()
    taken = []

    def updates():
        for number, (found, camera) in enumerate(frames()):
            taken.append(number)
            yield tracker.update(None, found, camera, number / 25)

    first = next(tracker.smooth(updates()))
    assert first.time_s == 0 and taken[-1] == np.ceil(tracker.config.bank.report_delay_s * 25)


def test_a_list_of_tracks_is_answered_with_what_to_give():
    tracker = Tracker()
    made = [tracker.update(None, found, camera, number / 25) for number, (found, camera) in enumerate(frames())]
    with pytest.raises(InputError, match=r"smooth got the tracks of 0 s when the last update was at 1\.56 s; give"):
        list(tracker.smooth(made))


NO_UPDATES = [None, Tracker().update, [1], [Detections.empty()], Tracker().update(None, Detections.empty())]


@pytest.mark.parametrize("wrong", NO_UPDATES, ids=lambda wrong: type(wrong).__name__)
def test_what_are_no_tracks_is_answered_with_what_to_give(wrong):
    with pytest.raises(InputError, match=r"^smooth got \w+; give it each update's tracks, one after another: "):
        list(Tracker().smooth(wrong))


def test_what_was_tracked_before_updates_break_off_comes_before_the_error():
    tracker, told = Tracker(), []

    def updates():
        for number, (found, camera) in enumerate(frames()):
            yield tracker.update(None, found, camera, number / 25)
        raise ConnectionError("the camera is gone")

    with pytest.raises(ConnectionError, match="the camera is gone"):
        told.extend(tracks.time_s for tracks in tracker.smooth(updates()))
    assert told == [number / 25 for number in range(40)]
