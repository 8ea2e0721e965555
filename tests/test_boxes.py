"""Laws of boxes and the IoU family."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.boxes import xyxy
from tracker import boxes


@given(xyxy())
def test_formats_go_there_and_back(box):
    np.testing.assert_allclose(boxes.tlwh_to_xyxy(boxes.xyxy_to_tlwh(box)), box, atol=1e-9)
    np.testing.assert_allclose(boxes.cxcywh_to_xyxy(boxes.xyxy_to_cxcywh(box)), box, atol=1e-9)


@given(xyxy(), xyxy())
def test_iou_is_symmetric_and_bounded(a, b):
    value = boxes.iou(a, b)
    assert value.shape == (len(a), len(b))
    assert ((value >= 0) & (value <= 1 + 1e-12)).all()
    np.testing.assert_allclose(value, boxes.iou(b, a).T)


@given(xyxy(), st.floats(-500, 500), st.floats(0.1, 10))
def test_iou_does_not_change_when_both_are_moved_or_scaled(box, shift, scale):
    np.testing.assert_allclose(boxes.iou(box * scale + shift, box * scale + shift), boxes.iou(box, box), atol=1e-6)


@given(xyxy())
def test_a_box_is_itself(box):
    np.testing.assert_allclose(np.diag(boxes.iou(box, box)), 1)
    np.testing.assert_allclose(boxes.height_overlap(box, box), 1)
    np.testing.assert_allclose(np.diag(boxes.occluded_fraction(box, box)), 1)


@given(xyxy(), xyxy())
def test_paired_iou_is_the_diagonal_of_iou(a, b):
    n = min(len(a), len(b))
    np.testing.assert_allclose(boxes.paired_iou(a[:n], b[:n]), np.diag(boxes.iou(a[:n], b[:n])))


TABLE = [
    ("identical", [0, 0, 10, 10], [0, 0, 10, 10], 1.0),
    ("touching", [0, 0, 10, 10], [10, 0, 20, 10], 0.0),
    ("apart", [0, 0, 10, 10], [30, 30, 40, 40], 0.0),
    ("half inside", [0, 0, 10, 10], [5, 0, 15, 10], 1 / 3),
    ("contained", [0, 0, 10, 10], [2, 2, 7, 7], 0.25),
    ("zero area", [5, 5, 5, 5], [0, 0, 10, 10], 0.0),
    ("both zero area", [5, 5, 5, 5], [5, 5, 5, 5], 0.0),
    ("huge coordinates", [1e6, 1e6, 1e6 + 10, 1e6 + 10], [1e6 + 5, 1e6, 1e6 + 15, 1e6 + 10], 1 / 3),
]


@pytest.mark.parametrize(("a", "b", "expected"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_iou_by_case(a, b, expected):
    assert boxes.iou(np.array([a], float), np.array([b], float))[0, 0] == pytest.approx(expected)


def test_empty_arrays_stay_empty():
    none, one = np.zeros((0, 4)), np.array([[0.0, 0, 1, 1]])
    assert boxes.iou(none, one).shape == (0, 1)
    assert boxes.iou(one, none).shape == (1, 0)


@pytest.mark.parametrize(("height", "alike"), [(10, True), (14, True), (7.2, True), (16, False), (6.4, False)])
def test_heights_are_alike_up_to_a_factor_either_way(height, alike):
    box, other = np.array([[0, 0, 5, 10]]), np.array([[90, 20, 99, 20 + height]])
    assert boxes.alike_in_height(box, other, 1.5).tolist() == [alike]


def test_the_largest_of_many_is_that_of_all_pairs(monkeypatch):
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 300, (60, 2))
    both = np.concatenate([corners, corners + rng.uniform(5, 60, (60, 2))], axis=1).astype(np.float32)
    a, b = both[:20], both[20:]
    for measure in (boxes.paired_iou, boxes.paired_fraction):
        of_all = boxes.largest(measure, a, b)
        with monkeypatch.context() as patch:
            patch.setattr(boxes, "_MANY", 0)
            assert np.array_equal(boxes.largest(measure, a, b), of_all)
            assert not boxes.largest(measure, a, b[:0]).any()
    np.testing.assert_array_equal(of_all, boxes.occluded_fraction(a, b).max(axis=1))
