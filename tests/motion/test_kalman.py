"""The damped-velocity Kalman filter: its mathematics, and the protocol every motion model offers."""

import pickle

import numpy as np
import pytest

from helpers.motion_steps import step
from tracker.boxes import cxcywh_to_xyxy, paired_iou
from tracker.motion.kalman import (
    COVARIANCE,
    MEAN,
    VARIANCE,
    VELOCITY,
    VELOCITY_VARIANCE,
    KalmanParameters,
    correct,
    forecast,
    propagate,
    start,
)
from tracker.motion.kalman_predictor import KalmanPredictor, SlotFilter
from tracker.motion.learned import LearnedPredictor
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations

PARAMETERS = KalmanParameters(
    damping=np.array([0.5, 0.8, 1.0, 2.0]),
    velocity_noise=np.array([0.6, 0.3, 0.2, 0.1]),
    position_noise=np.array([0.05, 0.02, 0.03, 0.04]),
    measurement_noise=np.array([0.05, 0.03, 0.08, 0.04]),
    start_velocity=np.array([1.0, 0.5, 0.3, 0.2]),
)


def seen(xyxy, time_s, **more):
    xyxy = np.asarray(xyxy, np.float32)
    return Observations(xyxy, np.ones(len(xyxy), np.float32), time_s, **more)


def walkers(time_s, count=3):
    """Boxes 40 x 100 that walk to the right, each at its own speed in pixels a second."""
    centre = np.stack([200 + 60 * np.arange(1, count + 1) * time_s, np.full(count, 300.0)], axis=1)
    return cxcywh_to_xyxy(np.concatenate([centre, np.tile([40.0, 100.0], (count, 1))], axis=1)).astype(np.float32)


@pytest.fixture
def state(rng):
    mean = np.array([300.0, 200.0, np.log(40), np.log(100)]) + rng.normal(0, 0.1, (5, 4))
    return propagate(start(mean, PARAMETERS), np.full((5, 1), 0.2), PARAMETERS)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_two_short_steps_are_one_long_step_up_to_the_change_of_the_noise_unit(state):
    halves = propagate(propagate(state, np.full((5, 1), 0.3), PARAMETERS), np.full((5, 1), 0.4), PARAMETERS)
    whole = propagate(state, np.full((5, 1), 0.7), PARAMETERS)
    np.testing.assert_allclose(halves, whole, rtol=1e-9)


def test_propagation_is_the_matrix_form_of_the_textbook(state):
    """Van Loan's integral, numerically: P' = F P F^T + integral of F(s) G F(s)^T ds."""
    dt, track, coordinate = 0.5, 2, 0
    height = np.exp(state[MEAN, track, 3])
    d = PARAMETERS.damping[coordinate]

    def transition(s):
        return np.array([[1, (1 - np.exp(-d * s)) / d], [0, np.exp(-d * s)]])

    noise = np.diag(
        [(PARAMETERS.position_noise[coordinate] * height) ** 2, (PARAMETERS.velocity_noise[coordinate] * height) ** 2]
    )
    middles = (np.arange(2000) + 0.5) * dt / 2000
    added = sum(transition(s) @ noise @ transition(s).T for s in middles) * dt / 2000
    var, cov, vel = state[VARIANCE:, track, coordinate]
    expected = transition(dt) @ np.array([[var, cov], [cov, vel]]) @ transition(dt).T + added
    got = propagate(state, np.full((5, 1), dt), PARAMETERS)[:, track, coordinate]
    np.testing.assert_allclose(
        [got[VARIANCE], got[COVARIANCE], got[VELOCITY_VARIANCE]],
        [expected[0, 0], expected[0, 1], expected[1, 1]],
        rtol=1e-5,
    )


def test_a_correction_is_bayes_rule(state, rng):
    observed = state[MEAN] + rng.normal(0, 3, (5, 4))
    got = correct(state, observed, PARAMETERS)
    track, coordinate = 1, 1
    mean, velocity, var, cov, vel = state[:, track, coordinate]
    noise = (PARAMETERS.measurement_noise[coordinate] * np.exp(state[MEAN, track, 3])) ** 2
    prior, h = np.array([[var, cov], [cov, vel]]), np.array([[1.0, 0.0]])
    posterior = np.linalg.inv(np.linalg.inv(prior) + h.T @ h / noise)
    expected = posterior @ (np.linalg.inv(prior) @ [mean, velocity] + h[0] * observed[track, coordinate] / noise)
    np.testing.assert_allclose(got[[MEAN, VELOCITY], track, coordinate], expected, rtol=1e-9)
    np.testing.assert_allclose(got[VARIANCE, track, coordinate], posterior[0, 0], rtol=1e-9)
    np.testing.assert_allclose(got[VELOCITY_VARIANCE, track, coordinate], posterior[1, 1], rtol=1e-9)


