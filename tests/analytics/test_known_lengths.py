"""The ground from two lengths and a direction: a camera whose picture is computed is found again."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tracker import GroundPlane
from tracker.analytics.ground.known_lengths import ground_points
from tracker.errors import InputError

SIZE = (1920, 1080)
MIDDLE = np.array(SIZE) / 2


def seen(metres, focal, tilt, height):
    """Pixels (N, 2) of the ground (N, 2), across and ahead, for a camera at this height that looks down by `tilt`."""
    across, ahead = np.asarray(metres, float).T
    depth = ahead * np.cos(tilt) + height * np.sin(tilt)
    down = height * np.cos(tilt) - ahead * np.sin(tilt)
    return MIDDLE + focal * np.stack([across, down], axis=1) / depth[:, None]


KERBS = np.array([[-3, 8], [-3, 25], [4, 9], [4, 30]])
ACROSS, AHEAD = np.array([[-3, 12], [4, 12]]), np.array([[0, 10], [1, 20]])


@given(st.floats(600, 4000), st.floats(0.1, 0.6), st.floats(2, 12))
def test_a_camera_is_found_again(focal, tilt, height):
    def pair(points):
        return seen(points, focal, tilt, height)

    kerbs = pair(KERBS).reshape(2, 2, 2)
    assume(np.isfinite(kerbs).all() and np.abs(kerbs - MIDDLE).max() < 20000)
    lengths = [7.0, np.hypot(1, 10)]
    pixels, metres = ground_points(kerbs, [pair(ACROSS), pair(AHEAD)], lengths, SIZE)
    np.testing.assert_allclose(metres, np.concatenate([KERBS, ACROSS, AHEAD]), atol=0.01)
    assert GroundPlane.from_points(pixels, metres, frame_size=SIZE).error_m.max() < 1e-3


def marked(focal=1200, tilt=0.3, height=5):
    kerbs, across, ahead = (seen(points, focal, tilt, height) for points in (KERBS, ACROSS, AHEAD))
    return kerbs.reshape(2, 2, 2), across, ahead


def test_two_lengths_across_say_nothing_of_the_lens():
    kerbs, across, _ = marked()
    with pytest.raises(InputError, match="one into its depth"):
        ground_points(kerbs, [across, seen([[-3, 20], [4, 20]], 1200, 0.3, 5)], [7, 7], SIZE)


@pytest.mark.parametrize("lengths", [[7, 0], [7, float("nan")], [7], ["a", 7]])
def test_lengths_are_two_numbers(lengths):
    kerbs, across, ahead = marked()
    with pytest.raises((InputError, ValueError)):
        ground_points(kerbs, [across, ahead], lengths, SIZE)


def test_lengths_that_no_lens_shows_so_are_told():
    kerbs, across, ahead = marked()
    with pytest.raises(InputError, match="fit no lens"):
        ground_points(kerbs, [across, ahead], [7, 0.01], SIZE)


def test_lines_that_meet_below_or_nowhere_are_told():
    _, across, ahead = marked()
    for lines in ([[[100, 900], [900, 400]], [[1800, 900], [1000, 400]]], [[[0, 100], [9, 100]], [[0, 200], [9, 200]]]):
        lines = np.array(lines, float)
        if lines[0, 0, 0] == 100:
            lines[:, :, 1] = 1300 - lines[:, :, 1]
        with pytest.raises(InputError, match="run into the depth"):
            ground_points(lines, [across, ahead], [7, 10], SIZE)


def test_what_is_marked_has_two_ends():
    kerbs, across, ahead = marked()
    with pytest.raises(InputError, match="no two stretches"):
        ground_points(kerbs[:1], [across, ahead], [7, 10], SIZE)
    with pytest.raises(InputError, match="no length"):
        ground_points(kerbs, [across, np.zeros((2, 2)) + 500], [7, 10], SIZE)
