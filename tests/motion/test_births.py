"""A stream whose new tracks last is believed; one that flickers is asked more often."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Config, Detections, Tracker
from tracker.config import BankConfig
from tracker.motion.adaptation.births import Births
from tracker.structures import CONFIRMED, TENTATIVE

FPS = 20
SURE, LIKELY, UNSURE = 0.9, 0.7, 0.55


def after(sure=(0, 0), likely=(0, 0)) -> Births:
    """What is known after so many sure and likely beginnings that (were, were not) seen again."""
    births = Births(BankConfig())
    for score, (seen, missed) in ((SURE, sure), (LIKELY, likely)):
        births.learn(np.full(seen + missed, score), np.arange(seen + missed) < seen)
    return births


def confirmed(births: Births, hits: int, score: float, known: bool = False) -> bool:
    """Is a new track that was seen in so many frames, all at once, confirmed?"""
    return bool(births.enough(np.array([hits]), np.array([score]), np.array([0.0]), known)[0])


@pytest.mark.parametrize("seen, missed, needed", [(0, 0, 1), (20, 1, 1), (10, 10, 2), (5, 20, 3)])
def test_the_more_sure_ones_vanish_the_more_often_one_is_asked_for(seen, missed, needed):
    births = after(sure=(seen, missed))
    assert [confirmed(births, hits, SURE) for hits in (1, 2, 3)] == [hits >= needed for hits in (1, 2, 3)]


def test_two_likely_detections_are_enough_where_likely_and_sure_ones_stay():
    assert not confirmed(after(), 2, LIKELY)
    assert confirmed(after(sure=(20, 0), likely=(18, 2)), 2, LIKELY)
    assert not confirmed(
        after(sure=(20, 0), likely=(9, 11)), 2, LIKELY
    )  # a detector that is sure of what is there alone
    assert not confirmed(after(sure=(10, 10), likely=(18, 2)), 2, LIKELY)
    assert not confirmed(after(sure=(20, 0), likely=(18, 2)), 1, LIKELY)
    assert not confirmed(after(sure=(20, 0), likely=(18, 2)), 2, UNSURE)


def test_who_may_be_known_by_appearance_gets_no_advance():
    births = after(sure=(20, 0), likely=(10, 0))
    assert not confirmed(births, 1, SURE, known=True)
    assert not confirmed(births, 2, LIKELY, known=True)


def test_what_was_reported_at_once_and_vanishes_is_not_waited_for():
    tracker = Tracker()
    one = Detections([[60, 100, 100, 200]], scores=[SURE])
    assert tracker.update(None, one).status.tolist() == [CONFIRMED]
    tracker.update(None, Detections.empty())
    assert tracker.update(None, one).ids.tolist() == [2]


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


def test_where_all_that_began_stayed_everybody_is_reported_at_once():
    assert first_states(flicker=False) == [CONFIRMED] * 20


def test_where_it_flickers_nobody_is_after_the_first():
    assert first_states(flicker=True) == [CONFIRMED] + [TENTATIVE] * 19


def test_who_may_be_known_by_appearance_is_looked_at_first():
    assert CONFIRMED not in first_states(flicker=False, features=np.eye(20, 512, dtype=np.float32))


@pytest.mark.parametrize("hits", [1, 3])
def test_a_stricter_setting_stays_stricter(hits):
    assert (CONFIRMED in first_states(False, confirm_hits=hits)) == (hits == 1)


scores = st.floats(0, 1, width=32)


@given(st.lists(st.lists(st.tuples(scores, st.booleans()), max_size=30)))
def test_what_is_known_stays_within_bounds(frames):
    births = Births(BankConfig())
    for frame in frames:
        births.learn(np.array([score for score, _ in frame]), np.array([seen for _, seen in frame], bool))
        births._check_state()
