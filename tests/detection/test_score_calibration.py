"""What a score means is learned from the stream: the valley between false alarms and objects comes to lie at 0.5."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.detection.score_calibration import ScoreScale


def stream(low, high, frames=200, false_alarms=5, objects=10):
    """Frames of scores in two heaps with these means (generated, because the valley must be known)."""
    rng = np.random.default_rng(0)
    for _ in range(frames):
        heaps = np.r_[rng.normal(low, 0.07, false_alarms), rng.normal(high, 0.05, objects)]
        yield heaps.clip(0.05, 0.99).astype(np.float32)


@pytest.mark.parametrize(("low", "high"), [(0.2, 0.9), (0.5, 0.8), (0.1, 0.7)])
def test_objects_end_above_one_half_and_false_alarms_below(low, high):
    scale = ScoreScale()
    for scores in stream(low, high):
        stretched = scale(scores)
    assert (stretched[:5] < 0.5).mean() > 0.9
    assert (stretched[5:] > 0.5).mean() > 0.9


def test_what_is_long_ago_counts_less():
    """After days of light, an hour of night is learned (scores of a thousand objects a frame stand for the time)."""
    scale = ScoreScale()
    for low, high in ((0.2, 0.9), (0.1, 0.6)):
        for scores in stream(low, high, frames=400, false_alarms=500, objects=1000):
            stretched = scale(scores)
    assert (stretched[:500] < 0.5).mean() > 0.9
    assert (stretched[500:] > 0.5).mean() > 0.9


def test_before_anything_is_known_scores_are_nearly_what_they_say():
    np.testing.assert_allclose(ScoreScale()(np.array([0.5], np.float32)), 0.5, atol=0.02)


def test_scores_that_are_all_one_are_believed():
    scale = ScoreScale()
    for _ in range(100):
        stretched = scale(np.ones(5, np.float32))
    np.testing.assert_allclose(stretched, 1)


@given(st.integers(0, 10**6))
def test_a_better_score_is_never_worth_less(seed):
    rng = np.random.default_rng(seed)
    scale = ScoreScale()
    for _ in range(20):
        scores = np.sort(rng.beta(*rng.uniform(0.5, 6, 2), 30)).astype(np.float32)
        stretched = scale(scores)
        assert (np.diff(stretched) >= 0).all()
        assert ((stretched >= 0) & (stretched <= 1)).all()


def test_an_empty_frame_teaches_nothing():
    scale = ScoreScale()
    assert scale(np.zeros(0, np.float32)).shape == (0,)


def test_false_alarms_that_are_a_shoulder_of_the_objects_are_found_too():
    scale = ScoreScale()
    for scores in stream(0.6, 0.8, false_alarms=10, objects=10):
        stretched = scale(scores)
    assert (stretched[:10] < 0.5).mean() > 0.6
    assert (stretched[10:] > 0.5).mean() > 0.9


def test_what_a_score_means_does_not_depend_on_how_weak_ones_the_detector_is_asked_for():
    asked, more = ScoreScale(), ScoreScale()
    rng = np.random.default_rng(1)
    for scores in stream(0.3, 0.8):
        hints = rng.uniform(0.01, 0.099, 100).astype(np.float32)
        asked_scores = scores[scores >= 0.1]
        np.testing.assert_array_equal(more(np.r_[asked_scores, hints])[: len(asked_scores)], asked(asked_scores))
