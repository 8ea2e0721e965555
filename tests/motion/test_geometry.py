"""What the network is told of an observation: each number by its name."""

import numpy as np
import pytest

from tracker.motion.geometry import AT, COLUMNS, FAR, GEOMETRY_SIZE, Step, geometry
from tracker.motion.kalman import (
    MEAN,
    VARIANCE,
    VELOCITY,
    VELOCITY_VARIANCE,
    KalmanParameters,
    correct,
    measurement_unit,
    propagate,
    start,
    to_coordinates,
)

P = KalmanParameters(*(np.full(4, value) for value in (0.5, 0.3, 0.05, 0.05, 0.8)))


def a_step(dt=0.2, moved=(9.0, -4.0), frame=(640.0, 480.0), age=1.5):
    """Three objects of different size that were seen `dt` before, here and `moved` from there."""
    before = np.array([[100.0, 100, 140, 200], [300, 50, 330, 130], [20, 300, 80, 470]])
    last, observed = to_coordinates(before), to_coordinates(before + np.tile(moved, 2))
    predicted = propagate(start(last, P), np.full((3, 1), dt), P)
    filtered = correct(predicted, observed, P)
    score = np.array([0.9, 0.6, 0.3])
    return Step(
        observed, last, predicted, filtered, np.full(3, dt), np.full(3, age), score, score + 0.05, score - 0.2,
        np.array([1.0, 0, 0]), np.array(frame),
    )  # fmt: skip


def told(step):
    """By name, what the network is told before it is scaled, where no bound has cut it."""
    g = geometry(step, P).astype(np.float64)
    return {c.name: (g[..., AT[c.name]] - c.shift) / c.scale for c in COLUMNS}


def test_the_kinds_stand_side_by_side_and_are_47_numbers():
    assert np.concatenate([np.arange(GEOMETRY_SIZE)[AT[c.name]] for c in COLUMNS]).tolist() == list(range(47))
    assert all(c.low < c.high and c.scale > 0 for c in COLUMNS)


def test_the_model_that_ships_was_trained_with_these_scales_and_bounds():
    def by_kind(field):
        return [getattr(c, field) for c in COLUMNS]

    assert [c.width for c in COLUMNS] == [4] * 8 + [1] * 9 + [4, 1, 1]
    assert by_kind("scale") == [0.5] + [1] * 4 + [2, 0.25, 0.25, 0.5, 1, 1, 1, 2] + [1] * 6 + [0.5]
    assert by_kind("shift") == [0] * 6 + [1.5, 0.5, 1, 0, 0, 0, -1.4] + [0] * 6 + [1]
    assert by_kind("low") == [-3] * 3 + [-8] * 2 + [-2] + [-10] * 11 + [-1] + [-10] * 2
    assert by_kind("high") == [3] * 3 + [8] * 2 + [2] + [10] * 11 + [FAR] + [10] * 2


def test_each_number_is_what_its_name_says():
    step = a_step()
    got, mean = told(step), step.filtered[MEAN]
    height, width = np.exp(mean[:, 3:]), np.exp(mean[:, 2:3])
    unit = np.concatenate([height, height, np.ones((3, 2))], axis=1)
    innovation = step.observed - step.predicted[MEAN]
    spread = np.sqrt(step.predicted[VARIANCE] + (P.measurement_noise * measurement_unit(mean)) ** 2)
    frame = step.frame_size
    speed, velocity = (step.observed - step.last) / unit / 0.201, step.filtered[VELOCITY] / unit
    expected = {
        "normalised_innovation": innovation / spread,
        "innovation": innovation / unit,
        "move": (step.observed - step.last) / unit,
        "speed": speed / (1 + np.abs(speed) / 8),
        "velocity": velocity / (1 + np.abs(velocity) / 8),
        "residual": (step.observed - mean) / unit,
        "log_variance": np.log(step.filtered[VARIANCE] / unit**2),
        "log_velocity_variance": np.log(step.filtered[VELOCITY_VARIANCE] / unit**2),
        "log_time_step": np.full((3, 1), np.log(0.2)),
        "time_step": np.full((3, 1), 0.2 / 1.2),
        "log_age": np.full((3, 1), np.log(2.5)),
        "first": np.zeros((3, 1)),
        "score": step.score[:, None],
        "score_change": np.full((3, 1), -0.05),
        "score_trend": np.full((3, 1), 0.2),
        "has_feature": step.has_feature[:, None],
        "aspect": mean[:, 2:3] - mean[:, 3:],
        "border": np.concatenate(
            [(mean[:, :2] - np.hstack([width, height]) / 2), frame - mean[:, :2] - np.hstack([width, height]) / 2], 1
        )
        / height,
        "frame_known": np.ones((3, 1)),
        "frame_share": np.log(height / frame[1]),
    }
    assert list(got) == list(expected)
    for column in COLUMNS:
        unscaled = [(bound - column.shift) / column.scale for bound in (column.low, column.high)]
        np.testing.assert_allclose(
            got[column.name], np.clip(expected[column.name], *unscaled), rtol=1e-4, atol=1e-5, err_msg=column.name
        )


def test_at_first_sight_nothing_has_moved_and_no_time_has_passed():
    got = told(a_step(dt=0.0, moved=(0.0, 0.0), age=0.0))
    assert (got["first"] == 1).all() and (got["time_step"] == 0).all() and (got["log_age"] == 0).all()
    assert all(
        (got[name] == 0).all()
        for name in ("normalised_innovation", "innovation", "move", "speed", "velocity", "residual")
    )


@pytest.mark.parametrize("size", [(np.nan, np.nan), (1e6, np.nan)])
def test_of_an_unknown_frame_every_border_is_far(size):
    got = told(a_step(frame=size))
    assert (got["border"] == FAR).all() and (got["frame_known"] == 0).all()
    np.testing.assert_allclose(got["frame_share"], np.log(1 / 8))


def test_whatever_happens_no_number_leaves_its_bounds():
    g = geometry(a_step(moved=(1e5, -1e5), age=1e9), P)
    for column in COLUMNS:
        part = g[..., AT[column.name]]
        assert (part >= column.low).all() and (part <= column.high).all(), column.name


def test_nothing_depends_on_the_shape_of_the_batch():
    step = a_step()
    states, rows = (x[:, :1] for x in step[2:4]), (x[:1] for x in step[4:10])
    one = Step(step.observed[:1], step.last[:1], *states, *rows, step.frame_size)
    np.testing.assert_array_equal(geometry(one, P)[0], geometry(step, P)[0])
