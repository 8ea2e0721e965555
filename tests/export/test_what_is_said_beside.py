"""Masks, keypoints, angles and RT-DETR's boxes, exported and loaded again, are those of PyTorch.

Networks of random weights: what they find is noise, but it must be the same noise.
"""

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
import ultralytics

from helpers.random_networks import random_network
from tracker.config import Config, DetectorConfig
from tracker.detection.detector import YoloDetector
from tracker.export.calibration_data import CalibrationSet
from tracker.export.convert import export

HAS = {
    "openvino": pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="no openvino"),
    "onnx": pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="no onnxruntime"),
}
QUICK = [("yolo11n-seg", "onnx"), ("yolo11n-pose", "onnx"), ("yolo11n-obb", "onnx"), ("yolo26n-pose", "openvino")]
SLOW = [("yolo26n-seg", "openvino"), ("yolo26n-obb", "onnx"), ("yolo11n-obb", "openvino")]
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