def test_the_filter_is_the_same_in_pytorch(state):
    torch = pytest.importorskip("torch")
    p = KalmanParameters(**{name: torch.from_numpy(value) for name, value in vars(PARAMETERS).items()})
    dt = np.full((5, 1), 0.1)
    ours = correct(propagate(state, dt, PARAMETERS), state[MEAN], PARAMETERS)
    theirs = correct(propagate(torch.from_numpy(state), torch.from_numpy(dt), p), torch.from_numpy(state[MEAN]), p)
    np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-12)
    np.testing.assert_allclose(
        forecast(torch.from_numpy(state), torch.from_numpy(dt), p)[1].numpy(),
        np.sqrt(propagate(state, dt, PARAMETERS)[VARIANCE]),
        rtol=1e-12,
    )


@pytest.fixture(params=["kalman", "lstm"])
def predictor(request):
    return load_predictor(request.param)


def test_what_walks_on_is_found_where_it_walks(predictor):
    slots = np.array([4, 0, 2])
    step(predictor, slots, seen(walkers(0.0), 0.0), new=True)
    for frame in range(1, 30):
        step(predictor, slots, seen(walkers(frame / 30), frame / 30))
    soon = predictor.predict(slots, 31 / 30)
    assert (paired_iou(soon.xyxy, walkers(31 / 30)) > 0.85).all()
    later = predictor.predict(slots, 2.0)
    moved = later.cxcywh[:, 0] - soon.cxcywh[:, 0]
    assert (np.diff(moved) > 5).all(), "who is faster gets further"
    assert (later.std > soon.std).all(), "the future is less certain the further it is"


def test_uncertainty_grows_while_nothing_is_seen_and_shrinks_when_it_is(predictor):
    slots = np.array([0])
    step(predictor, slots, seen(walkers(0.0, 1), 0.0), new=True)
    at_birth = predictor.predict(slots, 0.1).std
    for frame in range(1, 20):
        step(predictor, slots, seen(walkers(frame / 20, 1), frame / 20))
    known = predictor.predict(slots, 1.05).std
    assert (known[:, :2] < at_birth[:, :2]).all()
    assert (predictor.predict(slots, 5.0).std > 2 * known).all()


def test_predict_changes_nothing_and_slots_do_not_touch_each_other(predictor):
    slots = np.arange(3)
    for frame in range(10):
        step(predictor, slots, seen(walkers(frame / 30), frame / 30), new=not frame)
    before = predictor.predict(slots, 1.0)
    predictor.predict(slots, 9.0)
    step(predictor, np.array([1]), seen(walkers(2.0, 1) + 50, 2.0))
    after = predictor.predict(slots, 1.0)
    np.testing.assert_array_equal(before.cxcywh[[0, 2]], after.cxcywh[[0, 2]])
    assert not np.allclose(before.cxcywh[1], after.cxcywh[1])


def test_the_order_and_the_company_of_tracks_do_not_matter(predictor):
    alone, together = np.array([7]), np.array([3, 1, 2])
    for frame in range(12):
        boxes = walkers(frame / 30)
        step(predictor, together, seen(boxes, frame / 30), new=not frame)
        step(predictor, alone, seen(boxes[[2]], frame / 30), new=not frame)
    single, batched = predictor.predict(alone, 1.0), predictor.predict(together[::-1], 1.0)
    np.testing.assert_allclose(single.cxcywh[0], batched.cxcywh[0], rtol=1e-5)
    np.testing.assert_allclose(single.std[0], batched.std[0], rtol=1e-4)


def test_starting_a_slot_again_forgets_what_it_held(predictor):
    slot = np.array([0])
    step(predictor, slot, seen(walkers(0.0, 1), 0.0), new=True)
    fresh = predictor.predict(slot, 0.5)
    for frame in range(1, 9):
        step(predictor, slot, seen(walkers(frame / 9, 1), frame / 9))
    step(predictor, slot, seen(walkers(0.0, 1), 0.0), new=True)
    np.testing.assert_array_equal(predictor.predict(slot, 0.5).cxcywh, fresh.cxcywh)
    np.testing.assert_array_equal(predictor.predict(slot, 0.5).std, fresh.std)


def test_a_pan_and_zoom_of_the_camera_moves_the_state_with_the_picture(predictor):
    """Tracks warped once see what tracks filmed by the other camera from the start have seen."""
    zoom, shift = 1.2, np.array([30.0, -20.0])
    affine = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    here, there = np.arange(3), np.arange(3, 6)
    for frame in range(15):
        boxes = walkers(frame / 30)
        other = boxes * zoom + np.tile(shift, 2)
        step(predictor, here, seen(boxes, frame / 30), new=not frame)
        step(predictor, there, seen(other, frame / 30), new=not frame)
    predictor.warp(here, affine)
    for horizon in (15 / 30, 1.5):
        a, b = predictor.predict(here, horizon), predictor.predict(there, horizon)
        np.testing.assert_allclose(a.cxcywh, b.cxcywh, rtol=1e-3)
        np.testing.assert_allclose(a.std, b.std, rtol=1e-3)


