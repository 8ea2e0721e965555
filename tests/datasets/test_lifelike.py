"""Detections made from ground truth err as a real detector does: for a while, and more where objects are occluded."""

import numpy as np
import pytest

from tracker.datasets import degrade, lifelike
from tracker.datasets.mot import FRAME, HEIGHT, LEFT, SCORE

LENGTH, FPS = 600, 25.0


def truth(*objects):
    """Objects that stand still: left, top, width, height."""
    rows = [[f, i, *box, 1, 1, 1] for f in range(1, LENGTH + 1) for i, box in enumerate(objects, 1)]
    return np.array(rows, float)


def detect(table, seed=0, **settings):
    rng = degrade.generator(seed, "A")
    return lifelike.from_truth(table, LENGTH, FPS, (1280, 720), rng, **{"false_alarms": 0.0} | settings)


FREE = truth((100, 100, 40, 100))


def test_the_same_seed_gives_the_same_detections():
    np.testing.assert_array_equal(detect(FREE, 1), detect(FREE, 1))
    assert not np.array_equal(detect(FREE, 1)[:9], detect(FREE, 2)[:9])


def test_errors_have_the_size_that_was_measured_and_last():
    off, again = [], []
    for seed in range(20):
        found = detect(FREE, seed)
        error = np.log(found[:, HEIGHT] / 100)
        off.append(error)
        together = np.diff(found[:, FRAME]) == 1
        again.append(np.corrcoef(error[:-1][together], error[1:][together])[0, 1])
    assert np.concatenate(off).std() == pytest.approx(lifelike.UPRIGHT[3], rel=0.15)
    assert np.mean(again) == pytest.approx(0.85, abs=0.05)


def test_the_occluded_are_missed_and_score_low_and_those_in_front_are_not():
    front, behind = (100, 100, 40, 100), (110, 95, 40, 100)
    alone, both = detect(truth(behind)), detect(truth(behind, front))
    hidden = both[np.abs(both[:, LEFT] - 110) < 5]
    assert len(hidden) < 0.9 * len(alone)
    assert np.median(hidden[:, SCORE]) < 0.6 * np.median(alone[:, SCORE])


def test_few_of_the_free_are_missed():
    assert 0.93 * LENGTH < len(detect(FREE)) <= LENGTH


def test_false_alarms_are_as_many_as_asked_and_stay():
    found = np.concatenate([detect(FREE, seed, false_alarms=0.5) for seed in range(20)])
    false = found[(np.abs(found[:, LEFT : LEFT + 2] - 100) > 20).any(axis=1)]
    assert len(false) / (20 * LENGTH) == pytest.approx(0.5, rel=0.2)
    assert len(false) > 5 * len(np.unique(np.round(false[:, LEFT] / 30), axis=0)) / 20


def test_nothing_to_detect_gives_no_detections():
    assert detect(FREE[:0]).shape == (0, 7)
