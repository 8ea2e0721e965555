"""What windows go through on their way to the motion model: each step, alone."""

from dataclasses import replace

import numpy as np
import pytest

from tracker.errors import ConfigError
from tracker.train.motion.augmentation import (
    STEPS,
    Augmentation,
    Draft,
    add_noise,
    correlated,
    hide_frame,
    mirror,
    move_camera,
    run_clock,
    simulated_features,
    swap,
)

B, T, K = 600, 20, 3
HOW = Augmentation()


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def draft():
    """Windows that stand still, 40 x 100 at (300, 200): even rows of true boxes, odd ones of a detector's."""
    box = np.array([300.0, 200.0, np.log(40), np.log(100)])
    detected = np.arange(B) % 2 == 1
    return Draft(
        observed=np.tile(box, (B, T, 1)),
        truth=np.tile(box, (B, T, 1)),
        target=np.tile(box, (B, T, K, 1)),
        time_s=np.tile(np.arange(T) / 30, (B, 1)),
        horizon_s=np.full((B, T, K), 0.5),
        scores=np.full((B, T), 0.77),
        frame_size=np.tile(np.float32([640, 480]), (B, 1)),
        detected=detected,
        familiar=detected & (np.arange(B) % 4 == 1),
        swapped=np.zeros((B, T), bool),
    )


def parts(draft):
    return {name: np.array(value) for name, value in vars(draft).items()}


def changed(before, draft):
    return {name for name, value in before.items() if not np.array_equal(value, getattr(draft, name), equal_nan=True)}


@pytest.mark.parametrize(
    ("step", "touches"),
    [
        (run_clock, {"time_s", "horizon_s"}),
        (add_noise, {"observed", "scores"}),
        (hide_frame, {"frame_size"}),
        (move_camera, {"observed", "truth", "target", "frame_size"}),
        (mirror, {"observed", "truth", "target"}),
        (swap, {"observed", "truth", "target", "swapped"}),
    ],
)
def test_a_step_changes_what_it_is_named_for_and_the_same_seed_does_it_alike(draft, rng, step, touches):
    before = parts(draft)
    again = Draft(**parts(draft))
    step(draft, HOW, rng)
    assert changed(before, draft) == touches
    step(again, HOW, np.random.default_rng(0))
    assert not changed(parts(draft), again)


def test_the_steps_are_all_there_are_in_the_order_of_their_draws():
    names = [step.__name__ for step in STEPS]
    assert names == ["run_clock", "add_noise", "hide_frame", "move_camera", "mirror", "swap"]


def test_with_every_share_at_zero_nothing_happens_but_to_scores(draft, rng):
    none = replace(
        HOW, clock_share=0.0, correlated_share=0.0, white=(0.0,), detected_white=(0.0,), outliers=0.0,
        slow_noise=(0.0,) * 4, frame_unknown=0.0, camera_share=0.0, mirrored=0.0, swapped=0.0,
    )  # fmt: skip
    before = parts(draft)
    for step in STEPS:
        step(draft, none, rng)
    assert changed(before, draft) == {"scores"}


def test_a_clock_of_true_boxes_alone_runs_up_to_its_bound_faster_or_slower(draft, rng):
    run_clock(draft, replace(HOW, clock=0.5, clock_share=1.0), rng)
    factor = draft.time_s[:, -1] / ((T - 1) / 30)
    assert (factor[1::2] == 1).all()
    assert (np.abs(np.log(factor)) <= 0.5).all() and (factor[::2] != 1).all() and np.log(factor[::2]).std() > 0.2
    np.testing.assert_allclose(draft.horizon_s[:, 0, 0] / 0.5, factor)


def test_noise_of_true_boxes_is_as_large_as_it_says(draft, rng):
    white = replace(HOW, correlated_share=0.0, white=(0.05,), outliers=0.0)
    add_noise(draft, white, rng)
    error = (draft.observed - draft.truth)[::2] / [40, 100, 1, 1]
    np.testing.assert_allclose(error.std((0, 1)), 0.05, rtol=0.05)


