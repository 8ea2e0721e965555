"""Masks, keypoints, angles and RT-DETR's boxes, exported and loaded again, are those of PyTorch; of INT8 it is said how
near they are.

Networks of random weights: what they find is noise, but it must be the same noise.
"""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import ultralytics
import yaml

from helpers.commands import ended
from helpers.random_networks import random_network
from tracker.config import Config, DetectorConfig
from tracker.detection.detector import YoloDetector
from tracker.export.calibration_data import CalibrationSet
from tracker.export.convert import export
from tracker.export.parity import nearness
from tracker.structures import Detections
from tracker.system.engine import MANIFEST

HAS = {
    "openvino": pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="no openvino"),
    "onnx": pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="no onnxruntime"),
}
QUICK = [("yolo11n-seg", "onnx"), ("yolo11n-pose", "onnx"), ("yolo11n-obb", "onnx")]
SLOW = [("yolo26n-pose", "openvino"), ("yolo26n-seg", "openvino"), ("yolo26n-obb", "onnx"), ("yolo11n-obb", "openvino")]
SLOW += [("yolov8n-rtdetr", "openvino"), ("yolov8n-rtdetr", "onnx"), ("yolo11n-seg", "openvino")]
PAIRS = [pytest.param(*pair, marks=HAS[pair[1]]) for pair in QUICK]
PAIRS += [pytest.param(*pair, marks=[HAS[pair[1]], pytest.mark.slow]) for pair in SLOW]


@pytest.fixture(scope="module")
def zidane():
    return cv2.imread(str(Path(ultralytics.__file__).parent / "assets/zidane.jpg"))


@pytest.mark.parametrize(("name", "engine"), PAIRS)
def test_all_that_the_network_says_is_in_the_export(name, engine, zidane, tmp_path):
    weights = tmp_path / f"{name}.pt"
    random_network(name, weights)
    options = {"conf": 0.6, "imgsz": 128, "max_detections": 100}
    config = Config().override({"detector": {"model": str(weights), **options}, "device": "cpu"})
    pictures = CalibrationSet([zidane, zidane[:, ::-1].copy()], [0.0, 0.1], [], [], None)
    parity = export(config, tmp_path / "out", pictures, format=engine, networks=["detector"])["detector"]
    assert max(parity.differences.values()) < 1
    frames = [zidane, zidane[:300]]  # which are letterboxes of two sizes
    ours, theirs = (YoloDetector(DetectorConfig(str(m), **options))(frames) for m in (tmp_path / "out", weights))
    for found, expected in zip(ours, theirs, strict=True):
        pairs = np.abs(found.xyxy[:, None] - expected.xyxy).max(axis=2) < 1.0
        pairs &= np.abs(found.scores[:, None] - expected.scores) < 1e-3
        own, other = np.nonzero(pairs & (found.classes[:, None] == expected.classes))
        assert len(expected) > 5 and abs(len(found) - len(expected)) <= 2 and len(set(own)) >= 0.9 * len(expected)
        if "seg" in weights.name:
            a, b = found.masks.dense()[own], expected.masks.dense()[other]
            alike = (a & b).sum((1, 2)) >= 0.98 * (a | b).sum((1, 2))
        elif "pose" in weights.name:
            alike = np.abs(found.keypoints[own] - expected.keypoints[other]).max((1, 2)) < 1.0
        elif "obb" in weights.name:
            alike = np.abs(found.corners[own] - expected.corners[other]).max((1, 2)) < 1.0
            alike &= np.abs(found.data["angle"][own] - expected.data["angle"][other]) < 1e-2
        else:
            continue
        assert len(set(own[alike])) >= 0.9 * len(expected)


