"""Detectors. The yardstick is Ultralytics' own `predict`, on real photographs."""

import json
import pickle
import socket
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
import torch
import ultralytics
from hypothesis import given
from hypothesis import strategies as st

from tracker import Detections, Tracker
from tracker.boxes import iou
from tracker.config import Config, DetectorConfig
from tracker.datasets.mot import DetectionFile
from tracker.detection import yolo
from tracker.detection.detector import YoloDetector, class_numbers
from tracker.detection.letterbox import letterbox, letterbox_sizes, unletterbox
from tracker.detection.suppression import suppress
from tracker.errors import DataError, UsageError, WeightsError

PHOTOS = Path(ultralytics.__file__).parent / "assets"
SHARED = Path(__file__).parents[3] / "shared"


@pytest.fixture(scope="module")
def bus():
    return cv2.imread(str(PHOTOS / "bus.jpg"))


@pytest.fixture(scope="module")
def zidane():
    return cv2.imread(str(PHOTOS / "zidane.jpg"))


@pytest.fixture(scope="module")
def detector():
    return YoloDetector(DetectorConfig(conf=0.25))


@pytest.fixture(scope="module")
def reference():
    """The embedded network in Ultralytics' own hands."""
    network, _ = yolo.load(YoloDetector(DetectorConfig()).weights)
    model = ultralytics.YOLO("yolo11n.yaml")
    model.model = network
    network.args = {}
    return model


def expected(reference, frame, **options):
    found = reference.predict(frame, verbose=False, save=False, **options)[0].boxes
    return found.xyxy.numpy(), found.conf.numpy(), found.cls.numpy()


def untrained(name, path):
    """A network of random weights, which is saved there."""
    torch.manual_seed(0)
    model = ultralytics.YOLO(name, verbose=False)
    for module in model.model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.8, 1.6)  # signals that survive the depth of an untrained network
    head = model.model.model[-1]
    for branch in [*head.cv3, *getattr(head, "one2one_cv3", [])]:
        branch[-1].bias.data.fill_(-2)  # untrained networks believe in nothing
    model.save(path)
    return model


def agree(found, boxes):
    """Every detection has its counterpart: same class, box within 0.05 px, score within 1e-4."""
    xyxy, scores, classes = boxes
    assert len(found) == len(xyxy) > 0
    for box, score, label in zip(found.xyxy, found.scores, found.classes, strict=True):
        near = np.abs(xyxy - box).max(axis=1) < 0.05
        assert (near & (classes == label) & (np.abs(scores - score) < 1e-4)).sum() == 1


