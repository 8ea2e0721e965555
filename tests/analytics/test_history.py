"""Where objects were lately: bounded, and under one id also where they went by another at first."""

from dataclasses import replace

import numpy as np

from tracker import Detections, Tracker, Tracks
from tracker.analytics.history import FRAMES, History


def frame(number, ids, renamed=()):
    n = len(ids)
    boxes = np.array([[100 * i + number, 0, 100 * i + number + 40, 90] for i in ids], np.float32).reshape(n, 4)
    whole = np.arange(n)
    tracks = Tracks(
        np.array(ids, np.int64),
        boxes,
        np.ones(n, np.float32),
        whole,
        whole,
        np.ones(n, np.int64),
        whole,
        number / 10,
        0.1,
    )
    return replace(tracks, renamed=dict(renamed))


def test_the_frames_of_a_track_are_told_in_order():
    history = History()
    for number, ids in enumerate([[1], [1, 2], [2], [1, 2]]):
        history.added(frame(number, ids))
    told = history.of(1)
    assert told.time_s.tolist() == [0, 0.1, 0.3] and told.xyxy[:, 0].tolist() == [100, 101, 103]
    assert told.detection_index.tolist() == [0, 0, 0] and history.of(2).detection_index.tolist() == [1, 0, 1]
    assert len(history.of(9)) == 0 and history.of(9).xyxy.shape == (0, 4)


def test_a_track_that_was_re_identified_has_its_frames_under_the_provisional_id_too():
    history = History()
    for number, (ids, renamed) in enumerate([([1], {}), ([], {}), ([1, 5], {}), ([5], {}), ([1], {5: 1})]):
        history.added(frame(number, ids, renamed))
    told = history.of(1)
    assert told.time_s.tolist() == [0, 0.2, 0.3, 0.4]
    assert told.xyxy[:, 0].tolist() == [100, 502, 503, 104]


def test_it_is_bounded():
    history = History()
    for number in range(FRAMES + 50):
        history.added(frame(number, [1]))
    assert len(history.of(1)) == FRAMES and history.of(1).time_s[0] == 5.0


def test_a_tracker_tells_it_and_forgets_it_with_its_tracks():
    tracker = Tracker()
    for step in range(4):
        tracks = tracker.update(None, Detections([[10 + step, 20, 50 + step, 100]]), time_s=step / 30)
    told = tracker.history(1)
    assert len(told) == 4
    np.testing.assert_array_equal(told.xyxy[-1], tracks.xyxy[0])
    tracker.reset()
    assert len(tracker.history(1)) == 0
