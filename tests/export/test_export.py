"""Exported networks give what PyTorch gives, are used wherever weights are, and say what is missing."""

import ctypes
import importlib
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

import tracker
from helpers.clips import pan
from helpers.commands import ended
from tracker.appearance.embedder import Embedder
from tracker.cli import main
from tracker.config import AppearanceConfig, Config, DetectorConfig
from tracker.detection.detector import EMBEDDED, YoloDetector
from tracker.errors import DataError, MissingExtraError, OutputError, UsageError, WeightsError
from tracker.export import int8 as cached
from tracker.export.calibration_data import collect, photographs
from tracker.export.convert import export, ready
from tracker.export.int8 import prepared
from tracker.export.parity import mean_average_precision
from tracker.jobs.run import Output, run
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations
from tracker.structures import Detections
from tracker.system.engine import COMPILED, MANIFEST, find
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})
ENGINES = [
    pytest.param("openvino", marks=pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="no openvino")),
    pytest.param("onnx", marks=pytest.mark.skipif(not importlib.util.find_spec("onnxruntime"), reason="no onnx")),
]
int8 = pytest.mark.skipif(
    not (importlib.util.find_spec("nncf") and importlib.util.find_spec("openvino")), reason="needs openvino and nncf"
)


def signal_stack() -> bytes:
    """The stack of this thread's signal handlers (`stack_t`)."""
    stack = ctypes.create_string_buffer(64)
    ctypes.CDLL(None).sigaltstack(None, stack)
    return stack.raw


@pytest.fixture(scope="module")
def calibration_set():
    """Two moving views of each photograph."""
    return collect(None, CONFIG, count=24)


@pytest.fixture(scope="module", params=ENGINES)
def folder(request, calibration_set, tmp_path_factory):
    out = tmp_path_factory.mktemp(request.param)
    parity = export(CONFIG, out, calibration_set, format=request.param)
    return out, parity


