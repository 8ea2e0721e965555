"""A camera that turns takes all objects along by one step, and nothing else does."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker.boxes import cxcywh_to_xyxy
from tracker.motion.common_step import common_step
from tracker.structures import Floats


def scene(seed: int, number: int) -> Floats:
    """Centres and sizes (N, 4) of people, wherever they stand."""
    rng = np.random.default_rng(seed)
    height = rng.uniform(100, 300, number)
    return np.stack([*rng.uniform(100, 1800, (2, number)), 0.4 * height, height], axis=1).astype(np.float32)


@given(st.integers(0, 100), st.integers(5, 60), st.tuples(st.floats(100, 900), st.floats(-900, -100)), st.data())
def test_it_is_found_in_any_order_though_some_are_missed_and_others_come(seed, number, step, data):
    expected = scene(seed, number)
    stay = expected[: number - number // 4]
    now = np.concatenate([stay + np.float32([*step, 0, 0]), scene(seed + 1000, number // 4)])
    now[:, :2] += np.random.default_rng(seed).uniform(-2, 2, (len(now), 2))
    order = np.array(data.draw(st.permutations(range(len(now)))))
    found = common_step(expected, cxcywh_to_xyxy(now[order]))
    assert found is not None
    np.testing.assert_allclose(found, step, atol=3)


@given(st.integers(0, 100), st.integers(0, 60))
def test_there_is_none_where_tracks_are_where_they_are_expected(seed, number):
    expected = scene(seed, number)
    others = scene(seed + 1000, number // 2)  # who come
    assert common_step(expected, cxcywh_to_xyxy(np.concatenate([expected, others]))) is None


def test_there_is_none_between_two_scenes():
    assert not [s for s in range(100) if common_step(scene(s, 10), cxcywh_to_xyxy(scene(s + 1000, 10))) is not None]


@given(st.integers(0, 100), st.integers(0, 3))
def test_few_tell_nothing(seed, number):
    expected = scene(seed, number)
    assert common_step(expected, cxcywh_to_xyxy(expected + np.float32([500, 0, 0, 0]))) is None