class TestTheResultsAreUltralyticsOwn:
    @pytest.mark.parametrize(
        "options",
        [{"conf": 0.25}, {"conf": 0.05, "iou": 0.5}, {"conf": 0.1, "imgsz": 320}, {"conf": 0.1, "imgsz": (256, 640)}],
        ids=str,
    )
    @pytest.mark.parametrize("photo", ["bus", "zidane"])
    def test_on_photographs(self, reference, photo, options, request):
        frame = request.getfixturevalue(photo)
        (found,) = YoloDetector(DetectorConfig(**options))([frame])
        agree(found, expected(reference, frame, **options))

    @pytest.mark.parametrize("capability", ["AVX2", "AVX512"])
    def test_however_this_cpu_convolves(self, reference, bus, capability, monkeypatch):
        monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
        fuse, fused = yolo._fuse_convolutions, []
        monkeypatch.setattr(yolo, "_fuse_convolutions", lambda network: (fused.append(network), fuse(network)))
        (found,) = YoloDetector(DetectorConfig(conf=0.25))([bus])
        agree(found, expected(reference, bus, conf=0.25))
        assert len(fused) == (capability == "AVX512")

    def test_with_chosen_classes(self, reference, bus):
        (found,) = YoloDetector(DetectorConfig(classes=("bus",)))([bus])
        agree(found, expected(reference, bus, conf=0.1, classes=[5]))
        assert set(found.classes) == {5}

    def test_with_a_limit(self, reference, bus):
        (found,) = YoloDetector(DetectorConfig(max_detections=2))([bus])
        agree(found, expected(reference, bus, conf=0.1, max_det=2))

    @pytest.mark.parametrize("name", ["yolov8n.yaml", "yolov10n.yaml", "yolo26n.yaml", "yolo11n-seg.yaml"])
    def test_for_other_generations_of_yolo(self, name, zidane, tmp_path):
        """Untrained: what they find is noise, but it must be the same noise."""
        model = untrained(name, tmp_path / "random.pt")
        config = DetectorConfig(str(tmp_path / "random.pt"), max_detections=20, imgsz=128)
        (found,) = YoloDetector(config)([zidane])
        xyxy, scores, _ = expected(model, zidane, conf=0.1, max_det=20, imgsz=128)
        proper = (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
        assert len(found) == proper.sum() > 0
        assert np.allclose(np.sort(found.scores), np.sort(scores[proper]), atol=1e-4)

    @pytest.mark.parametrize("name", ["yolo11n-seg", "yolo11n-pose", "yolo26n-seg", "yolo26n-pose"])
    def test_masks_and_keypoints_of_untrained_networks_too(self, name, zidane, tmp_path):
        model = untrained(f"{name}.yaml", tmp_path / "random.pt")
        config = DetectorConfig(str(tmp_path / "random.pt"), max_detections=20, imgsz=128)
        (found,) = YoloDetector(config)([zidane])
        theirs = model.predict(zidane, verbose=False, conf=0.1, max_det=20, imgsz=128, retina_masks=True)
        expected = Detections.from_ultralytics(theirs)
        same = np.abs(found.xyxy[:, None] - expected.xyxy).max(axis=2) < 0.1
        own, other = np.nonzero(same & (np.abs(found.scores[:, None] - expected.scores) < 1e-5))
        if name.endswith("pose"):
            alike = np.abs(found.keypoints[own] - expected.keypoints[other]).max(axis=(1, 2)) < 0.1
        else:
            a, b = found.masks.dense()[own], expected.masks.dense()[other]
            alike = (a & b).sum((1, 2)) / (a | b).sum((1, 2)) > 0.9
        assert len(set(own[alike])) >= 10  # of cells with the very same score either may have been taken

    @pytest.mark.parametrize("name", ["yolo11n-seg", "yolo11n-pose", "yolo26n-pose"])
    def test_where_nothing_is_found_there_are_no_masks_and_keypoints(self, name, zidane, tmp_path):
        """Nor on any of the network's three grids, of which one is empty in most frames."""
        untrained(f"{name}.yaml", tmp_path / "random.pt")
        (found,) = YoloDetector(DetectorConfig(str(tmp_path / "random.pt"), conf=1.0, imgsz=64))([zidane])
        assert len(found) == 0
        assert len(found.masks) == 0 if name.endswith("seg") else found.keypoints.shape == (0, 17, 3)


class TestFrames:
    def test_known_objects_are_found(self, detector, bus):
        (found,) = detector([bus])
        assert [detector.names[c] for c in found.classes].count("bus") == 1
        assert [detector.names[c] for c in found.classes].count("person") >= 4

    def test_a_batch_equals_its_single_frames_bit_for_bit(self, detector, bus, zidane):
        frames = [bus, zidane, bus[:300], zidane]
        for together, frame in zip(detector(frames), frames, strict=True):
            (alone,) = detector([frame])
            assert np.array_equal(together.xyxy, alone.xyxy)
            assert np.array_equal(together.scores, alone.scores)

    def test_no_frames_and_nothing_to_see(self, detector):
        assert detector([]) == []
        (found,) = detector([np.zeros((90, 160, 3), np.uint8)])
        assert len(found) == 0 and found.xyxy.shape == (0, 4)

    @pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (33, 31)])
    def test_tiny_and_thin_frames(self, detector, shape):
        (found,) = detector([np.full((*shape, 3), 90, np.uint8)])
        assert found.xyxy.shape[1] == 4

    def test_boxes_lie_in_the_frame(self, bus):
        (found,) = YoloDetector(DetectorConfig(conf=0.001))([bus[:, :300]])
        assert len(found) > 50
        assert (found.xyxy >= 0).all() and (found.xyxy <= [300, 1080, 300, 1080]).all()

    def test_a_batch_that_is_copied_once_gives_the_same_and_keeps_the_copy(self, bus, zidane):
        """The way of frames on a GPU, here with the CPU in its place: boxes to a tenth of a pixel, at any size."""
        one_by_one = YoloDetector(DetectorConfig(conf=0.25))
        batched = YoloDetector(DetectorConfig(conf=0.25))
        batched._one_by_one = False
        frames = [bus, bus[:, ::-1].copy(), zidane, bus[:640, :800].copy()]
        for frame, there, here in zip(frames, batched(frames), one_by_one(frames), strict=True):
            assert len(there) == len(here)
            np.testing.assert_allclose(there.xyxy, here.xyxy, atol=0.1)
            assert here.pixels is None
            np.testing.assert_array_equal(there[there.scores > 0.5].pixels.numpy(), frame)

    @pytest.mark.cuda
    @pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    @pytest.mark.parametrize("half", [False, True])
    def test_cuda_finds_what_the_cpu_finds(self, detector, bus, half):
        (cpu,), (cuda,) = detector([bus]), YoloDetector(DetectorConfig(conf=0.25, half=half), "cuda:0")([bus])
        best = iou(cpu.xyxy, cuda.xyxy).max(axis=1)
        assert len(cpu) == len(cuda) and (best > 0.95).all()


@pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason="../shared is not there")
class TestNetworksAsUltralyticsExportsThem:
    """Real ones: ONNX for one size of input, OpenVINO for any."""

    SEG, POSE = SHARED / "weights/yolov8n-seg_int8.onnx", SHARED / "weights/yolov8n-pose_int8_openvino_model"

    def test_masks_lie_on_their_people(self, bus):
        pytest.importorskip("onnxruntime")
        (found,) = YoloDetector(DetectorConfig(str(self.SEG), conf=0.4))([bus])
        theirs = ultralytics.YOLO(self.SEG, task="segment").predict(
            bus, verbose=False, conf=0.4, iou=0.7, imgsz=320, retina_masks=True
        )
        expected = Detections.from_ultralytics(theirs)
        pairs = iou(found.xyxy, expected.xyxy)
        assert len(found) == len(expected) >= 3 and (pairs.max(axis=1) > 0.95).all()
        a, b = found.masks.dense(), expected.masks.dense()[pairs.argmax(axis=1)]
        assert ((a & b).sum((1, 2)) / (a | b).sum((1, 2)) > 0.95).all()
        assert found.names[int(found.classes[0])] in ("person", "bus")

    def test_keypoints_lie_in_their_boxes_and_travel_to_the_tracks(self, zidane):
        pytest.importorskip("openvino")
        tracker = Tracker(Config().override({"detector": {"model": str(self.POSE)}, "appearance": {"enabled": False}}))
        tracks = tracker.update(zidane)
        assert len(tracks) == 2 and tracks.keypoints.shape == (2, 17, 3) and tracks.names == {0: "person"}
        for (left, top, right, bottom), points in zip(tracks.xyxy, tracks.keypoints, strict=True):
            sure = points[points[:, 2] > 0.6]
            assert len(sure) >= 5
            assert ((sure[:, 0] > left - 20) & (sure[:, 0] < right + 20)).all()
            assert ((sure[:, 1] > top - 20) & (sure[:, 1] < bottom + 20)).all()

    def test_a_damaged_or_silent_one_is_one_sentence(self, tmp_path):
        pytest.importorskip("onnxruntime")
        onnx = pytest.importorskip("onnx")
        (tmp_path / "cut.onnx").write_bytes(self.SEG.read_bytes()[:5000])
        with pytest.raises(WeightsError, match=r"cut\.onnx cannot be opened .*; give a YOLO network as Ultralytics"):
            YoloDetector(DetectorConfig(str(tmp_path / "cut.onnx")))
        model = onnx.load(self.SEG)
        del model.metadata_props[:]
        onnx.save(model, tmp_path / "silent.onnx")
        with pytest.raises(WeightsError, match=r"silent\.onnx does not say what network it holds; give a YOLO network"):
            YoloDetector(DetectorConfig(str(tmp_path / "silent.onnx")))


class TestLetterbox:
    @pytest.mark.parametrize(
        ("size", "boxed"),
        [((1080, 1920), (384, 640)), ((1920, 1080), (640, 384)), ((640, 640), (640, 640)), ((10, 1000), (32, 640))],
        ids=str,
    )
    def test_sides_are_multiples_of_the_stride(self, size, boxed):
        assert letterbox(np.zeros((*size, 3), np.uint8), 640).shape == (*boxed, 3)

    @pytest.mark.parametrize(
        ("size", "imgsz", "boxed"),
        [
            ((1080, 1920), (384, 640), (384, 640)),
            ((1080, 1920), (300, 1920), (320, 576)),
            ((1920, 1080), (384, 640), (384, 224)),
            ((640, 640), (384, 640), (384, 384)),
        ],
        ids=str,
    )
    def test_a_height_and_a_width_are_what_the_picture_fits_into(self, size, imgsz, boxed):
        assert letterbox(np.zeros((*size, 3), np.uint8), imgsz).shape == (*boxed, 3)

    def test_colours_are_turned_to_rgb_and_centred_on_grey(self):
        blue = np.zeros((320, 640, 3), np.uint8)
        blue[..., 0] = 200
        boxed = letterbox(np.ascontiguousarray(blue[:300]), 640)
        assert boxed[160, 320].tolist() == [0, 0, 200]
        assert boxed[0, 0].tolist() == [114, 114, 114]

    @given(st.integers(40, 2000), st.integers(40, 2000), st.sampled_from([320, 640, 960, (384, 640), (640, 320)]))
    def test_unletterbox_maps_the_picture_back_onto_the_frame(self, height, width, imgsz):
        boxed = letterbox(np.full((height, width, 3), 255, np.uint8), imgsz)
        rows, columns = np.nonzero((boxed == 255).all(axis=-1))
        picture = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32)
        back = unletterbox(picture, (height, width), *letterbox_sizes((height, width), imgsz, 32))
        assert np.allclose(back, [[0, 0, width, height]], atol=0.01)


