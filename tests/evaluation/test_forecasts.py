"""The measurement of forecasts: one protocol for all models, and numbers that mean what they say."""

import json

import numpy as np
import pytest

from helpers.motion_data import write_sequence
from helpers.motion_steps import step
from tracker.cli import main
from tracker.datasets.mot import MotSequence
from tracker.errors import DataError, UsageError
from tracker.evaluation.forecasts import (
    LAPLACE,
    NORMAL,
    Forecasts,
    Model,
    evaluate_motion,
    forecasts,
    metrics,
    read_observed,
)
from tracker.motion.baselines.constant_velocity import ConstantVelocity, LastBox
from tracker.motion.predictor import Observations

ALL = ("lstm", "kalman", "velocity", "last", "xyah", "xywh", "xyah-fitted", "xywh-fitted")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp("eval")
    for number in range(2):
        write_sequence(root, f"SEQ-{number}", frames=80, seed=number, detections=True)
    return root


def said(mean, std, truth):
    mean, std, truth = (np.asarray(x, np.float64) for x in (mean, std, truth))
    return Forecasts(mean, std, truth, np.zeros(len(mean)), np.ones(len(mean), np.int64))


def test_a_perfect_forecast_scores_one_and_a_half_shifted_one_a_third():
    truth = np.tile([100.0, 100, 40, 80], (3, 1))
    assert metrics(said(truth, np.ones((3, 4)), truth))["iou"] == pytest.approx(1)
    shifted = metrics(said(truth + [20, 0, 0, 0], np.ones((3, 4)), truth))
    assert shifted["iou"] == pytest.approx(1 / 3)
    assert shifted["centre_error_heights"] == pytest.approx(20 / 80)


@pytest.mark.parametrize("normal", [False, True], ids=["laplace", "normal"])
def test_intervals_hold_what_they_promise_where_the_distribution_is_right(normal):
    rng = np.random.default_rng(0)
    truth = np.tile([100.0, 100, 4000, 8000], (50000, 1))
    error = rng.normal(0, 3, truth.shape) if normal else rng.laplace(0, 3 / np.sqrt(2), truth.shape)
    m = metrics(said(truth + error, np.full(truth.shape, 3.0), truth), normal)
    for share in (50, 90, 99):
        assert m[f"coverage{share}"] == pytest.approx(share / 100, abs=0.01)
    for wrong in (2.0, 4.0):
        other = metrics(said(truth + error, np.full(truth.shape, wrong), truth), normal)
        assert other["nll"] > m["nll"], "the likelihood is best at the true spread"


def test_interval_widths_are_those_of_the_two_distributions():
    assert LAPLACE[0.9] == pytest.approx(np.log(10) / np.sqrt(2))
    assert NORMAL[0.9] == pytest.approx(1.6449)


def test_nothing_to_forecast_is_no_number_not_a_crash():
    none = np.zeros((0, 4))
    assert metrics(said(none, none, none)) == {
        "iou": None, "centre_error_heights": None, "coverage50": None, "coverage90": None, "coverage99": None,
        "nll": None, "forecasts": 0,
    }  # fmt: skip