class TestSameAsPyTorch:
    def test_the_largest_differences_are_rounding(self, folder):
        _, parity = folder
        assert set(parity) == {"detector", "appearance", "motion"}
        for check in parity.values():
            assert check.differences
            for what, difference in check.differences.items():
                assert 0 < difference < (0.05 if what == "box, px" else 1e-3)

    @pytest.mark.parametrize("imgsz", [320, (160, 416)], ids=str)
    def test_detections_of_any_frame_size(self, folder, imgsz):
        images = [image for _, image in zip(range(22), (image for _, image in photographs()), strict=False)][::21]
        images.append(np.ascontiguousarray(images[0][:, :400]))
        config = replace(CONFIG.detector, imgsz=imgsz)
        ours, theirs = (YoloDetector(replace(config, model=m))(images) for m in (str(folder[0]), ""))
        assert sum(map(len, theirs)) > 4
        for own, other in zip(ours, theirs, strict=True):
            assert len(own) == len(other)
            assert own.xyxy == pytest.approx(other.xyxy, abs=0.05)
            assert own.scores == pytest.approx(other.scores, abs=1e-3)
            assert own.classes.tolist() == other.classes.tolist()

    def test_several_threads_at_once(self, folder):
        network = find(folder[0]).open("detector", any_shape=False)
        pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)
        with ThreadPoolExecutor(4) as pool:
            tables = [table for (table,) in pool.map(lambda _: network(pixels), range(16))]
        assert all(np.array_equal(table, tables[0]) for table in tables)

    def test_threads_that_take_turns_share_the_memory_of_one_request(self, folder):
        network = find(folder[0]).open("detector", any_shape=False)
        pixels = np.zeros((1, 64, 96, 3), np.uint8)
        for _ in range(3):
            with ThreadPoolExecutor(1) as pool:  # a thread of its own each
                pool.submit(network, pixels).result()
        if find(folder[0]).format == "openvino":
            assert [len(free) for free in network._free.values()] == [1]

    def test_embeddings_of_any_number_of_crops(self, folder, calibration_set):
        found = next(found for found in calibration_set.found if len(found) > 2)
        frame = calibration_set.frames[calibration_set.found.index(found)]
        boxes = np.concatenate([found.xyxy] * 8)[:19]
        ours, theirs = (Embedder(AppearanceConfig(model=model)) for model in (str(folder[0]), ""))
        assert ours.calibration == theirs.calibration
        assert ours(frame, boxes) == pytest.approx(theirs(frame, boxes), abs=1e-5)

    def test_openvino_gets_one_crop_at_a_time_as_another_number_would_cost_it_a_new_layout(self, folder):
        embedder = Embedder(AppearanceConfig(model=str(folder[0])))
        network, asked = embedder._network, []
        embedder._network = lambda crops: (asked.append(crops.shape), network(crops))[1]
        frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
        boxes = np.array([[20 * n, 10, 20 * n + 40, 200] for n in range(7)], np.float32)
        alone = [embedder(frame, boxes[n : n + 1])[0] for n in range(7)]
        assert np.abs(embedder(frame, boxes) - alone).max() < 1e-5
        numbers = {shape[0] for shape in asked}
        assert numbers == ({1} if find(folder[0]).format == "openvino" else {1, 7})

    def test_or_four_where_it_runs_for_long_and_the_result_is_the_same_bit_for_bit(self, folder):
        alone, lasting = (Embedder(AppearanceConfig(model=str(folder[0])), lasting=long) for long in (False, True))
        network, asked = lasting._network, []
        lasting._network = lambda crops: (asked.append(len(crops)), network(crops))[1]
        frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
        boxes = np.array([[20 * n, 10, 20 * n + 40, 200] for n in range(11)], np.float32)
        np.testing.assert_array_equal(lasting(frame, boxes), alone(frame, boxes))
        assert asked == ([4, 4, 1, 1, 1] if find(folder[0]).format == "openvino" else [11])

    def test_forecasts_with_and_without_embeddings(self, folder):
        ours, theirs = load_predictor(str(folder[0])), load_predictor()
        slots = np.arange(3)
        embeddings = np.eye(3, 512, dtype=np.float32)
        embeddings[1] = np.nan
        for step in range(6):
            boxes = np.array([[10, 20, 50, 120], [200, 50, 260, 200], [400, 10, 420, 60]], np.float32) + 3 * step
            features = embeddings if step % 2 else None
            seen = Observations(boxes, np.full(3, 0.8, np.float32), step / 30, features, (640.0, 480.0))
            for predictor in (ours, theirs):
                predictor.update(slots, seen, np.full(3, step == 0))
        one, other = ours.predict(slots, 1.0), theirs.predict(slots, 1.0)
        assert one.cxcywh == pytest.approx(other.cxcywh, abs=0.01)
        assert one.std == pytest.approx(other.std, rel=1e-3)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "pan.mp4", 12)


def test_signals_are_handled_where_they_were(folder):
    """As `tests/system/test_signal_handling.py` tells, a signal stack of OpenVINO's ends the process later."""
    before = signal_stack()
    for network in ("detector", "appearance", "motion"):
        find(folder[0]).open(network)
        assert signal_stack() == before


def test_a_run_with_it_is_the_same_side_by_side_and_one_by_one(folder, clip, tmp_path):
    model = {"model": str(folder[0])}
    at_once = {"report_delay_s": 0}  # a stream's frames do not wait
    config = CONFIG.override({"detector": model, "appearance": model, "motion": model, "bank": at_once})
    result = run([clip], config, Output(project=tmp_path, video=False))[0]
    tracker = Tracker(config)
    seen = {frame.number: tracks.confirmed.xyxy for frame, tracks in tracker.stream(clip)}
    rows = np.loadtxt(result.folder / "tracks.txt", delimiter=",", ndmin=2)
    last = rows[rows[:, 0] == 12]
    assert len(last) >= 2
    assert sorted(last[:, 2]) == pytest.approx(sorted(seen[12][:, 0]), abs=0.01)
    record = yaml.safe_load((result.folder / "run.yaml").read_text())
    assert {Path(weights["file"]).name for weights in record["weights"].values()} == {MANIFEST}


