"""Oriented boxes: their corners, and the upright box around them."""

import numpy as np
import pytest
import torch

from tracker.columns.oriented import corners_of, enclosing
from tracker.detection import yolo


def test_a_turn_is_clockwise_as_one_sees_it():
    (corners,) = corners_of(np.array([[50.0, 40, 30, 10]]), np.array([np.pi / 2]))
    assert enclosing(corners[None])[0] == pytest.approx([45, 25, 55, 55])
    (corners,) = corners_of(np.array([[50.0, 40, 30, 0]]), np.array([0.1]))
    right = corners[corners[:, 0].argmax()]
    assert right[1] > 40  # the y axis goes down


def test_corners_are_ultralytics_own_in_their_order():
    rng = np.random.default_rng(0)
    rows = np.concatenate([rng.uniform(0, 90, (50, 4)), rng.uniform(-4, 4, (50, 1))], axis=1)
    theirs = yolo.ultralytics("utils.ops").xywhr2xyxyxyxy(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(corners_of(rows[:, :4], rows[:, 4]), theirs, atol=1e-9)
    assert corners_of(np.zeros((0, 4)), np.zeros(0)).shape == (0, 4, 2)
