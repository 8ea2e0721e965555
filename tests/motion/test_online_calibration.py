"""How far the network is followed: as far as what it said has come true."""

import numpy as np
import pytest

from helpers.motion_steps import step
from tracker.motion.adaptation.online_calibration import (
    AHEAD_S,
    PRIOR,
    SOON_S,
    ForecastCalibration,
    OnlineCalibration,
    Slope,
    TailShape,
    Width,
)
from tracker.motion.head import OUTPUTS, corrected
from tracker.motion.kalman import (
    MEAN,
    VARIANCE,
    VELOCITY,
    forecast,
    measurement_unit,
    process_unit,
    start,
    to_coordinates,
    warp,
)
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations

SLOTS = np.arange(200)


@pytest.fixture
def parameters():
    return load_predictor("kalman").parameters


@pytest.fixture
def said(parameters):
    """Filter states and outputs of 200 tracks, and what filter and network make of them `AHEAD_S` later."""
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 500, (200, 2))
    state = start(to_coordinates(np.concatenate([corner, corner + [40, 100]], 1)), parameters)
    output = rng.normal(0, 0.2, (200, OUTPUTS))
    dt = np.full((200, 1), AHEAD_S)
    mean, std = forecast(state, dt, parameters)
    return state, output, mean, corrected(mean, std, process_unit(state[MEAN]), output, dt)[0]


def test_a_slope_is_the_share_that_comes_within_its_bounds():
    said = np.random.default_rng(0).normal(0, 1, (3000, 4))
    slope = Slope(prior=0.9, low=0.2, high=1.0)
    np.testing.assert_array_equal(slope.value, 0.9)
    slope.learn(said, said * [0.5, 0.9, -1, 3])
    np.testing.assert_allclose(slope.value, [0.5, 0.9, 0.2, 1.0], atol=0.01)


def test_a_prior_counts_as_much_as_its_precision():
    slope = Slope(prior=1.0, low=0, high=1, precision=10.0)
    slope.learn(np.ones((10, 4)), np.zeros((10, 4)))
    np.testing.assert_allclose(slope.value, 0.5)


@pytest.mark.parametrize("scale", [0.9, 1.0, 2.5])
def test_a_width_is_the_scale_of_laplace_distributed_errors(scale):
    width = Width()
    width.learn(np.abs(np.random.default_rng(0).laplace(0, scale / np.sqrt(2), (5000, 4))))
    assert width.value == pytest.approx(scale, rel=0.03)


@pytest.mark.parametrize("size", [0.5, 1.0, 2.0])
def test_the_shape_of_tails_does_not_depend_on_how_wide_they_are(size):
    rng = np.random.default_rng(0)
    normal, laplace = TailShape(), TailShape()
    normal.learn(rng.normal(0, size, (9000, 4)))
    laplace.learn(rng.laplace(0, size, (9000, 4)))
    assert normal.value == pytest.approx(normal.shortest, abs=0.01) and laplace.value == pytest.approx(1, abs=0.01)


def test_the_shortest_tails_hold_90_percent_of_a_normal_distribution():
    """A forecast's 90 % are those of a Laplace distribution, 1.63 standard deviations either way."""
    errors = np.random.default_rng(0).normal(0, 1, 1_000_000)
    std = np.sqrt(2) * np.abs(errors).mean() * TailShape().shortest  # of Laplace's of this mean size, and its factor
    assert (np.abs(errors) < np.log(10) / np.sqrt(2) * std).mean() == pytest.approx(0.9, abs=0.002)


def learned(parameters, said, came, since_s=0.0, motion=None):
    calibration = OnlineCalibration(parameters)
    calibration.remember(SLOTS, *said[:2], 1.0)
    if motion is not None:
        calibration.warp(motion)
    calibration.compare(SLOTS, came, np.full(200, since_s), 1.0 + AHEAD_S)
    return calibration.shares


def test_a_network_that_is_right_is_followed(parameters, said):
    np.testing.assert_allclose(learned(parameters, said, said[3]), 1)


def test_a_network_that_is_wrong_is_left_coordinate_by_coordinate_with_time(parameters, said):
    _, _, mean, ours = said
    came = ours.copy()
    came[:, 2] = 2 * mean[:, 2] - ours[:, 2]  # widths go the other way
    came[:, 3] = (mean[:, 3] + ours[:, 3]) / 2  # heights half as far
    shares = learned(parameters, said, came).reshape(5, 4)
    np.testing.assert_allclose(shares[1:3, :2], 1)
    assert (shares[1:3, 2] < 0.3).all() and (shares[1:3, 3] > 0.4).all() and (shares[1:3, 3] < 0.8).all()
    np.testing.assert_array_equal(shares[[0, 3, 4]], 1)  # what is so at once, and the spread


