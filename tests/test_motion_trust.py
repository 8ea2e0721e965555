"""How far the network is followed: as far as what it said has come true."""

import numpy as np
import pytest
from motion_steps import step

from tracker.motion import load_predictor
from tracker.motion.head import OUTPUTS, corrected
from tracker.motion.kalman import MEAN, forecast, measurement_unit, process_unit, start, to_coordinates, warp
from tracker.motion.predictor import Observations
from tracker.motion.trust import AHEAD_S, FAR, NARROWEST, PRIOR, WIDTH_S, Trust, stretch

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


def learned(parameters, said, came, since_s=0.0, motion=None):
    trust = Trust(parameters)
    trust.remember(SLOTS, *said[:2], 1.0)
    if motion is not None:
        trust.warp(motion)
    trust.compare(SLOTS, came, np.full(200, since_s), 1.0 + AHEAD_S)
    return trust.shares


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
    trust = Trust(parameters)
    np.testing.assert_array_equal(trust.shares, 1)
    trust.remember(SLOTS[:1], state[:, :1], output[:1], 0.0)
    trust.compare(SLOTS[:1], 2 * mean[:1] - ours[:1], np.zeros(1), AHEAD_S)
    assert (trust.shares[4:12] > 0.8).all() and (trust.shares[4:12] < 1).any()


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
    trust = Trust(parameters)
    for number in range(20):
        trust.remember(SLOTS, state, output, float(number))
        detector = rng.normal(0, 1, ours.shape) * parameters.measurement_noise * measurement_unit(mean)
        came = ours + size * rng.laplace(0, spread / np.sqrt(2)) + detector
        trust.compare(SLOTS, came, np.zeros(200), number + AHEAD_S)
    assert trust.width == pytest.approx(size, abs=0.05 * size)


def test_no_width_is_narrower_than_a_lasting_error_of_the_detector_allows(parameters, said):
    trust = Trust(parameters)
    trust.remember(SLOTS, *said[:2], 0.0)
    trust.compare(SLOTS, said[3], np.zeros(200), AHEAD_S)
    assert trust.width == NARROWEST


def test_few_errors_make_the_width_hardly_another(parameters, said):
    trust = Trust(parameters)
    trust.remember(SLOTS[:3], said[0][:, :3], said[1][:3], 0.0)
    trust.compare(SLOTS[:3], said[3][:3], np.zeros(3), AHEAD_S)
    assert trust.width == pytest.approx(PRIOR / (PRIOR + 3))


def test_the_width_of_the_stream_counts_a_second_ahead_and_neither_at_once_nor_long_after():
    np.testing.assert_allclose(stretch(0.6, np.array([0.04, *WIDTH_S, 9.0])), [1, 1, 0.6, FAR, FAR])


def test_what_is_reported_has_the_width_and_what_is_matched_by_has_not():
    predictor, slots = load_predictor(), np.arange(30)
    for frame in range(100):
        corner = 100.0 * slots[:, None] + np.array([[2.0 * frame, 300]])
        seen = Observations(
            np.hstack([corner, corner + [40, 90]]).astype(np.float32), np.ones(30, np.float32), frame / 25
        )
        step(predictor, slots, seen, new=not frame)
    now = 99 / 25
    reported, matched = predictor.forecast(slots, now + 1), predictor.predict(slots, now + 1)
    assert predictor._trust.width < 0.9, "nothing moves so evenly"
    np.testing.assert_array_equal(reported.cxcywh, matched.cxcywh)
    np.testing.assert_allclose(reported.std / matched.std, predictor._trust.width, rtol=1e-5)
    edges = predictor.snapshot(slots, now)(np.ones(1, np.float32))[1][:, 0, 0]
    np.testing.assert_allclose(edges, np.hypot(reported.std[:, 0], reported.std[:, 2] / 2), rtol=1e-4)
    soon = now + WIDTH_S[0]
    np.testing.assert_array_equal(predictor.forecast(slots, soon).std, predictor.predict(slots, soon).std)


def test_it_is_due_at_once_and_then_every_0_8_s(parameters, said):
    trust = Trust(parameters)
    assert trust.due(0.0)
    trust.remember(SLOTS, *said[:2], 0.0)
    assert not trust.due(AHEAD_S - 0.01) and trust.due(AHEAD_S)


def test_a_predictor_learns_to_doubt_what_nothing_obeys():
    """Boxes that breathe as no object does: what the network says is followed less and less."""
    predictor, slots, rng = load_predictor(), np.arange(30), np.random.default_rng(0)
    shares = []
    for frame in range(200):
        size = 40 * np.exp(0.5 * np.sin(frame / 3 + slots))[:, None]
        corner = 100.0 * slots[:, None] + rng.normal(0, 3, (30, 2))
        seen = Observations(np.hstack([corner, corner + size]).astype(np.float32), np.ones(30, np.float32), frame / 25)
        step(predictor, slots, seen, new=not frame)
        shares.append(predictor._trust.shares[4:12].mean())
    assert shares[19] == 1 and shares[-1] < shares[40] < 1