def test_a_snapshot_says_the_same_whatever_happens_after(predictor):
    slots = np.arange(2)
    for frame in range(10):
        step(predictor, slots, seen(walkers(frame / 30, 2), frame / 30), new=not frame)
    ahead = predictor.snapshot(slots, 9 / 30)
    expected = predictor.forecast(slots, 9 / 30 + 1.0).xyxy
    step(predictor, slots, seen(walkers(3.0, 2) + 100, 3.0))
    predictor.warp(slots, np.array([[2.0, 0, 5], [0, 2, 5]]))
    boxes, std = ahead(np.array([0.5, 1.0], np.float32))
    assert boxes.shape == std.shape == (2, 2, 4)
    np.testing.assert_allclose(boxes[:, 1], expected, atol=0.01)
    assert (std[:, 1] > std[:, 0]).all()
    none, _ = ahead(np.zeros(0, np.float32))
    assert none.shape == (2, 0, 4)


def test_a_fresh_one_is_the_same_model_and_has_seen_nothing(predictor):
    slots = np.arange(2)

    def walk(model):
        for frame in range(10):
            step(model, slots, seen(walkers(frame / 30, 2), frame / 30), new=not frame)
        return model.predict(slots, 1.0)

    first = walk(predictor)
    again = walk(predictor.fresh())
    np.testing.assert_array_equal(again.cxcywh, first.cxcywh)
    np.testing.assert_array_equal(again.std, first.std)
    np.testing.assert_array_equal(predictor.predict(slots, 1.0).cxcywh, first.cxcywh)


def test_no_tracks_are_no_trouble(predictor):
    none = np.zeros(0, np.int64)
    step(predictor, none, seen(np.zeros((0, 4)), 0.0), new=True)
    step(predictor, none, seen(np.zeros((0, 4)), 0.1))
    predictor.warp(none, np.eye(2, 3))
    assert predictor.predict(none, 0.2).cxcywh.shape == (0, 4)
    assert predictor.snapshot(none, 0.2)(np.ones(3, np.float32))[0].shape == (0, 3, 4)


def test_extreme_gaps_sizes_and_speeds_stay_finite(predictor):
    slots = np.arange(2)
    step(predictor, slots, seen([[0, 0, 1e-3, 1e-3], [-1e5, 0, 1e5, 4e5]], 0.0), new=True)
    step(predictor, slots, seen([[5000, 5000, 5010, 5900], [0, 0, 1e-2, 1e-2]], 1e-4))
    step(predictor, slots, seen([[0, 0, 10, 10], [0, 0, 10, 10]], 1e5))
    for time_s in (1e5, 1e5 + 0.04, 2e5):
        p = predictor.predict(slots, time_s)
        assert np.isfinite(p.cxcywh).all() and np.isfinite(p.std).all() and (p.std > 0).all()


def test_a_filter_alone_is_what_kalman_names():
    assert type(load_predictor("kalman")) is KalmanPredictor


def test_the_predictors_have_a_filter_and_are_none():
    learned, alone = load_predictor(), load_predictor("kalman")
    assert type(learned.filter) is type(alone.filter) is SlotFilter
    assert not issubclass(LearnedPredictor, KalmanPredictor)


def test_the_network_leaves_the_filter_as_it_is_alone():
    learned, alone, slots = load_predictor(), load_predictor("kalman"), np.arange(3)
    for frame in range(12):
        for predictor in (learned, alone):
            step(predictor, slots, seen(walkers(frame / 25), frame / 25), new=not frame)
            if frame % 3 == 1:
                predictor.warp(slots, np.array([[1.01, 0, 3], [0, 1.01, -2]]))
    np.testing.assert_array_equal(learned.filter.state(slots), alone.filter.state(slots))
    learned.predict(slots, 0.5)
    np.testing.assert_array_equal(learned.filter.state(slots), alone.filter.state(slots))


@pytest.mark.parametrize("model", ["", "kalman"])
def test_an_observation_is_the_same_with_and_without_a_prediction_before(model):
    asked, unasked, slots = load_predictor(model), load_predictor(model), np.arange(3)
    for frame in range(6):
        for predictor in (asked, unasked):
            if frame and predictor is asked:
                predictor.predict(slots, frame / 25)
            step(predictor, slots, seen(walkers(frame / 25), frame / 25), new=not frame)
    for predictor in (asked, unasked):
        predictor.predict(slots, 0.3)
    np.testing.assert_array_equal(asked.filter.state(slots), unasked.filter.state(slots))
    np.testing.assert_array_equal(asked.predict(slots, 1.0).cxcywh, unasked.predict(slots, 1.0).cxcywh)


@pytest.mark.parametrize("model", ["", "kalman"])
def test_a_forecast_can_be_sent_to_another_process(model):
    predictor, slots, seconds = load_predictor(model), np.arange(3), np.array([0.1, 1.0], np.float32)
    step(predictor, slots, seen(walkers(0), 0), new=True)
    forecast_ = predictor.snapshot(slots, 0.0)
    for here, there in zip(forecast_(seconds), pickle.loads(pickle.dumps(forecast_))(seconds), strict=True):
        np.testing.assert_array_equal(here, there)
