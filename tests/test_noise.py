"""A shaky detector's boxes are smoothed, a precise one's are left alone; nobody says which it is."""

import numpy as np
import pytest

from tracker.boxes import xyxy_to_cxcywh
from tracker.noise import DetectorNoise

BOX = np.array([100, 100, 140, 200], np.float32)
SIZE = np.array([40, 100, 40, 100], np.float32)


def settled(noise_share, steps=400, strength=1.0):
    """Mean squared errors of detected and of settled boxes, where predictions are off by 1 % and know it."""
    rng = np.random.default_rng(0)
    noise = DetectorNoise(strength)
    before = after = 0.0
    for _ in range(steps):
        predicted = (BOX + rng.normal(0, 0.01, (8, 4)) * SIZE).astype(np.float32)
        detected = (BOX + rng.normal(0, noise_share, (8, 4)) * SIZE).astype(np.float32)
        std = np.full((8, 4), 0.01, np.float32) * SIZE
        result = noise.settle(detected, xyxy_to_cxcywh(predicted), std)
        before += ((detected - BOX) ** 2).mean()
        after += ((result - BOX) ** 2).mean()
    return before / steps, after / steps


def test_a_shaky_detector_is_corrected():
    before, after = settled(0.05)
    assert after < before / 4


def test_a_precise_detector_is_believed():
    _, after = settled(0.001)
    assert after < 0.1  # square pixels; the predictions it is blended with are off by 0.58


@pytest.mark.parametrize("share", [0.0, 0.02])
def test_no_strength_leaves_the_boxes_alone(share):
    before, after = settled(share, strength=0.0)
    assert before == after


def test_no_boxes_stay_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert DetectorNoise(1.0).settle(none, none, none).shape == (0, 4)


def test_a_wild_difference_does_not_spoil_the_estimate():
    noise = DetectorNoise(1.0)
    std = np.full((1, 4), 0.01, np.float32) * SIZE
    box = BOX[None]
    for _ in range(200):
        noise.settle(box, xyxy_to_cxcywh(box), std)
    noise.settle(box + 500, xyxy_to_cxcywh(box), std)
    np.testing.assert_allclose(noise.settle(box + 1, xyxy_to_cxcywh(box), std), box + 1, atol=0.5)