def test_correlated_noise_is_a_detectors_and_lasts(draft, rng):
    how = replace(HOW, correlated_share=1.0, correlated_strength=(1.0, 1.0), white_beside=0.0, outliers=0.0)
    add_noise(draft, how, rng)
    error = (draft.observed - draft.truth)[::2] / [40, 100, 1, 1]
    np.testing.assert_allclose(error.std((0, 1)), how.detector_noise, rtol=0.25)
    after = (error[:, 1:] * error[:, :-1]).sum() / (error[:, :-1] ** 2).sum()
    assert 0.8 < after < 1


def test_a_detectors_own_boxes_keep_their_scores_and_get_more_slow_noise_where_it_knows_the_images(draft, rng):
    how = replace(HOW, correlated_share=0.0, detected_white=(0.0,))
    add_noise(draft, how, rng)
    assert (draft.scores[1::2] == 0.77).all() and (draft.scores[::2] != 0.77).all()
    error = np.abs(draft.observed - draft.truth)[..., 2]
    assert error[1::4].mean() > 1.5 * error[3::4].mean() > 0


def test_scores_are_all_sure_or_suffer_from_noise(draft, rng):
    add_noise(draft, HOW, rng)
    scores = draft.scores[::2]
    sure = (scores == 1).all(axis=1)
    assert 0.4 < sure.mean() < 0.6 and ((scores >= 0.1) & (scores <= 1)).all()


def test_correlated_noise_has_variance_one_and_follows_the_clock(rng):
    dt = np.full((4000, 30), 1 / 30)
    noise = correlated(rng, dt, (0.9, 0.9), 8.0)
    assert noise.std() == pytest.approx(1, abs=0.03)
    slow, fast = ((x[:, 1:] * x[:, :-1]).mean() for x in (noise, correlated(rng, 4 * dt, (0.9, 0.9), 8.0)))
    assert slow == pytest.approx(0.9, abs=0.03) and fast == pytest.approx(0.9**4, abs=0.03)


def test_a_moving_camera_takes_the_border_away(draft, rng):
    before = draft.truth.copy()
    move_camera(draft, replace(HOW, camera_share=0.5), rng)
    moved = (draft.truth != before).any(axis=(1, 2))
    np.testing.assert_array_equal(np.isnan(draft.frame_size[:, 0]), moved)
    assert 0.4 < moved.mean() < 0.6
    np.testing.assert_allclose(draft.observed, draft.truth)


def test_a_mirror_keeps_boxes_in_the_frame(draft, rng):
    mirror(draft, replace(HOW, mirrored=1.0), rng)
    for boxes in (draft.observed, draft.truth, draft.target):
        np.testing.assert_allclose(boxes[..., 0], 640 - 300)
        np.testing.assert_allclose(boxes[..., 1], 200)


def test_a_swap_stays_swapped_with_boxes_targets_and_flag(draft, rng):
    swap(draft, replace(HOW, swapped=1.0), rng)
    away = (draft.truth != [300, 200, np.log(40), np.log(100)]).any(axis=2)
    np.testing.assert_array_equal(away, draft.swapped)
    assert not draft.swapped[:, 0].any() and draft.swapped[:, -1].all()
    np.testing.assert_allclose(draft.target, np.repeat(draft.truth[:, :, None], K, axis=2))


def test_simulated_features_are_as_alike_as_real_ones(rng):
    swapped = np.zeros((300, 8), bool)
    swapped[:, 4:] = True
    features = simulated_features(swapped, replace(HOW, features_missed=(0.0,)), rng)
    np.testing.assert_allclose(np.linalg.norm(features, axis=-1), 1, rtol=1e-5)
    same = np.einsum("bd,bd->b", features[:, 0], features[:, 1]).mean()
    other = np.einsum("bd,bd->b", features[:, 0], features[:, 5]).mean()
    assert same == pytest.approx(HOW.same_similarity, abs=0.05)
    assert other == pytest.approx(HOW.other_similarity, abs=0.08), "what all have in common is drawn anew each time"
    missed = np.isnan(simulated_features(swapped, replace(HOW, features_missed=(0.3,)), rng)[..., 0])
    assert missed.mean() == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize("ranges", [{"scores": (0.9, 0.5)}, {"camera_hertz": (2.0, 1.0)}, {"same_similarity": 0.1}])
def test_a_range_that_ends_before_it_begins_is_refused(ranges):
    with pytest.raises(ConfigError, match="give the lower number first"):
        Augmentation(**ranges)
