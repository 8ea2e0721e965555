"""A lost track is waited for longer, the longer it was followed; but not one that leaves the picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Config, Detections, Tracker
from tracker.motion.adaptation.patience import Patience

FPS = 20
LEAST_S = Config().bank.lost_s


def person(x, nearer=0.0):
    return [x, 100.0 - nearer, x + 40, 200.0 + nearer]


def ids_of(x, followed_s, hidden_s, walks=0.0, left=0.0, looks=None):
    """Of somebody, when first and when last seen: followed for a while, until at `x`, hidden, and back there.

    Others stand nearer to the camera, at the edges of what is seen.

    Args:
        walks: pixels a frame, before.
        left: where the left one of the others stands.
        looks: embeddings of the others and of who is followed, and what there is in the latter's place afterwards.
    """
    tracker = Tracker(Config().override({"appearance": {"enabled": looks is not None}}))
    hidden, back = (round(s * FPS) for s in (followed_s, followed_s + hidden_s))
    ids = []
    for frame in range(back + 5):
        here = [] if hidden <= frame < back else [person(x + walks * min(frame - hidden, 0))]
        boxes = np.array([*(person(other, nearer=20) for other in (left, 600.0)), *here], np.float32)
        features = None if looks is None else looks[[0, 1, 2 + (frame >= back)][: len(boxes)]]
        found = Detections(boxes, np.full(len(boxes), 0.9), features=features)
        tracks = tracker.update(None, found, time_s=frame / FPS)
        ids += tracks.ids[tracks.detection_index == 2].tolist()
    return ids[0], ids[-1]


def test_who_was_followed_for_long_keeps_the_id_behind_what_hides_for_long():
    first, last = ids_of(300.0, followed_s=5, hidden_s=1.5 * LEAST_S)
    assert first == last


@pytest.mark.parametrize(
    ("followed_s", "hidden_s"),
    [
        pytest.param(2.0, 1.5 * LEAST_S, id="followed for a moment"),
        pytest.param(9.0, 2.2 * LEAST_S, id="hidden for longer than anyone is waited for"),
    ],
)
def test_others_are_not_waited_for_that_long(followed_s, hidden_s):
    first, last = ids_of(300.0, followed_s, hidden_s)
    assert first != last


def test_who_walks_out_of_the_picture_is_not_waited_for_that_long():
    kept = [ids_of(0.0, 5.0, 1.5 * LEAST_S, walks=-1.0, left=left) for left in (-100.0, 100.0)]
    assert [first == last for first, last in kept] == [True, False]


def test_who_was_looked_at_is_recognised_not_waited_for_that_long():
    """Somebody else in the same place is taken for who was there only while motion waits."""
    looks = np.eye(4, 512, dtype=np.float32)
    kept = [ids_of(300.0, 5.0, share * LEAST_S, looks=looks) for share in (0.5, 1.5)]
    assert [first == last for first, last in kept] == [True, False]


def test_everybody_is_waited_for_a_moment():
    for left in (-100.0, 100.0):
        first, last = ids_of(0.0, followed_s=0.5, hidden_s=0.8 * LEAST_S, left=left)
        assert first == last


@given(st.lists(st.tuples(*[st.floats(-500, 1500)] * 2, st.floats(0, 1e9)), max_size=5), st.floats(0, 10))
def test_nobody_is_waited_for_less_than_at_first_or_more_than_twice_as_long(tracks, least_s):
    patience = Patience()
    patience.learn(np.array([[0, 0, 50, 100], [900, 0, 1000, 800]], np.float32))
    boxes = np.array([[x, y, 40, 80] for x, y, _ in tracks], np.float32).reshape(-1, 4)
    times = patience.times(boxes, np.array([s for *_, s in tracks], np.float64), least_s)
    assert times.shape == (len(tracks),) and ((times >= 1) & (times <= 2)).all()


def test_before_anything_was_seen_nobody_is_inside():
    patience = Patience()
    patience.learn(np.zeros((0, 4), np.float32))
    assert patience.times(np.array([[50, 50, 10, 10]], np.float32), np.array([9.0]), 1.5).tolist() == [1]
