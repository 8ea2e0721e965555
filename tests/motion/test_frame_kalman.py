"""The Kalman filters of SORT's descendants: theirs with their constants, and fair opponents with fitted ones."""

import numpy as np
import pytest

from helpers.motion_data import write_sequence
from helpers.motion_steps import step
from tracker.motion.baselines.frame_kalman import (
    CLASSIC,
    FITTED,
    FrameKalman,
    correct,
    from_aspect,
    propagate,
    start,
    to_aspect,
)
from tracker.motion.predictor import Observations

BOX = np.array([[100.0, 200, 40, 90], [300, 50, 200, 80]])
both = pytest.mark.parametrize("name", ["xyah", "xywh"])


@both
def test_the_classic_filter_is_that_of_ultralytics(name):
    """Means and standard deviations of the installed package's own filters, on the same observations."""
    module = pytest.importorskip("ultralytics.trackers.utils.kalman_filter")
    aspect = name == "xyah"
    theirs = module.KalmanFilterXYAH() if aspect else module.KalmanFilterXYWH()
    ours, slot = FrameKalman(1 / 30, CLASSIC[name], aspect), np.array([0])
    mean = covariance = None
    for frame in range(12):
        box = np.array([100.0 + 3 * frame, 200 - frame, 40, 90 + frame])
        measured = np.array([box[0], box[1], box[2] / box[3] if aspect else box[2], box[3]])
        xyxy = np.array([[box[0] - 20, box[1] - box[3] / 2, box[0] + 20, box[1] + box[3] / 2]], np.float32)
        seen = Observations(xyxy, np.ones(1, np.float32), frame / 30)
        if mean is not None:
            mean, covariance = theirs.predict(mean, covariance)
            got = ours.predict(slot, frame / 30)
            np.testing.assert_allclose(got.cxcywh[0, [0, 1, 3]], mean[[0, 1, 3]], rtol=1e-4)
            np.testing.assert_allclose(got.std[0, [0, 1, 3]] ** 2, np.diag(covariance)[[0, 1, 3]], rtol=1e-3)
            mean, covariance = theirs.update(mean, covariance, measured)
            step(ours, slot, seen)
        else:
            mean, covariance = theirs.initiate(measured)
            step(ours, slot, seen, new=True)


@both
def test_several_frames_at_once_are_so_many_steps(name):
    noise, aspect = CLASSIC[name], name == "xyah"
    box = to_aspect(BOX) if aspect else BOX
    begin = correct(start(box, noise, aspect), box * 1.01, noise, aspect)
    begin[1] = 0  # a box that moves changes the unit of its noise on the way
    one_by_one = begin
    for _ in range(7):
        one_by_one = propagate(one_by_one, np.ones((2, 1)), noise, aspect)
    np.testing.assert_allclose(propagate(begin, np.full((2, 1), 7.0), noise, aspect), one_by_one, rtol=1e-9)


@both
def test_constants_for_a_second_say_the_same_at_any_frame_rate(name):
    """A second ahead, of tracks just begun: the steps in between do not matter, up to what a frame is long."""
    aspect = name == "xyah"
    box = to_aspect(BOX) if aspect else BOX
    spread = []
    for rate in (50, 100):
        noise = FITTED[name].per_frame(1 / rate)
        spread.append(propagate(start(box, noise, aspect), np.full((2, 1), float(rate)), noise, aspect)[2] ** 0.5)
    np.testing.assert_allclose(*spread, rtol=0.02)


def test_aspects_there_and_back():
    mean, std = from_aspect(to_aspect(BOX), np.array([[1.0, 2, 0.1, 3]] * 2))
    np.testing.assert_allclose(mean, BOX)
    ratio = BOX[:, 2] / BOX[:, 3]
    np.testing.assert_allclose(std[:, 2], np.hypot(0.1 * BOX[:, 3], 3 * ratio))


@pytest.mark.slow
def test_the_fit_makes_the_future_likelier(tmp_path):
    pytest.importorskip("torch")
    import fit_frame_kalman
    from tracker.train.motion.augmentation import Augmentation
    from tracker.train.motion.settings import MotionTraining
    from tracker.train.motion.tracks import read_tracks
    from tracker.train.motion.windows import WindowSampler

    write_sequence(tmp_path, "SEQ", frames=80, tracks=8)
    sampler = WindowSampler(read_tracks([tmp_path], (), (), (), lambda _: None), Augmentation())
    windows = sampler.draw(np.random.default_rng(9), 64, 12, 0)
    for name, classic in CLASSIC.items():
        aspect = name == "xyah"
        fitted = fit_frame_kalman.fit(sampler, MotionTraining(), aspect, steps=40)
        before, after = (
            float(fit_frame_kalman.loss(windows, fit_frame_kalman.tensors(noise), aspect))
            for noise in (classic.per_frame(30.0), fitted)
        )
        assert after < before - 0.05, name