def test_little_evidence_changes_little(parameters, said):
    state, output, mean, ours = said
    calibration = OnlineCalibration(parameters)
    np.testing.assert_array_equal(calibration.shares, 1)
    calibration.remember(SLOTS[:1], state[:, :1], output[:1], 0.0)
    calibration.compare(SLOTS[:1], 2 * mean[:1] - ours[:1], np.zeros(1), AHEAD_S)
    assert (calibration.shares[4:12] > 0.8).all() and (calibration.shares[4:12] < 1).any()


def test_a_slot_that_has_another_track_by_now_says_nothing(parameters, said):
    elsewhere = said[2] + 50
    np.testing.assert_array_equal(learned(parameters, said, elsewhere, since_s=1.5), 1)
    assert (learned(parameters, said, elsewhere, since_s=0.5)[:12] < 1).any()


def test_the_camera_may_move_in_between(parameters, said):
    _, _, mean, ours = said
    came = (mean + ours) / 2
    affine = np.array([[1.2, 0, 30], [0, 1.2, -20]])
    moved = came.copy()
    warp(moved, affine)
    there = learned(parameters, said, moved, motion=affine)
    np.testing.assert_allclose(there, learned(parameters, said, came), atol=1e-6)


@pytest.mark.parametrize("size", [0.9, 1.0, 1.3])
def test_the_width_is_that_of_the_errors_without_the_detectors_own(parameters, said, size):
    state, output, mean, ours = said
    dt = np.full((200, 1), AHEAD_S)
    spread = corrected(mean, forecast(state, dt, parameters)[1], process_unit(state[MEAN]), output, dt)[1]
    rng = np.random.default_rng(1)
    calibration = OnlineCalibration(parameters)
    for number in range(20):
        calibration.remember(SLOTS, state, output, float(number))
        detector = rng.normal(0, 1, ours.shape) * parameters.measurement_noise * measurement_unit(mean)
        came = ours + size * rng.laplace(0, spread / np.sqrt(2)) + detector
        calibration.compare(SLOTS, came, np.zeros(200), number + AHEAD_S)
    assert calibration.width.value == pytest.approx(size, abs=0.05 * size)


def test_no_width_is_narrower_than_a_lasting_error_of_the_detector_allows(parameters, said):
    calibration = OnlineCalibration(parameters)
    calibration.remember(SLOTS, *said[:2], 0.0)
    calibration.compare(SLOTS, said[3], np.zeros(200), AHEAD_S)
    assert calibration.width.value == Width().narrowest


def test_few_errors_make_the_width_hardly_another(parameters, said):
    calibration = OnlineCalibration(parameters)
    state, output, ours = said[0][:, :3], said[1][:3], said[3][:3]
    begin, _ = corrected(state[MEAN], np.sqrt(state[VARIANCE]), process_unit(state[MEAN]), output, np.zeros((3, 1)))
    calibration.remember(SLOTS[:3], state, output, 0.0)
    calibration.compare(SLOTS[:3], begin + calibration.move.prior * (ours - begin), np.zeros(3), AHEAD_S)
    assert calibration.width.value == pytest.approx(PRIOR / (PRIOR + 3))


def test_each_width_counts_at_its_own_distance():
    calibration = ForecastCalibration(np.ones(4), near=0.9, width=0.6)
    zero, dt = np.zeros(4), np.array([[0.04], *([s] for s in calibration.seconds), [9.0]])
    _, std = calibration(zero, np.zeros((6, 4)), np.ones((6, 4)), dt)
    np.testing.assert_allclose(std, np.tile([[0.9], [0.9], [1], [0.6], [calibration.far], [calibration.far]], 4))


def test_a_forecast_goes_its_share_of_the_way_a_nearer_one_more():
    begin, mean, dt = np.full(4, 10.0), np.full((4, 4), 20.0), np.array([[0], [AHEAD_S / 2], [AHEAD_S], [5.0]])
    box, _ = ForecastCalibration(np.array([0.8, 1, 1, 0.5]), 1, 1)(begin, mean, np.ones((4, 4)), dt)
    np.testing.assert_allclose(box[:, 0], [20, 19, 18, 18])
    np.testing.assert_allclose(box[:, 3], [20, 17.5, 15, 15])


