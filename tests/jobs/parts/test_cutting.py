"""Parts have every frame of a video once, and are tracked from before their first to behind their last."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker.jobs.parts.cutting import BEYOND_S, WARM_UP_S, spans


@given(
    steps=st.lists(st.floats(0.01, 30), min_size=1, max_size=200),
    part_s=st.floats(0.5, 200),
)
def test_every_frame_is_in_one_part_and_the_seconds_around_it_too(steps, part_s):
    times = np.cumsum(steps)
    begin, first, last, end = spans(times, part_s)
    assert first[0] == 0 and last[-1] == len(times) - 1 and (first[1:] == last[:-1] + 1).all() and (first <= last).all()
    assert (times[last] - times[first] <= part_s + 1e-6).all()
    assert (begin[1:] < first[1:]).all() or (times[first[1:]] - times[first[1:] - 1] > WARM_UP_S).any()
    assert (times[first] - times[begin] <= WARM_UP_S).all() and (times[end] - times[last] <= BEYOND_S + 30).all()


def test_they_are_as_few_as_can_be_and_of_one_length():
    times = np.arange(901) / 10
    assert spans(times, 90)[1].tolist() == [0]
    assert spans(times, 40).tolist() == [[0, 200, 500], [0, 300, 600], [299, 599, 900], [320, 620, 900]]
