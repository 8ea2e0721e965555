"""The time of frames: it always advances, and is as fast as the stamps, whatever they do."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.video.clock import Clock


def times(stamps, interval_s=0.1):
    clock = Clock(interval_s)
    return [clock(stamp) for stamp in stamps]


@given(st.lists(st.none() | st.floats(-1e9, 1e9) | st.just(math.nan) | st.just(math.inf), min_size=2, max_size=60))
def test_time_always_advances_and_is_a_number(stamps):
    told = np.array(times(stamps))
    assert np.isfinite(told).all()
    assert (np.diff(told) > 0).all()


@given(st.integers(3, 20), st.integers(2, 8), st.floats(0, 1e5))
def test_segments_whose_stamps_start_over_run_at_their_own_speed(frames, segments, origin):
    """However short they are: a step back of less than a second is a new start, too."""
    stamps = [origin + 0.04 * frame for _ in range(segments) for frame in range(frames)]
    told = times(stamps, 0.04)
    assert told[-1] == pytest.approx(0.04 * (len(stamps) - 1), rel=0.02)


def test_one_wrong_stamp_costs_nothing_after_it():
    assert times([0, 0.1, 0.2, 0.0, 0.4, 0.5]) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_gap_of_hours_is_kept():
    assert times([0, 0.1, 25_200.0, 25_200.1])[2:] == pytest.approx([25_200.0, 25_200.1])
