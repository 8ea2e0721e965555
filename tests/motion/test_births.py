"""A stream whose new tracks last is believed at once; one that flickers is asked twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Config, Detections, Tracker
from tracker.motion.adaptation.births import Births
from tracker.structures import CONFIRMED

FPS = 20


def first_states(flicker, features=None, confirm_hits=2):
    """Generated: somebody new every half second, side by side; where it `flicker`s, for a frame only.

    Returns the status that each has in its first frame.
    """
    tracker = Tracker(Config().override({"bank": {"confirm_hits": confirm_hits}}))
    first = []
    for frame in range(200):
        newest, since = divmod(frame, 10)
        there = [newest] if flicker else list(range(newest + 1))
        boxes = np.array([[60.0 * i, 100, 60.0 * i + 40, 200] for i in there if not flicker or since == 0])
        boxes = boxes.reshape(-1, 4)
        found = Detections(
            boxes, np.full(len(boxes), 0.9), features=None if features is None else features[: len(boxes)]
        )
        tracks = tracker.update(None, found, time_s=frame / FPS)
        if since == 0:
            first.append(int(tracks.status[tracks.detection_index == len(boxes) - 1][0]))
    return first


def test_where_all_that_began_stayed_the_next_is_reported_at_once():
    states = first_states(flicker=False)
    assert states[0] != CONFIRMED
    assert states[-10:] == [CONFIRMED] * 10


def test_where_it_flickers_everybody_is_asked_twice():
    assert CONFIRMED not in first_states(flicker=True)


def test_who_may_be_known_by_appearance_is_looked_at_first():
    assert CONFIRMED not in first_states(flicker=False, features=np.eye(20, 512, dtype=np.float32))


@pytest.mark.parametrize("hits", [1, 3])
def test_a_stricter_setting_stays_stricter(hits):
    assert (CONFIRMED in first_states(False, confirm_hits=hits)) == (hits == 1)


@given(st.lists(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=30)))
def test_what_is_known_stays_within_bounds(frames):
    births = Births()
    for frame in frames:
        fresh, missed = np.array(frame, bool).reshape(-1, 2).T
        births.learn(fresh, missed)
        births._check_state()