MASKS, POINTS = "IoU in percent of masks with PyTorch's", "keypoints off by percent of the box"
ANGLES = "angles off by degrees"
CPU = Path("/proc/cpuinfo")
VNNI = pytest.mark.skipif(
    CPU.is_file() and "vnni" not in CPU.read_text(),
    reason="without VNNI sums of RT-DETR's products of 8 bits overflow, which the agreement then says: 0.6 of 100",
)
INT8 = [
    ("yolo11n-seg", "onnx", {MASKS}),
    ("yolo11n-pose", "onnx", {POINTS}),
    ("yolo11n-obb", "onnx", {ANGLES}),
    pytest.param("yolov8n-rtdetr", "openvino", set(), marks=VNNI),
]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "engine", "said"), INT8)
def test_int8_says_how_near_it_is(name, engine, said, zidane, tmp_path):
    """Of noise, which 8 bits change more than they change what a trained network says."""
    pytest.importorskip("nncf")
    pytest.importorskip("openvino" if engine == "openvino" else "onnxruntime")
    weights = tmp_path / f"{name}.pt"
    random_network(name, weights)
    options = {"conf": 0.6, "imgsz": 128, "max_detections": 100}
    config = Config().override({"detector": {"model": str(weights), **options}, "device": "cpu"})
    frames = [zidane, zidane[:, ::-1].copy(), zidane[:, 100:].copy(), zidane[100:].copy()]
    pictures = CalibrationSet(frames, [0.0, 0.1, 0.2, 0.3], [], [], None)
    out = tmp_path / "out"
    check = export(config, out, pictures, format=engine, int8=True, networks=["detector"])["detector"]
    assert check.exported > 0.5 * check.pytorch
    assert set(check.beside) == said
    assert check.beside.get(MASKS, 100) > 50 and check.beside.get(POINTS, 0) < 20 and check.beside.get(ANGLES, 0) < 3
    assert all(f"; {what} {value:.2f}" in str(check) for what, value in check.beside.items())
    agreement = yaml.safe_load((out / MANIFEST).read_text())["networks"]["detector"]["agreement"]
    assert agreement.get("beside", {}) == check.beside
    (found,) = YoloDetector(DetectorConfig(str(out), **options))([zidane])
    columns = {MASKS: found.masks, POINTS: found.keypoints, ANGLES: found.corners}
    assert len(found) > 3 and {what for what, column in columns.items() if column is not None} == said


def test_rt_detr_in_int8_is_not_for_onnx_and_that_is_said_first(tmp_path, capsys):
    pytest.importorskip("nncf")
    pytest.importorskip("onnxruntime")
    weights = tmp_path / "rtdetr.pt"
    random_network("yolov8n-rtdetr", weights)
    words = ["export", "--model", str(weights), "--format", "onnx", "--int8", "--out", str(tmp_path / "out")]
    code, said = ended(words, capsys)
    assert code == 2 and not (tmp_path / "out").exists()
    assert said == (
        "error: NNCF makes no INT8 of RT-DETR and RF-DETR as ONNX; give --format openvino, or leave --int8 out for "
        "32-bit floats\n"
    )


class TestNearness:
    BOXES = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])

    @staticmethod
    def masks(*widths):
        """The left parts, so wide, of these boxes."""
        dense = np.zeros((3, 10, 60), bool)
        for mask, left, width in zip(dense, (0, 20, 40), widths, strict=True):
            mask[:, left : left + width] = True
        return dense

    def test_of_masks_is_their_mean_iou_whatever_the_order(self):
        own = Detections(self.BOXES, masks=self.masks(10, 5, 10))[np.array([2, 1, 0])]
        true = Detections(self.BOXES, masks=self.masks(10, 10, 5))
        assert nearness([own], [true]) == pytest.approx({MASKS: (100 + 50 + 50) / 3})

    def test_counts_only_what_both_have(self):
        own = Detections(self.BOXES, classes=[0, 1, 0], masks=self.masks(10, 10, 10))
        true = Detections(self.BOXES[:2], masks=self.masks(5, 10, 0)[:2])
        assert nearness([own], [true]) == {MASKS: 50}
        assert nearness([own], [Detections.empty()]) == {}

    def test_of_keypoints_counts_by_confidence(self):
        points = np.zeros((3, 2, 3))
        points[..., 2] = 0.9, 0.1
        moved = points.copy()
        moved[:, 0, 0], moved[:, 1, 1] = 1, 11
        own, true = Detections(self.BOXES, keypoints=moved), Detections(self.BOXES, keypoints=points)
        assert nearness([own], [true]) == pytest.approx({POINTS: 10 * (0.9 * 1 + 0.1 * 11)})
        points[..., 2] = 0
        assert nearness([own], [Detections(self.BOXES, keypoints=points)]) == {}

    def test_of_angles_half_a_turn_is_none(self):
        own = Detections(self.BOXES, data={"angle": np.array([0.0, np.pi - 0.1, np.pi / 2])})
        true = Detections(self.BOXES, data={"angle": np.array([np.pi, 0.1, 0.0])})
        assert nearness([own], [true]) == pytest.approx({ANGLES: np.degrees(0.2 + np.pi / 2) / 3})