@pytest.mark.parametrize(("went", "expected"), [(0.7, 0.7), (1, 1), (0, 0.5), (2, 1.1)])
def test_the_way_is_how_far_things_went_of_what_was_said(parameters, said, went, expected):
    state, output = said[0].copy(), np.zeros((200, OUTPUTS))
    begin = state[MEAN]
    state[VELOCITY] = np.random.default_rng(1).normal(0, 1, begin.shape) * process_unit(begin)
    way = forecast(state, np.full((200, 1), AHEAD_S), parameters)[0] - begin
    calibration = OnlineCalibration(parameters)
    np.testing.assert_array_equal(calibration.move.value, calibration.move.prior)
    for number in range(20):
        calibration.remember(SLOTS, state, output, float(number))
        calibration.compare(SLOTS, begin + went * way, np.zeros(200), number + AHEAD_S)
    before = calibration.snapshot()
    np.testing.assert_allclose(before.move, expected, atol=0.02)
    calibration.remember(SLOTS, state, output, 50.0)
    calibration.compare(SLOTS, begin + 0.8 * way, np.zeros(200), 50 + AHEAD_S)
    np.testing.assert_allclose(before.move, expected, atol=0.02, err_msg="it stays as it was")


@pytest.mark.parametrize(("kind", "expected"), [("normal", TailShape().shortest), ("laplace", 1.0)])
def test_the_next_frames_interval_is_shorter_where_errors_are_normal(parameters, said, kind, expected):
    state, output, *_ = said
    dt, rng, calibration = np.full((200, 1), 0.04), np.random.default_rng(0), OnlineCalibration(parameters)
    mean, spread = corrected(*forecast(state, dt, parameters), process_unit(state[MEAN]), output, dt)
    noise = parameters.measurement_noise * measurement_unit(mean)
    for number in range(20):
        calibration.remember(SLOTS, state, output, float(number))
        error = getattr(rng, kind)(0, 0.7, mean.shape) * np.hypot(spread, noise)
        calibration.learn_shape(SLOTS, mean + error, np.zeros(200), number + 0.04)
    assert calibration.tails.value == pytest.approx(expected, abs=0.02)


def test_later_frames_say_nothing_of_that_shape(parameters, said):
    calibration = OnlineCalibration(parameters)
    calibration.remember(SLOTS, *said[:2], 0.0)
    calibration.learn_shape(SLOTS, said[3], np.zeros(200), SOON_S + 0.01)
    assert calibration.tails.value == 1


def test_what_is_reported_has_way_and_width_and_what_is_matched_by_has_not():
    predictor, slots = load_predictor(), np.arange(30)
    for frame in range(100):
        corner = 100.0 * slots[:, None] + np.array([[2.0 * frame, 300]])
        seen = Observations(
            np.hstack([corner, corner + [40, 90]]).astype(np.float32), np.ones(30, np.float32), frame / 25
        )
        step(predictor, slots, seen, new=not frame)
    now = 99 / 25
    reported, matched = predictor.forecast(slots, now + AHEAD_S), predictor.predict(slots, now + AHEAD_S)
    begin, way = predictor.predict(slots, now), predictor._calibration.move.value
    assert predictor._calibration.width.value < 0.9, "nothing moves so evenly"
    assert way[0] > 0.97, "and all of it goes on"
    np.testing.assert_allclose(
        reported.cxcywh[:, :2], begin.cxcywh[:, :2] + way[:2] * (matched.cxcywh - begin.cxcywh)[:, :2], rtol=1e-5
    )
    np.testing.assert_allclose(reported.std[:, :2] / matched.std[:, :2], predictor._calibration.width.value, rtol=1e-5)
    edges = predictor.snapshot(slots, now)(np.full(1, AHEAD_S, np.float32))[1][:, 0, 0]
    np.testing.assert_allclose(edges, np.hypot(reported.std[:, 0], reported.std[:, 2] / 2), rtol=1e-4)
    soon = now + predictor._calibration.snapshot().seconds[1]
    np.testing.assert_allclose(
        predictor.forecast(slots, soon).std[:, :2], predictor.predict(slots, soon).std[:, :2], rtol=1e-5
    )


def test_it_is_due_at_once_and_then_every_0_8_s(parameters, said):
    calibration = OnlineCalibration(parameters)
    assert calibration.due(0.0)
    calibration.remember(SLOTS, *said[:2], 0.0)
    assert not calibration.due(AHEAD_S - 0.01) and calibration.due(AHEAD_S)


def test_a_predictor_learns_to_doubt_what_nothing_obeys():
    """Boxes that breathe as no object does: what the network says is followed less and less."""
    predictor, slots, rng = load_predictor(), np.arange(30), np.random.default_rng(0)
    shares = []
    for frame in range(200):
        size = 40 * np.exp(0.5 * np.sin(frame / 3 + slots))[:, None]
        corner = 100.0 * slots[:, None] + rng.normal(0, 3, (30, 2))
        seen = Observations(np.hstack([corner, corner + size]).astype(np.float32), np.ones(30, np.float32), frame / 25)
        step(predictor, slots, seen, new=not frame)
        shares.append(predictor._calibration.shares[4:12].mean())
    assert shares[19] == 1 and shares[-1] < shares[40] < 1