def test_the_command_uses_all_of_a_folder(folder, clip, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["run", str(clip), "--model", str(folder[0]), "--project", str(tmp_path), "--no-video", "--json"])
    assert not ended.value.code
    (result,) = json.loads(capsys.readouterr().out)
    config = yaml.safe_load((Path(result["folder"]) / "run.yaml").read_text())["config"]
    assert {config[part]["model"] for part in ("detector", "appearance", "motion")} == {str(folder[0])}


def test_the_manifest_says_what_it_is(folder):
    content = yaml.safe_load((folder[0] / MANIFEST).read_text())
    assert content["precision"] == "fp32"
    for network in content["networks"].values():
        assert (folder[0] / network["file"]).is_file()
        assert len(network["made_from"]["sha256"]) == 64
        assert network["agreement"]["differences"]


class TestInt8:
    @pytest.mark.slow
    def test_all_three_networks(self, calibration_set, tmp_path):
        pytest.importorskip("nncf")
        pytest.importorskip("onnxruntime")
        parity = export(CONFIG, tmp_path, calibration_set, format="onnx", int8=True)
        assert parity["detector"].exported > 0.7 * parity["detector"].pytorch > 0
        assert 0 < parity["appearance"].differences["feature"] < 0.5
        assert 0 < parity["motion"].differences["hidden"] < 1
        assert sum(path.stat().st_size for path in tmp_path.glob("detector.*")) < 4.5e6, "a quarter of 32 bits"

    @int8
    def test_motion_for_openvino(self, calibration_set, tmp_path):
        before = signal_stack()
        parity = export(CONFIG, tmp_path, calibration_set, format="openvino", int8=True, networks=["motion"])
        assert signal_stack() == before
        assert 0 < parity["motion"].differences["hidden"] < 1

    @pytest.mark.slow
    def test_made_once_and_kept_in_the_cache_folder(self, int8_cache, monkeypatch, clip):
        cache, first, said = int8_cache
        assert said and all("once" in text for text in said)
        folders = [Path(part.model) for part in (first.detector, first.appearance)]
        assert {folder.parent for folder in folders} == {cache / "tracker"}
        assert sorted(path.name for path in (cache / "tracker").iterdir()) == sorted(folder.name for folder in folders)
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        config = CONFIG.override({"engine": "openvino-int8"})
        again = []
        assert prepared(config, again.append) == first and not again
        for part, folder in zip(("detector", "appearance"), folders, strict=True):
            check = yaml.safe_load((folder / MANIFEST).read_text())["networks"][part]["agreement"]
            assert check["exported"] > 0.7 * check["pytorch"] > 0
        assert 0 < check["differences"]["feature"] < 0.5
        assert sum(path.stat().st_size for path in folders[0].glob("detector.*")) < 4.5e6, "a quarter of 32 bits"
        tracker = Tracker(config)
        assert tracker.config == config, "what is noted and repeated is the engine, not its cache"
        assert sum(len(tracks.confirmed) for _, tracks in tracker.stream(clip)) >= 12

    @pytest.mark.slow
    def test_laid_out_once_for_a_processor(self, int8_cache, tmp_path, monkeypatch):
        """Else each run would do it anew, which is most of its start; the same numbers come of what is damaged."""
        cache, first, _ = int8_cache
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
        prepared(CONFIG.override({"engine": "openvino-int8"}))
        assert (Path(first.detector.model) / COMPILED).is_dir()
        shutil.copytree(first.detector.model, tmp_path / "own", ignore=shutil.ignore_patterns(COMPILED))
        network, kept = find(tmp_path / "own", "detector"), tmp_path / "own" / COMPILED
        kept.mkdir()
        pixels = np.random.default_rng(0).integers(0, 256, (1, 64, 96, 3), np.uint8)

        def found():
            (rows,) = network.open("detector", any_shape=False)(pixels)
            return rows

        anew = found()
        (blob,) = kept.iterdir()
        made = blob.stat().st_mtime_ns
        assert np.array_equal(found(), anew)
        assert blob.stat().st_mtime_ns == made, "used, not made again"
        whole = blob.read_bytes()
        blob.unlink()
        blob.write_bytes(whole[: len(whole) // 2])
        assert np.array_equal(found(), anew)
        assert blob.stat().st_size > len(whole) // 2, "of a process that was killed while it wrote"
        shutil.rmtree(kept)
        assert np.array_equal(found(), anew)
        assert not kept.exists(), "a folder that is not there is not made by who only looks"

    def test_of_other_words_are_others(self):
        """Also where the words are the same ones, cut elsewhere."""
        prompts = (), ("traffic", "light"), ("traffic light",), ("light", "traffic"), ("traffic, light",)
        assert len({cached._place("detector", EMBEDDED, prompt) for prompt in prompts}) == len(prompts)

    def test_pytorch_needs_none(self):
        assert prepared(CONFIG) is CONFIG


class TestRefusals:
    @int8
    def test_a_cache_folder_that_cannot_be_written(self, monkeypatch, tmp_path):
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        with pytest.raises(OutputError, match=r"cannot be kept in .*; set XDG_CACHE_HOME to a folder"):
            prepared(CONFIG.override({"engine": "openvino-int8"}))

    @int8
    def test_a_user_without_a_home(self, clip):
        """As the number that a container was told to run as."""
        nobody = ["unshare", "--user", "--map-user=54321"]
        if subprocess.run([*nobody, "true"], capture_output=True).returncode:
            pytest.skip("no user namespaces here")
        bare = {k: v for k, v in os.environ.items() if k not in ("HOME", "XDG_CACHE_HOME")}
        done = subprocess.run(
            [*nobody, sys.executable, "-m", "tracker", str(clip), "--config", "edge"],
            env=bare | {"PYTHONPATH": str(Path(tracker.__file__).parents[1])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        said = "error: no home folder to keep the INT8 networks in; set XDG_CACHE_HOME to a folder for them"
        assert done.stderr.strip().splitlines() == [said]

    def test_a_folder_without_an_export(self, tmp_path):
        with pytest.raises(WeightsError, match="track export"):
            YoloDetector(DetectorConfig(model=str(tmp_path)))

    def test_a_network_that_the_folder_lacks(self, tmp_path):
        (tmp_path / MANIFEST).write_text("{format: onnx, precision: fp32, networks: {}}")
        for use in (
            lambda m: YoloDetector(DetectorConfig(model=m)),
            lambda m: Embedder(AppearanceConfig(model=m)),
            load_predictor,
        ):
            with pytest.raises(WeightsError, match="holds no"):
                use(str(tmp_path))

    @pytest.mark.parametrize("content", ["{", "[]", "{format: tflite, precision: fp32, networks: {}}"])
    def test_a_manifest_that_is_none(self, tmp_path, content):
        (tmp_path / MANIFEST).write_text(content)
        with pytest.raises(WeightsError, match="not a folder of exported networks"):
            find(tmp_path)

    def test_a_damaged_network(self, folder, tmp_path):
        content = yaml.safe_load((folder[0] / MANIFEST).read_text())
        (tmp_path / MANIFEST).write_text(yaml.safe_dump(content))
        for network in content["networks"].values():
            (tmp_path / network["file"]).write_bytes(b"<net")
        with pytest.raises(WeightsError, match="cannot be opened"):
            YoloDetector(DetectorConfig(model=str(tmp_path)))

    def test_what_is_exported_already(self, folder, calibration_set, tmp_path):
        config = CONFIG.override({"detector": {"model": str(folder[0])}})
        with pytest.raises(UsageError, match="exported already"):
            export(config, tmp_path / "again", calibration_set)

    def test_networks_of_others(self, tmp_path):
        (tmp_path / "yolo.onnx").write_bytes(b"a network")
        config = CONFIG.override({"detector": {"model": str(tmp_path / "yolo.onnx")}})
        with pytest.raises(UsageError, match=r"yolo\.onnx is exported already; give the weights it was made from"):
            ready(config, tmp_path, format="onnx", int8=False)

    def test_a_network_that_knows_nothing_of_what_is_looked_at_where_nothing_is_given(self):
        """As one of fish does not."""
        with pytest.raises(DataError, match=r"nothing is detected in the two photographs .*; give --calibrate a video"):
            collect(None, CONFIG.override({"detector": {"classes": ["giraffe"]}}), count=1)

    def test_words_for_a_network_that_takes_none(self, tmp_path, capsys):
        code, said = ended(["export", "--prompt", "fish", "--out", str(tmp_path / "out")], capsys)
        assert code == 2 and "takes no words; give weights that do (--model yoloe-11s-seg.pt)" in said

    @pytest.mark.parametrize(("format", "module"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
    def test_a_missing_package(self, calibration_set, tmp_path, monkeypatch, format, module):
        monkeypatch.setitem(sys.modules, module, None)
        with pytest.raises(MissingExtraError, match=rf"pip install 'lstm-tracker\[{format}\]'"):
            export(CONFIG, tmp_path / "out", calibration_set, format=format)
        assert not (tmp_path / "out").exists()

    def test_an_output_in_the_way_is_said_before_the_calibration_set_is_read(self, tmp_path, capsys):
        (tmp_path / "out").write_text("theirs")
        with pytest.raises(SystemExit) as ended:
            main(["export", "--calibrate", "none.mp4", "--out", str(tmp_path / "out")])
        assert ended.value.code == 1
        assert capsys.readouterr().err.startswith(f"error: cannot write {tmp_path / 'out'}: ")

    def test_the_edge_preset_without_openvino(self, clip, tmp_path, monkeypatch, capsys):
        monkeypatch.setitem(sys.modules, "openvino", None)
        with pytest.raises(SystemExit) as ended:
            main(["run", str(clip), "--config", "edge", "--project", str(tmp_path / "runs")])
        assert ended.value.code == 1
        sentence = "error: openvino is not installed; run: pip install 'lstm-tracker[openvino]'\n"
        assert capsys.readouterr().err == sentence
        assert not (tmp_path / "runs").exists()


class TestMeanAveragePrecision:
    TRUTH = Detections([[0, 0, 10, 10], [20, 20, 40, 60]], classes=[0, 1])

    def test_the_truth_itself(self):
        assert mean_average_precision([self.TRUTH], [self.TRUTH]) == pytest.approx(99.5, abs=0.01)

    def test_nothing_of_the_right_class(self):
        wrong = Detections(self.TRUTH.xyxy, classes=[1, 0])
        assert mean_average_precision([wrong], [self.TRUTH]) == 0

    def test_one_of_two_classes_is_half(self):
        assert mean_average_precision([self.TRUTH[:1]], [self.TRUTH]) == pytest.approx(49.75, abs=0.01)

    def test_a_box_that_overlaps_by_three_quarters_counts_up_to_that(self):
        found = Detections([[0, 0, 10, 7.7]], classes=[0])
        assert mean_average_precision([found], [self.TRUTH[:1]]) == pytest.approx(99.5 * 6 / 10, abs=0.1)


def test_labels_beside_images_are_the_truth(tmp_path):
    import cv2

    (tmp_path / "images").mkdir()
    (tmp_path / "labels").mkdir()
    for number, (_, image) in zip(range(3), photographs(), strict=False):
        cv2.imwrite(str(tmp_path / "images" / f"{number}.jpg"), image)
        (tmp_path / "labels" / f"{number}.txt").write_text("2 0.5 0.5 0.25 0.5\n")
    found = collect(str(tmp_path / "images"), CONFIG)
    height, width = found.frames[0].shape[:2]
    assert found.truth is not None and len(found.truth) == 3
    assert found.truth[0].xyxy.tolist() == [[0.375 * width, 0.25 * height, 0.625 * width, 0.75 * height]]
    assert found.truth[0].classes.tolist() == [2]


def test_a_run_with_networks_of_openvino_does_not_import_pytorch(folder, clip, tmp_path):
    """It would be half of the memory and most of the time until the first frame."""
    if folder[0].name.startswith("onnx"):
        pytest.skip("one engine is enough")
    program = f"""
import sys
from pathlib import Path
from tracker.config import Config
from tracker.jobs.run import Output, run
model = {{"model": {str(folder[0])!r}}}
config = Config().override({{"detector": model, "appearance": model, "device": "cpu"}})
(result,) = run([{str(clip)!r}], config, Output(project=Path({str(tmp_path)!r})))
assert result.error is None and result.tracks, result
print(*({{"torch", "torchvision", "ultralytics"}} & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stdout.strip()) == (0, ""), answer.stderr
