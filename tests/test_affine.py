"""How boxes move with the camera: one rule, whatever a box is written as."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.boxes import xyxy
from tracker.affine import composed, identity, inverse, moved, moved_corners
from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.motion.kalman import MEAN, move, to_coordinates, to_cxcywh


@st.composite
def cameras(draw):
    """What a camera does, and a frame of another shape after it."""
    angle, scale = draw(st.floats(-3, 3)), draw(st.floats(0.5, 2))
    stretch = draw(st.sampled_from([1.0, 1.0, 0.5, 1.005, 2.0]))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shift = [draw(st.floats(-100, 100)), draw(st.floats(-100, 100))]
    return np.c_[scale * rotation * [[stretch, 1.0]], shift]


@given(xyxy(), cameras())
def test_corners_centres_and_a_filters_coordinates_move_alike(box, camera):
    expected = moved(xyxy_to_cxcywh(box), camera)
    np.testing.assert_allclose(moved_corners(box, camera), cxcywh_to_xyxy(expected), rtol=1e-9, atol=1e-6)
    state = np.zeros((5, len(box), 4))
    state[MEAN] = to_coordinates(box)
    move(state, camera)
    np.testing.assert_allclose(to_cxcywh(state[MEAN], state[MEAN])[0], expected, rtol=1e-9, atol=1e-6)


@given(xyxy(), cameras(), cameras())
def test_affines_of_many_frames_move_as_each_alone(box, one, other):
    for affine in (one, other):
        each = moved(box, np.tile(affine, (len(box), 1, 1)))
        np.testing.assert_allclose(each, moved(box, affine), rtol=1e-9, atol=1e-9)


@given(xyxy(), st.floats(-3, 3), st.floats(0.5, 2), st.floats(-100, 100), st.floats(-100, 100))
def test_a_move_and_its_inverse_cancel(box, angle, scale, dx, dy):
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forth = np.c_[linear, [dx, dy]]
    np.testing.assert_allclose(moved_corners(moved_corners(box, forth), inverse(forth[None])[0]), box, atol=1e-6)


@given(cameras(), cameras(), st.floats(-500, 500), st.floats(-500, 500))
def test_composed_is_one_after_the_other_for_one_and_for_many(first, second, x, y):
    both = second @ [*(first @ [x, y, 1]), 1]
    np.testing.assert_allclose(composed(first, second) @ [x, y, 1], both, rtol=1e-9, atol=1e-6)
    many = composed(np.stack([first, identity()]), second)
    np.testing.assert_array_equal(many, [composed(first, second), second])


def test_boxes_keep_their_type_and_stay_as_they_are_where_the_camera_does():
    box = np.array([[1.5, 2, 30, 40]], np.float32)
    assert moved_corners(box, identity()) is box
    assert moved_corners(box, np.array([[1.0, 0, 2], [0, 1, 3]])).dtype == np.float32
    assert moved_corners(np.zeros((0, 4)), np.array([[1.0, 0, 2], [0, 1, 3]])).shape == (0, 4)
