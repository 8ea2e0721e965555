"""Degradation is what was asked for, by a fixed seed."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tracker.affine import identity
from tracker.boxes import tlwh_to_xyxy
from tracker.datasets import degrade
from tracker.datasets.mot import FRAME, MotSequence

LENGTH = 400
TRUTH = np.array(
    [[f, i, 100 * i + f, 50 * i, 40, 80, int(i < 5), 1, 1] for f in range(1, LENGTH + 1) for i in range(6)], float
)  # five objects, one not flagged


def detect(seed: int = 0, **settings: float) -> np.ndarray:
    return degrade.from_truth(
        TRUTH, LENGTH, (1280, 720), degrade.generator(seed, "A"), replace(degrade.MEDIOCRE, **settings)
    )


def test_the_same_seed_gives_the_same_detections_and_another_others() -> None:
    np.testing.assert_array_equal(detect(3), detect(3))
    assert not np.array_equal(detect(3)[:5], detect(4)[:5])
    first, second = (degrade.generator(0, name).random() for name in "AB")
    assert first != second


def test_the_share_of_missed_and_false_detections_is_as_asked() -> None:
    assert len(detect(drop=0, false_positives=0)) == 5 * LENGTH
    assert len(detect(drop=0.3, false_positives=0)) == pytest.approx(5 * LENGTH * 0.7, rel=0.05)
    false = len(detect(drop=0, false_positives=0.5)) - 5 * LENGTH
    assert false == pytest.approx(0.5 * LENGTH, rel=0.2)


def test_jitter_is_in_box_sizes() -> None:
    exact, moved = detect(jitter=0, drop=0, false_positives=0), detect(jitter=0.05, drop=0, false_positives=0)
    np.testing.assert_allclose(np.unique(exact[:, 2:6], axis=0), np.unique(TRUTH[TRUTH[:, 6] > 0][:, 2:6], axis=0))
    assert np.log(moved[:, 4] / 40).std() == pytest.approx(0.05, rel=0.1)
    assert np.log(moved[:, 5] / 80).std() == pytest.approx(0.05, rel=0.1)


def test_detections_come_by_frame_and_their_order_tells_nothing_of_ids() -> None:
    rows = detect(jitter=0, drop=0, false_positives=0)
    assert (np.diff(rows[:, FRAME]) >= 0).all()
    orders = {tuple(rows[rows[:, FRAME] == f][:, 3]) for f in range(1, 50)}
    assert len(orders) > 10


def test_nothing_to_detect_gives_no_detections() -> None:
    assert degrade.from_truth(TRUTH[:0], 5, (640, 480), degrade.generator(0, "A")).shape == (0, 7)


def test_real_detections_can_be_made_worse_and_keep_their_scores() -> None:
    real = detect()
    same = degrade.degraded(real, LENGTH, (1280, 720), degrade.generator(1, "A"), degrade.Degradation())
    np.testing.assert_allclose(same, real)
    worse = degrade.degraded(
        real, LENGTH, (1280, 720), degrade.generator(1, "A"), degrade.Degradation(drop=0.5, false_positives=1)
    )
    assert len(worse) == pytest.approx(0.5 * len(real) + LENGTH, rel=0.05)
    kept = np.isin(worse[:, 6], real[:, 6])
    assert kept.sum() == pytest.approx(0.5 * len(real), rel=0.05)


def test_degraded_detections_are_fewer_and_their_noise_persists() -> None:
    perfect = TRUTH[TRUTH[:, 6] > 0][:, :7].copy()
    worse = degrade.degrade(perfect, TRUTH, 25, degrade.generator(0, "A"), drop=0.2)
    assert len(worse) == pytest.approx(0.8 * len(perfect), rel=0.1)
    one = worse[worse[:, 1] == 2]
    error = (one[:, 2] + one[:, 4] / 2 - 220 - one[:, 0]) / 40
    neighbours = np.diff(one[:, 0]) == 1
    assert np.corrcoef(error[:-1][neighbours], error[1:][neighbours])[0, 1] > 0.6
    gaps = np.diff(one[:, 0]) - 1
    assert gaps[gaps > 0].mean() == pytest.approx(0.4 * 25, rel=0.5)  # bursts, not single frames


def test_stray_detections_get_bolder_only() -> None:
    stray = np.array([[1, -1, 900, 600, 40, 80, 0.3]])
    worse = degrade.degrade(stray, TRUTH, 25, degrade.generator(0, "A"), drop=0)
    np.testing.assert_array_equal(worse[:, :6], stray[:, :6])
    assert worse[0, 6] > 0.3


def test_a_stride_keeps_every_kth_frame_from_the_first() -> None:
    kept = degrade.stride(TRUTH, 5)
    assert np.unique(kept[:, FRAME]).tolist() == list(range(1, 81))
    np.testing.assert_array_equal(kept[kept[:, FRAME] == 2][:, 1:], TRUTH[TRUTH[:, FRAME] == 6][:, 1:])
    sequence = MotSequence(Path("A"), 401, 25, (1, 1), Path("img1"))
    assert (degrade.stride_sequence(sequence, 5).length, degrade.stride_sequence(sequence, 5).fps) == (81, 5)


def test_a_part_is_renumbered() -> None:
    part = degrade.between(TRUTH, 11, 20)
    assert (part[:, FRAME].min(), part[:, FRAME].max()) == (1, 10)
    np.testing.assert_array_equal(part[0, 1:], TRUTH[TRUTH[:, FRAME] == 11][0, 1:])


def test_camera_motion_is_composed_over_the_frames_left_out() -> None:
    rng = np.random.default_rng(0)
    motion = np.stack([identity() + rng.normal(0, 0.02, (2, 3)) for _ in range(12)])
    kept = degrade.stride_motion(motion, 5)
    assert kept.shape == (3, 2, 3)
    np.testing.assert_array_equal(kept[0], identity())
    point = moved = np.array([3.0, 4.0, 1.0])
    for affine in motion[1:6]:
        moved = np.append(affine @ moved, 1)
    np.testing.assert_allclose(kept[1] @ point, moved[:2])


def test_jitter_never_turns_a_box_inside_out() -> None:
    boxes = tlwh_to_xyxy(detect(jitter=0.5)[:, 2:6])
    assert (boxes[:, 2:] > boxes[:, :2]).all()
