"""Oriented boxes and RT-DETR. The yardstick is Ultralytics' own `predict`, of networks of random weights.

There are no others to be had offline; what they find is noise, but it must be the same noise.
"""

import importlib.util
import json
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import ultralytics
from safetensors.torch import save_file

from helpers.random_networks import random_network
from tracker import Config, Detections, Tracker
from tracker.columns.oriented import enclosing
from tracker.config import DetectorConfig
from tracker.detection import yolo
from tracker.detection.detector import YoloDetector
from tracker.detection.suppression import suppress_oriented
from tracker.errors import UsageError, WeightsError
from tracker.train.detector.fine_tune import fine_tune
from tracker.train.detector.settings import FineTuneConfig

PHOTOS = Path(ultralytics.__file__).parent / "assets"
ORIENTED = ["yolov8n-obb", "yolo11n-obb", "yolo26n-obb"]


@pytest.fixture(scope="module")
def zidane():
    return cv2.imread(str(PHOTOS / "zidane.jpg"))


@pytest.fixture(scope="module", params=ORIENTED)
def oriented(request, tmp_path_factory):
    """A network of random weights, and the file it is saved to."""
    path = tmp_path_factory.mktemp("oriented") / f"{request.param}.pt"
    return random_network(request.param, path), path


@pytest.fixture(scope="module")
def rtdetr(tmp_path_factory):
    path = tmp_path_factory.mktemp("rtdetr") / "rtdetr.pt"
    return random_network("yolov8n-rtdetr", path), path


def as_safetensors(path):
    network, _ = yolo.load(path)
    file = path.with_suffix(".safetensors")
    yolo.save(network, file, {})
    return file


def alike(found, theirs, far=0.1):
    """How many of the detections Ultralytics has, too: box to `far` px, score to 1e-4, the same class."""
    pairs = np.abs(found.xyxy[:, None] - theirs.xyxy).max(axis=2) < far
    pairs &= np.abs(found.scores[:, None] - theirs.scores) < 1e-4
    pairs &= found.classes[:, None] == theirs.classes
    return np.nonzero(pairs)


class TestOrientedBoxes:
    def test_are_ultralytics_own(self, oriented, zidane):
        """Box around it, corners, angle, score and class; and of what overlaps the same ones stay."""
        model, path = oriented
        options = {"conf": 0.6, "iou": 0.4, "imgsz": 320}
        (found,) = YoloDetector(DetectorConfig(str(path), **options))([zidane])
        (results,) = model.predict(zidane, verbose=False, save=False, **options)
        theirs = Detections.from_ultralytics(results)
        own, other = alike(found, theirs)
        assert len(found) == len(theirs) > 5 and len(set(own)) >= 0.98 * len(found)
        assert np.abs(found.corners[own] - theirs.corners[other]).max() < 0.3
        np.testing.assert_allclose(found.data["angle"][own], theirs.data["angle"][other], atol=1e-3)
        np.testing.assert_array_equal(found.xyxy, enclosing(found.corners))
        assert np.ptp(found.data["angle"]) > 0.05

    def test_angles_are_those_of_the_first_side(self, oriented, zidane):
        """Clockwise as one sees it: the network's width goes along (cos, sin) of x to the right and y down."""
        (found,) = YoloDetector(DetectorConfig(str(oriented[1]), conf=0.6, imgsz=320))([zidane])
        side = found.corners[:, 0] - found.corners[:, 3]
        angle = np.stack([np.cos(found.data["angle"]), np.sin(found.data["angle"])], axis=1)
        assert np.abs(side[:, 0] * angle[:, 1] - side[:, 1] * angle[:, 0]).max() < 0.01

    def test_the_same_from_safetensors(self, oriented, zidane):
        options = {"conf": 0.6, "imgsz": 160, "max_detections": 30}
        (found,) = YoloDetector(DetectorConfig(str(as_safetensors(oriented[1])), **options))([zidane])
        (again,) = YoloDetector(DetectorConfig(str(oriented[1]), **options))([zidane])
        assert len(found) == len(again) > 0
        assert np.abs(np.sort(found.scores) - np.sort(again.scores)).max() < 0.01  # 16 bits

    def test_travel_to_the_tracks(self, oriented, zidane):
        detector = {"model": str(oriented[1]), "imgsz": 160, "conf": 0.6}
        tracker = Tracker(Config().override({"detector": detector, "appearance": {"enabled": False}}))
        tracks = [tracker.update(zidane, time_s=number / 30) for number in range(3)][-1]
        seen = tracks.detection_index >= 0
        (found,) = tracker.detector([zidane])
        assert seen.any()
        np.testing.assert_array_equal(tracks.corners[seen], found.corners[tracks.detection_index[seen]])
        np.testing.assert_array_equal(tracks.data["angle"][seen], found.data["angle"][tracks.detection_index[seen]])

    def test_nothing_found(self, oriented, zidane):
        (found,) = YoloDetector(DetectorConfig(str(oriented[1]), conf=1.0, imgsz=64))([zidane])
        assert len(found) == 0 and found.corners.shape == (0, 4, 2) and found.data["angle"].shape == (0,)


