"""RF-DETR with random weights: plumbing only. The yardstick is its own `predict`."""

import sys
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import ultralytics

from tracker import Detections, Tracker
from tracker.config import Config, DetectorConfig
from tracker.detection.chosen import load_detector
from tracker.detection.downloads import published
from tracker.detection.rf_detr import RfDetr, is_rf_detr
from tracker.errors import MissingExtraError, UsageError, WeightsError
from tracker.export.calibration_data import CalibrationSet
from tracker.export.convert import export


@pytest.fixture(scope="module")
def zidane():
    return cv2.imread(str(Path(ultralytics.__file__).parent / "assets" / "zidane.jpg"))


@pytest.fixture(scope="module", params=["RFDETRNano", "RFDETRSegNano"])
def network(request):
    """The smallest ones, for boxes and for masks, whose objects are anything."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rfdetr = pytest.importorskip("rfdetr", reason="the extra [rfdetr] is not installed")
        torch.manual_seed(0)
        return getattr(rfdetr, request.param)(pretrain_weights=None, device="cpu")


@pytest.fixture(scope="module")
def weights(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "checkpoint.pth"
    state = {name: value.clone() for name, value in network.model.model.state_dict().items()}
    torch.save({"model": state, "model_name": type(network).__name__, "args": {"num_classes": 90}}, path)
    return path


@pytest.mark.parametrize(
    ("name", "its"),
    [
        ("checkpoint_best_total.pth", True),
        ("rf-detr-nano.pt", True),
        ("yolo11n.pt", False),
        ("rf-detr-nano.onnx", False),
        ("rf-detr-beside-yolo", False),  # a folder of `track export`
    ],
)
def test_a_file_is_its_own_by_name(name, its):
    assert is_rf_detr(Path(name)) == its


def test_it_finds_what_its_own_library_finds(network, weights, zidane):
    detector = RfDetr(DetectorConfig(str(weights), conf=0.03, max_detections=50))
    (found,) = detector([zidane])
    theirs = network.predict(zidane[..., ::-1].copy(), threshold=0.03)
    known = np.isin(theirs.class_id, list(detector.names))
    boxes = np.clip(theirs.xyxy, 0, [1280, 720, 1280, 720])[known]
    assert 0 < len(found) <= 50 and (np.diff(found.scores) <= 0).all()
    near = (np.abs(found.xyxy[:, None] - boxes).max(axis=2) < 0.01) & (found.classes[:, None] == theirs.class_id[known])
    assert (near & (np.abs(found.scores[:, None] - theirs.confidence[known]) < 1e-6)).any(axis=1).all()


def test_its_classes_are_cocos_with_their_numbers(weights, zidane):
    detector = RfDetr(DetectorConfig(str(weights), conf=0.01, classes=("toothbrush", "person")))
    assert len(detector.names) == 80 and detector.names[1] == "person" and detector.names[90] == "toothbrush"
    assert set(detector([zidane])[0].classes) <= {1, 90}
    with pytest.raises(UsageError, match=r"no class 'fish'; track info .*checkpoint\.pth lists the 80 it knows"):
        RfDetr(DetectorConfig(str(weights), classes=("fish",)))


def test_the_tracker_takes_it_by_its_file_and_leaves_no_folder_behind(weights, zidane, monkeypatch):
    monkeypatch.chdir(weights.parent)
    monkeypatch.setenv("HOME", str(weights.parent))
    settings = {"detector": {"model": weights.name}, "appearance": {"enabled": False}, "device": "cpu"}
    tracker = Tracker(Config().override(settings))
    assert isinstance(tracker.detector, RfDetr)
    assert tracker.update(zidane).names == tracker.detector.names
    assert [path.name for path in weights.parent.iterdir()] == [weights.name]


def test_exported_it_finds_the_same_without_its_library(network, weights, zidane, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime", reason="the extra [onnx] is not installed")
    side = network.model.resolution
    frame = cv2.resize(zidane, (side, side))  # its size: each scales a larger one in its own way
    config = Config().override({"detector": {"model": str(weights), "conf": 0.03}})
    box = np.array([[50, 50, 200, 300]], np.float32)
    seen = Detections(box, features=np.ones((1, 512), np.float32))
    few = CalibrationSet([frame] * 2, [0.0, 1.0], [seen] * 2, [np.zeros(1, np.int64)] * 2, None)
    agreement = export(config, tmp_path / "out", few, format="onnx", networks=("detector",))["detector"]
    assert max(agreement.differences.values()) < 1e-4
    theirs = load_detector(DetectorConfig(str(weights), conf=0.03, max_detections=50))([frame])[0]
    monkeypatch.setitem(sys.modules, "rfdetr", None)
    ours = load_detector(DetectorConfig(str(tmp_path / "out"), conf=0.03, max_detections=50))([frame])[0]
    assert ours.names == theirs.names and np.array_equal(ours.classes, theirs.classes)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-5)
    np.testing.assert_allclose(ours.xyxy, theirs.xyxy, atol=0.05)
    assert (ours.masks is None) == (theirs.masks is None)
    if ours.masks is not None:
        inside = [np.zeros_like(mask) for mask in ours.masks.dense()]
        for mask, (left, top, right, bottom) in zip(inside, ours.xyxy.round().astype(int), strict=True):
            mask[top + 1 : bottom - 1, left + 1 : right - 1] = True  # its own masks go on beyond the box
        own, its = ours.masks.dense()[np.array(inside)], theirs.masks.dense()[np.array(inside)]
        assert own.any() and (own == its).mean() > 0.99


@pytest.mark.parametrize(
    "content", [b"nothing", {"model": {}, "model_name": "RFDETRNano"}, {"x": Path("code")}, "huge"]
)
def test_a_file_that_is_none_is_one_sentence(network, weights, tmp_path, content):
    path = tmp_path / "odd.pth"
    if content == "huge":
        content = {"model": {}, "model_name": "RFDETRNano", "model_config": {"num_queries": 10**9}}
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(WeightsError, match=r"odd\.pth is not a whole RF-DETR checkpoint") as refused:
        RfDetr(DetectorConfig(str(path)))
    assert "\n" not in str(refused.value)


def test_where_its_weights_come_from(network):
    there = published.published("rf-detr-nano.pth")
    assert there.url.startswith("https://storage.googleapis.com/rfdetr/") and there.digest.startswith("md5:")
    assert published.published("rf-detr-huge.pth") is None


def test_a_missing_extra_is_one_sentence(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == "rfdetr"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rfdetr", None)
    (tmp_path / "a.pth").write_bytes(b"")
    for model in ("a.pth", "rf-detr-nano.pth"):
        with pytest.raises(
            MissingExtraError, match=r"^rfdetr is not installed; run: pip install 'lstm-tracker\[rfdetr\]'$"
        ):
            RfDetr(DetectorConfig(str(tmp_path / model)))