class TestSuppression:
    def rows(self, *rows):
        return np.array(rows, np.float32).reshape(-1, 6)

    def test_the_stronger_of_two_stays_and_order_is_by_score(self):
        rows = self.rows([0, 0, 10, 10, 0.5, 0], [0, 0, 10, 9, 0.9, 0], [50, 50, 60, 60, 0.7, 0])
        assert suppress(rows, 0.7) == [1, 2]

    def test_other_classes_are_left_alone(self):
        assert suppress(self.rows([0, 0, 10, 10, 0.5, 0], [0, 0, 10, 10, 0.9, 3]), 0.7) == [1, 0]

    def test_nothing(self):
        assert suppress(self.rows(), 0.7) == []

    @given(st.integers(0, 2**32 - 1), st.floats(0.05, 0.95))
    def test_what_is_kept_is_apart_and_what_goes_had_a_stronger_neighbour(self, seed, threshold):
        rng = np.random.default_rng(seed)
        corner = rng.uniform(0, 100, (30, 2))
        rows = np.concatenate(
            [corner, corner + rng.uniform(5, 60, (30, 2)), rng.uniform(0.1, 1, (30, 1)), np.zeros((30, 1))], 1
        )
        kept = suppress(rows.astype(np.float32), threshold)
        overlap = iou(rows[:, :4], rows[:, :4])
        gone = sorted(set(range(30)) - set(kept))
        assert (np.triu(overlap[np.ix_(kept, kept)], 1) <= threshold + 1e-4).all()
        for row in gone:
            assert any(overlap[row, k] > threshold - 1e-4 and rows[k, 4] >= rows[row, 4] for k in kept)


class TestClasses:
    NAMES: ClassVar = {0: "person", 2: "car", 9: "traffic light"}

    def test_names_and_numbers(self):
        assert class_numbers(["Car", "0", "traffic light"], self.NAMES) == [0, 2, 9]
        assert class_numbers([], self.NAMES) is None

    @pytest.mark.parametrize(("wrong", "hint"), [("persn", "'person'"), ("zzz", "person, car"), ("7", "person, car")])
    def test_an_unknown_class_names_the_nearest(self, wrong, hint):
        with pytest.raises(UsageError, match=hint):
            class_numbers([wrong], self.NAMES)