class TestSuppressionOfOrientedBoxes:
    @pytest.mark.parametrize("threshold", [0.3, 0.7])
    def test_is_ultralytics_own_also_of_many(self, threshold):
        """More than are compared at once."""
        rng = np.random.default_rng(1)
        rows = np.concatenate(
            [
                rng.uniform(0, 200, (700, 2)),
                rng.uniform(10, 60, (700, 2)),
                rng.permutation(np.linspace(0.2, 1, 700))[:, None],
                rng.integers(0, 2, (700, 1)),
                rng.uniform(-1, 2, (700, 1)),
            ],
            axis=1,
        ).astype(np.float32)
        nms = yolo.ultralytics("utils.nms").TorchNMS
        moved = rows[:, :2] + 7680 * rows[:, 5:6]
        boxes = torch.from_numpy(np.concatenate([moved, rows[:, 2:4], rows[:, 6:]], axis=1).astype(np.float64))
        overlap = yolo.ultralytics("utils.metrics").batch_probiou
        theirs = nms.fast_nms(boxes, torch.from_numpy(rows[:, 4]), threshold, iou_func=overlap).tolist()
        own = suppress_oriented(rows, threshold).tolist()
        assert 20 < len(own) < 650
        assert len(set(own) ^ set(theirs)) <= 2  # theirs in 64 bits: at the threshold itself rounding decides
        assert suppress_oriented(rows[:0], threshold).tolist() == []


