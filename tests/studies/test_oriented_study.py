"""The overlap of oriented boxes that the study asks for, as OpenCV says it where that is right."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriented import area, paired_intersection, paired_iou, slimmed
from tracker.columns.oriented import corners_of


def boxes(count, seed=0):
    """Centres and sides (N, 4), angles (N,)."""
    rng = np.random.default_rng(seed)
    cxcywh = np.concatenate([rng.uniform(0, 60, (count, 2)), rng.uniform(5, 80, (count, 2))], axis=1)
    return cxcywh, rng.uniform(-4, 4, count)


def test_the_overlap_is_opencvs():
    a, b = corners_of(*boxes(500)), corners_of(*boxes(500, 1))
    pairs = zip(a.astype(np.float32), b.astype(np.float32), strict=True)
    theirs = [cv2.intersectConvexConvex(*pair)[0] for pair in pairs]
    np.testing.assert_allclose(paired_intersection(a, b), theirs, atol=0.01)
    assert min(theirs) == 0 and max(theirs) > 1000


@pytest.mark.parametrize(("share", "slid"), [(1.0, 0.0), (0.5, 0.0), (1.0, 0.5), (1.0, 1.0), (0.25, 0.2)])
def test_edges_on_one_line_count_once(share, slid):
    """Where OpenCV's own function is wrong by up to the whole: a box slid along itself, or one part of it."""
    cxcywh, angle = boxes(300)
    other = cxcywh.copy()
    other[:, 2] *= share
    along = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    other[:, :2] += slid * cxcywh[:, 2:3] * along
    common = max(0, min(0.5, slid + share / 2) - max(-0.5, slid - share / 2)) * cxcywh[:, 2] * cxcywh[:, 3]
    a, b = corners_of(cxcywh, angle), corners_of(other, angle)
    np.testing.assert_allclose(paired_intersection(a, b), common, atol=1e-6)
    rounded = paired_intersection(a.astype(np.float32), b.astype(np.float32))
    np.testing.assert_allclose(rounded, common, rtol=0.01, atol=1)


@given(st.integers(0, 2**32 - 1))
def test_it_is_the_same_either_way_round_and_never_more_than_either(seed):
    a, b = corners_of(*boxes(20, seed)), corners_of(*boxes(20, seed + 1))
    common = paired_intersection(a, b)
    for one, other in ((b, a), (a[:, ::-1], b), (a, b[:, ::-1]), (np.roll(a, 1, axis=1), b)):
        np.testing.assert_allclose(paired_intersection(one, other), common, atol=1e-6)
    assert (common <= np.minimum(area(a), area(b)) + 1e-6).all() and (common >= 0).all()
    assert (paired_intersection(a, b + 1000) == 0).all()


def test_upright_ones_overlap_as_their_boxes_and_what_is_not_known_not_at_all():
    a, b = np.array([[10.0, 10, 20, 10]]), np.array([[20.0, 10, 20, 10]])
    assert paired_iou(corners_of(a, np.zeros(1)), corners_of(b, np.zeros(1))) == pytest.approx([1 / 3])
    assert paired_iou(corners_of(a, np.zeros(1)), np.full((1, 4, 2), np.nan)) == [0]
    assert paired_iou(np.zeros((0, 4, 2)), np.zeros((0, 4, 2))).shape == (0,)


def test_boxes_are_slimmed_about_their_middle_unless_they_are_slim():
    rows = np.zeros((3, 9))
    rows[:, 2:6] = [[0, 0, 40, 20], [10, 10, 20, 40], [5, 5, 40, 8]]
    assert slimmed(rows, 4)[:, 2:6].tolist() == [[0, 5, 40, 10], [15, 10, 10, 40], [5, 5, 40, 8]]