class TestWeights:
    def test_a_missing_file_is_never_downloaded(self, monkeypatch):
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("looked up a host"))
        with pytest.raises(WeightsError, match=r"yolo11n\.pt"):
            YoloDetector(DetectorConfig("yolo11n.pt"))

    @pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
    @pytest.mark.parametrize("content", [b"", b"text", bytes(range(256)) * 40])
    def test_damaged_files(self, tmp_path, suffix, content):
        path = tmp_path / f"broken{suffix}"
        path.write_bytes(content)
        with pytest.raises(WeightsError, match="broken"):
            YoloDetector(DetectorConfig(str(path)))

    def test_a_truncated_file(self, tmp_path):
        path = tmp_path / "half.safetensors"
        path.write_bytes(YoloDetector(DetectorConfig()).weights.read_bytes()[:100_000])
        with pytest.raises(WeightsError, match="half"):
            YoloDetector(DetectorConfig(str(path)))

    def test_other_formats(self, tmp_path):
        (tmp_path / "model.tflite").write_bytes(b"x")
        with pytest.raises(WeightsError, match=r"is not a \.pt, \.pth, \.safetensors or \.onnx file"):
            YoloDetector(DetectorConfig(str(tmp_path / "model.tflite")))

    @pytest.mark.parametrize("how", ["pickle", "torch"])
    def test_a_pickle_that_runs_code_is_refused_and_not_run(self, tmp_path, how):
        class Attack:
            def __reduce__(self):
                return (Path.touch, (tmp_path / "ran",))

        path = tmp_path / "evil.pt"
        if how == "torch":
            torch.save({"model": Attack()}, path)
        else:
            path.write_bytes(pickle.dumps(Attack()))
        with pytest.raises(WeightsError, match="without running code"):
            YoloDetector(DetectorConfig(str(path)))
        assert not (tmp_path / "ran").exists()

    def test_an_architecture_that_runs_code_is_refused_and_not_run(self, tmp_path):
        network, _ = yolo.load(YoloDetector(DetectorConfig()).weights)
        network.yaml = {**network.yaml, "activation": f"open({str(tmp_path / 'ran')!r}, 'w')"}
        yolo.save(network, tmp_path / "evil.safetensors", {})
        with pytest.raises(WeightsError, match="activation"):
            YoloDetector(DetectorConfig(str(tmp_path / "evil.safetensors")))
        assert not (tmp_path / "ran").exists()

    @pytest.mark.parametrize("layer", ["torch_safe_load", "nn.functional", "os.system", ""])
    def test_only_layers_are_built(self, tmp_path, layer):
        network, _ = yolo.load(YoloDetector(DetectorConfig()).weights)
        network.yaml = json.loads(json.dumps(network.yaml))
        network.yaml["backbone"][0][2] = layer
        yolo.save(network, tmp_path / "odd.safetensors", {})
        with pytest.raises(WeightsError, match="unknown layer"):
            yolo.load(tmp_path / "odd.safetensors")

    def test_a_network_of_another_task(self, tmp_path):
        ultralytics.YOLO("yolo11n-cls.yaml", verbose=False).save(tmp_path / "classifier.pt")
        with pytest.raises(WeightsError, match="detector"):
            YoloDetector(DetectorConfig(str(tmp_path / "classifier.pt")))

    def test_saving_and_loading_keeps_the_network(self, tmp_path, bus):
        """The embedded weights are 16-bit, so a second rounding changes nothing."""
        detector = YoloDetector(DetectorConfig())
        network, names = yolo.load(detector.weights)
        yolo.save(network, tmp_path / "copy.safetensors", {"licence": "AGPL-3.0"})
        copy = YoloDetector(DetectorConfig(str(tmp_path / "copy.safetensors")))
        assert dict(copy.names) == names
        assert np.array_equal(detector([bus])[0].xyxy, copy([bus])[0].xyxy)


class TestDetectionFile:
    def write(self, tmp_path, text):
        (tmp_path / "det.txt").write_text(text)
        return DetectionFile(tmp_path / "det.txt")

    def test_frames_in_any_order(self, tmp_path):
        file = self.write(tmp_path, "3,-1,10,20,30,40,0.5\n1,-1,1,2,3,4,0.9,-1,-1,-1\n".replace(",-1,-1,-1\n", "\n"))
        assert file.frame(1).xyxy.tolist() == [[1, 2, 4, 6]]
        assert len(file.frame(2)) == 0
        assert file.frame(3).scores.tolist() == [0.5]

    def test_scores_of_other_detectors_are_rescaled_in_order(self, tmp_path):
        lines = "".join(f"1,-1,{10 * i},0,5,5,{score}\n" for i, score in enumerate([93.67, -0.48, 20, 138.9]))
        scores = self.write(tmp_path, lines).frame(1).scores
        assert np.argsort(scores).tolist() == [1, 2, 0, 3]
        assert scores.min() == pytest.approx(0.1) and scores.max() == 1

    def test_scores_in_range_are_kept_and_missing_ones_are_one(self, tmp_path):
        assert self.write(tmp_path, "1,-1,0,0,5,5,0.03\n").frame(1).scores.tolist() == pytest.approx([0.03])
        assert self.write(tmp_path, "1,-1,0,0,5,5\n").frame(1).scores.tolist() == [1]

    def test_boxes_without_area_are_left_out(self, tmp_path):
        assert len(self.write(tmp_path, "1,-1,0,0,0,5,0.3\n1,-1,0,0,5,-1,0.3\n1,-1,0,0,nan,5,0.3\n").frame(1)) == 0

    def test_an_empty_file(self, tmp_path):
        assert len(self.write(tmp_path, "").frame(1)) == 0

    @pytest.mark.parametrize("text", ["1,2,3\n", "hello\n"])
    def test_other_content(self, tmp_path, text):
        with pytest.raises(DataError, match=r"det\.txt"):
            self.write(tmp_path, text)

    @pytest.mark.shared
    @pytest.mark.skipif(not SHARED.is_dir(), reason="research data not here")
    def test_a_real_file_with_scores_up_to_139(self):
        file = DetectionFile(SHARED / "data/video/PETS09-S2L1-first/det/det.txt")
        assert sum(len(file.frame(n)) for n in range(1, 396)) == 2887