class TestRtDetr:
    @pytest.mark.parametrize("imgsz", [320, (256, 384)], ids=str)
    def test_boxes_are_ultralytics_own(self, rtdetr, zidane, imgsz):
        """The picture is stretched to the input; each query is one object, nothing is suppressed."""
        model, path = rtdetr
        (found,) = YoloDetector(DetectorConfig(str(path), conf=0.1, imgsz=imgsz))([zidane])
        (results,) = model.predict(zidane, verbose=False, save=False, conf=0.1, imgsz=imgsz)
        theirs = Detections.from_ultralytics(results)
        theirs.xyxy[:] = np.clip(theirs.xyxy, 0, [1280, 720, 1280, 720])  # theirs may reach beyond the frame
        own, _ = alike(found, theirs, far=0.3)
        assert len(found) == len(theirs) > 20 and len(set(own)) >= 0.98 * len(found)

    def test_the_same_from_safetensors(self, rtdetr, zidane):
        options = {"conf": 0.1, "imgsz": 160, "max_detections": 30}
        (found,) = YoloDetector(DetectorConfig(str(as_safetensors(rtdetr[1])), **options))([zidane])
        (again,) = YoloDetector(DetectorConfig(str(rtdetr[1]), **options))([zidane])
        assert len(found) == len(again) > 0
        assert np.abs(np.sort(found.scores) - np.sort(again.scores)).max() < 0.01  # 16 bits

    @pytest.mark.parametrize("name", ["rtdetr-l", "rtdetr-x", "rtdetr-resnet50", "rtdetr-resnet101"])
    def test_all_that_ultralytics_describes_are_known(self, name):
        from tracker.detection.yolo_architecture import check_description

        folder = Path(ultralytics.__file__).parent / "cfg/models/rt-detr"
        check_description(yolo.ultralytics("utils").YAML.load(folder / f"{name}.yaml"))

    @pytest.mark.parametrize(
        "layer",
        [
            ["RTDETRDecoder", ["nc", 256, 300, 4, 8, 60000]],
            ["ResNetLayer", [8, 8, 1, True, 60000]],
            ["AIFI", [60000, 8]],
        ],
        ids=lambda layer: layer[0],
    )
    def test_no_more_is_made_than_the_file_bears_out(self, tmp_path, layer):
        """A decoder of 60,000 layers, each a copy that no maker of tensors counts, would be 400 GB."""
        name = layer[0]
        last = [[0], 1, *(layer if name == "RTDETRDecoder" else ["Detect", ["nc"]])]
        body = ["Conv", [8]] if name == "RTDETRDecoder" else layer
        description = {"nc": 1, "backbone": [[-1, 1, *body]], "head": [last]}
        notes = {"yaml": json.dumps(description), "names": json.dumps({"0": "person"})}
        save_file({"x": torch.zeros(1)}, tmp_path / "large.safetensors", notes)
        with pytest.raises(WeightsError, match=r"large\.safetensors does not fit its own architecture"):
            yolo.load(tmp_path / "large.safetensors")

    def test_it_is_not_fine_tuned(self, rtdetr, tmp_path):
        with pytest.raises(UsageError, match=r"is a RTDETRDecoder network; only YOLO detectors are fine-tuned, give"):
            fine_tune([tmp_path], tmp_path / "out", FineTuneConfig(), model=str(rtdetr[1]))

    def test_names_that_are_too_few_are_one_sentence(self, rtdetr, tmp_path):
        network, _ = yolo.load(rtdetr[1])
        network.names = {0: "forklift"}
        yolo.save(network, tmp_path / "few.safetensors", {})
        with pytest.raises(WeightsError, match="1 names of 80 classes"):
            yolo.load(tmp_path / "few.safetensors")


@pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="no onnxruntime")
class TestAsUltralyticsExportsThem:
    """To ONNX, of one size of input."""

    def exported(self, model, **options):
        pytest.importorskip("onnx")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, of its older exporter
            file = model.export(format="onnx", imgsz=160, simplify=False, verbose=False, **options)
        return YoloDetector(DetectorConfig(str(file), conf=0.6))

    @pytest.mark.parametrize("options", [{}, {"nms": True, "conf": 0.6, "iou": 0.7}], ids=["plain", "nms"])
    def test_oriented_boxes_and_angles(self, tmp_path, zidane, options):
        random_network("yolo11n-obb", tmp_path / "obb.pt")
        detector = self.exported(ultralytics.YOLO(tmp_path / "obb.pt"), **options)
        (found,) = detector([zidane])
        theirs = Detections.from_ultralytics(
            ultralytics.YOLO(detector.weights, task="obb").predict(zidane, verbose=False, conf=0.6, imgsz=160)
        )
        own, other = alike(found, theirs)
        assert len(found) == len(theirs) > 5 and len(set(own)) >= 0.98 * len(found)
        assert np.abs(found.corners[own] - theirs.corners[other]).max() < 0.3
        np.testing.assert_allclose(found.data["angle"][own], theirs.data["angle"][other], atol=1e-3)

    def test_rt_detr(self, tmp_path, zidane):
        random_network("yolov8n-rtdetr", tmp_path / "rtdetr.pt")
        detector = self.exported(ultralytics.RTDETR(tmp_path / "rtdetr.pt"))
        assert detector._network.stretched and detector._network.size == (160, 160)
        (found,) = detector([zidane])
        (here,) = YoloDetector(DetectorConfig(str(tmp_path / "rtdetr.pt"), conf=0.6, imgsz=160))([zidane])
        own, _ = alike(found, here, far=0.5)
        assert len(found) == len(here) > 5 and len(set(own)) >= 0.9 * len(found)