def test_every_model_sees_the_same_seeded_degradation(root):
    sequence = MotSequence.read(root / "SEQ-0")
    one, again, other = (read_observed(sequence, 1, False, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.observed, again.observed)
    assert not np.array_equal(one.observed, other.observed, equal_nan=True)
    np.testing.assert_array_equal(one.truth, other.truth)
    missed = np.isnan(one.observed[..., 0]) & np.isfinite(one.truth[..., 0])
    assert 0.08 < missed.sum() / np.isfinite(one.truth[..., 0]).sum() < 0.25
    height = one.truth[..., 3] - one.truth[..., 1]
    bottom = (one.observed[..., 3] - one.truth[..., 3]) / height
    assert np.nanstd(bottom) == pytest.approx(0.05 * np.sqrt(1.25), rel=0.1), "5 % of centre and of half the height"


def test_a_stride_is_a_lower_frame_rate_of_the_same_tracks(root):
    sequence = MotSequence.read(root / "SEQ-0")
    whole, fifth = read_observed(sequence, 1, False, 0), read_observed(sequence, 5, False, 0)
    assert fifth.interval_s == pytest.approx(5 * whole.interval_s)
    np.testing.assert_array_equal(fifth.truth, whole.truth[::5])


def test_forecasts_are_compared_with_the_frame_they_are_for(root):
    """A model that knows the truth is right at every horizon, so frames, times and tracks go together."""
    seen = read_observed(MotSequence.read(root / "SEQ-1"), 1, False, 0)

    class Oracle(LastBox):
        def predict(self, slots, time_s):
            from tracker.boxes import xyxy_to_cxcywh
            from tracker.motion.predictor import Prediction

            box = xyxy_to_cxcywh(seen.truth[round(time_s / seen.interval_s), slots]).astype(np.float32)
            return Prediction(box, np.ones_like(box))

    for horizon, found in forecasts(seen, Oracle(), (1, 7, 30)).items():
        assert len(found.truth) > 50, horizon
        assert metrics(found)["iou"] == pytest.approx(1, abs=1e-4)


def test_all_models_make_the_same_forecasts_and_the_lstm_leads_the_last_box(root):
    report = evaluate_motion([root], ALL, (1, 10))
    counts = {name: [m["forecasts"] for m in by.values()] for name, by in report.metrics.items()}
    assert list(counts) == list(ALL) and len({tuple(c) for c in counts.values()}) == 1
    assert report.metrics["lstm"]["10"]["iou"] > report.metrics["last"]["10"]["iou"]
    for name in ("velocity", "last"):
        assert report.metrics[name]["1"]["coverage90"] is None, "no uncertainty, no coverage"
    parts = report.details["lstm"]["10"]
    by_speed = [parts[key]["forecasts"] for key in parts if key.startswith("speed")]
    assert sum(by_speed) == report.metrics["lstm"]["10"]["forecasts"]
    assert parts["SEQ-0"]["forecasts"] + parts["SEQ-1"]["forecasts"] == parts["25 frames/s"]["forecasts"]


def test_detections_can_be_what_is_observed(root):
    report = evaluate_motion([root], ["kalman"], (1,), detections=True)
    assert 0.5 < report.metrics["kalman"]["1"]["iou"] < 1


def test_the_command_writes_the_promised_file(root, tmp_path, capsys):
    words = ["eval-motion", str(root), "--out", str(tmp_path), "--horizons", "1,5", "--vid-stride", "2", "--quiet"]
    with pytest.raises(SystemExit) as left:
        main([*words, "--models", "kalman,last"])
    assert left.value.code == 0, capsys.readouterr().err
    written = json.loads((tmp_path / "metrics.json").read_text())
    assert list(written) == ["kalman", "last"] and list(written["kalman"]) == ["1", "5"]
    assert {"iou", "centre_error_heights", "coverage90"} <= set(written["kalman"]["5"])
    assert "after a gap of 1 to 4 frames" in json.loads((tmp_path / "details.json").read_text())["last"]["5"]


def test_a_wrong_model_or_folder_is_one_sentence(root, tmp_path):
    with pytest.raises(UsageError, match="no motion model 'lsmt'"):
        Model.of("lsmt")
    with pytest.raises(DataError, match="no sequence"):
        evaluate_motion([tmp_path])


def test_constant_velocity_is_the_mean_of_the_last_ten_observations():
    model, slot = ConstantVelocity(), np.array([2])
    for frame in range(20):
        x = 10.0 * frame if frame < 10 else 90 + 4.0 * (frame - 9)
        seen = Observations(np.array([[x, 0, x + 10, 20]], np.float32), np.ones(1, np.float32), frame / 10)
        step(model, slot, seen, new=not frame)
    assert model.predict(slot, 1.9 + 0.5).cxcywh[0, 0] == pytest.approx(x + 5 + 4 * 5, abs=0.01)
