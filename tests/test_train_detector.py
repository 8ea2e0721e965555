"""Fine-tuning the detector, on a handful of small pictures."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import ultralytics
import yaml

from tracker import yolo
from tracker.cli import main
from tracker.config import DetectorConfig
from tracker.detect import EMBEDDED, YoloDetector
from tracker.errors import DataError, UsageError
from tracker.structures import Detections, Tracks
from tracker.train.detection_data import DataConfig, Dataset, _covered, build
from tracker.train.detector import FineTuneConfig, fine_tune
from tracker.video import Frame
from tracker.video_writer import VideoWriter

BUS = cv2.imread(str(Path(ultralytics.__file__).parent / "assets" / "bus.jpg"))
# class (0: bus, 1: person), left, top, right, bottom, by hand
OBJECTS = [(0, 3, 229, 796, 729), (1, 48, 399, 242, 905), (1, 222, 408, 344, 860), (1, 670, 394, 810, 880)]
SMALL = DataConfig(imgsz=64, held_out=0.4)
QUICK = FineTuneConfig(epochs=1, batch=2, imgsz=64, data=SMALL, lr=1e-4)


def yolo_folder(folder, names=("bus", "person"), count=6):
    (folder / "images").mkdir(parents=True)
    (folder / "labels").mkdir()
    (folder / "data.yaml").write_text(yaml.safe_dump({"names": list(names)}))
    height, width = BUS.shape[:2]
    rows = [
        f"{c} {(left + r) / 2 / width:.5f} {(t + b) / 2 / height:.5f} {(r - left) / width:.5f} {(b - t) / height:.5f}"
        for c, left, t, r, b in OBJECTS
    ]
    for i in range(count):
        cv2.imwrite(str(folder / "images" / f"{i}.jpg"), cv2.convertScaleAbs(BUS, alpha=0.7 + 0.1 * i))
        (folder / "labels" / f"{i}.txt").write_text("\n".join(rows))
    return folder


def mot_folder(folder):
    (folder / "img1").mkdir(parents=True)
    (folder / "gt").mkdir()
    (folder / "seqinfo.ini").write_text("[Sequence]\nseqLength=9\nframeRate=2\n")
    for number in range(1, 10):
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.jpg"), BUS)
    lines = [
        f"{n},1,48,399,194,506,1,1,1\n{n},2,222,408,122,452,1,1,0.1\n{n},3,3,229,793,500,1,3,1" for n in range(1, 10)
    ]
    (folder / "gt" / "gt.txt").write_text("\n".join(lines))
    return folder


def video(path):
    """Two seconds of a slow pan over the street."""
    none, empty = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    nobody = Tracks(none, empty, empty[:, 0], none, none, none, none, 0.0, 0.1)
    writer = VideoWriter(path, 10)
    for i in range(20):
        writer.write(Frame(np.ascontiguousarray(BUS[300:940, i : i + 780]), i + 1, i / 10), nobody)
    writer.close()
    return path


def labels(dataset, part):
    return [np.loadtxt(file, ndmin=2) for file in sorted((dataset.file.parent / "labels" / part).glob("*.txt"))]


class TestData:
    def test_names_are_matched_to_the_networks_own(self, tmp_path):
        dataset = build([yolo_folder(tmp_path / "street")], tmp_path / "out", EMBEDDED, SMALL)
        assert dataset.train + dataset.val == 6 and dataset.val > 0 and dataset.made == 0
        assert dataset.names[0] == "person" and len(dataset.names) == 80
        assert all(rows[:, 0].tolist() == [5, 0, 0, 0] for rows in labels(dataset, "train") + labels(dataset, "val"))
        assert Dataset.load(tmp_path / "out") == dataset

    def test_a_folder_of_its_own_to_measure_on(self, tmp_path):
        data = [yolo_folder(tmp_path / "street")]
        dataset = build(data, tmp_path / "out", EMBEDDED, SMALL, held_out=[yolo_folder(tmp_path / "other", count=2)])
        assert (dataset.train, dataset.val) == (6, 2)
        assert all(p.name.startswith("other") for p in (tmp_path / "out" / "images" / "val").iterdir())

    def test_new_classes_replace_the_networks(self, tmp_path):
        dataset = build([yolo_folder(tmp_path / "street", ("minibus", "person"))], tmp_path / "out", EMBEDDED, SMALL)
        assert dataset.names == {0: "minibus", 1: "person"}

    def test_mot_sequences_give_a_frame_a_second_and_visible_people_only(self, tmp_path):
        dataset = build([mot_folder(tmp_path / "walk")], tmp_path / "out", EMBEDDED, SMALL)
        rows = labels(dataset, "train") + labels(dataset, "val")
        assert len(rows) == 5
        assert all(np.allclose(r, [[0, 145 / 810, 652 / 1080, 194 / 810, 506 / 1080]], atol=1e-5) for r in rows)

    def test_videos_are_labelled_where_the_network_agrees_with_itself(self, tmp_path):
        config = DataConfig(imgsz=320, held_out=0.4)
        data = [yolo_folder(tmp_path / "street"), video(tmp_path / "pan.mp4")]
        dataset = build(data, tmp_path / "out", EMBEDDED, config)
        assert dataset.made == 2
        assert not list((tmp_path / "out" / "images" / "val").glob("pan*"))
        made = np.loadtxt(next((tmp_path / "out" / "labels" / "train").glob("pan*")), ndmin=2)
        assert {0, 5} <= set(made[:, 0]) and (made[:, 0] == 0).sum() >= 2
        assert (made[:, 1:] >= 0).all() and (made[:, 1:] <= 1).all()

    def test_what_is_doubtful_is_painted_over_but_nothing_agreed_on(self):
        image = np.full((40, 40, 3), 200, np.uint8)
        doubtful = np.array([[0, 0, 20, 20]], np.float32)
        covered = _covered(image, doubtful, Detections([[10, 10, 30, 30]]))
        assert (covered[:10, :20] == 114).all() and (covered[10:30, 10:30] == 200).all() and (image == 200).all()

    @pytest.mark.parametrize("label", ["7 .5 .5 .1 .1", "0 .5 .5", "bus .5 .5 .1 .1"])
    def test_broken_labels_name_their_file(self, tmp_path, label):
        folder = yolo_folder(tmp_path / "street")
        (folder / "labels" / "3.txt").write_text(label)
        with pytest.raises(DataError, match=r"3\.txt"):
            build([folder], tmp_path / "out", EMBEDDED, SMALL)

    def test_a_folder_of_something_else_and_videos_alone(self, tmp_path):
        (tmp_path / "empty").mkdir()
        with pytest.raises(DataError, match="no dataset"):
            build([tmp_path / "empty"], tmp_path / "out", EMBEDDED, SMALL)
        with pytest.raises(DataError, match="labelled images"):
            build([video(tmp_path / "pan.mp4")], tmp_path / "out", EMBEDDED, SMALL)


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return yolo_folder(tmp_path_factory.mktemp("data") / "street")


class TestFineTuning:
    def test_one_epoch_leaves_a_detector_and_its_card(self, street, tmp_path):
        scores = fine_tune([street], tmp_path, QUICK)
        assert set(scores) == {"start", "result"} and set(scores["start"]) >= {"mAP50-95", "mAP50", "person"}
        before, after = (
            yolo.load(EMBEDDED)[0].state_dict(),
            yolo.load(tmp_path / "detector.safetensors")[0].state_dict(),
        )
        changed = {name for name in before if not before[name].equal(after[name])}
        assert any("conv.weight" in name for name in changed)
        assert not any("running" in name for name in changed)  # batch normalisation's statistics are frozen
        assert "street" in (tmp_path / "detector.md").read_text()
        (found,) = YoloDetector(DetectorConfig(str(tmp_path / "detector.safetensors")))([BUS])
        assert 5 in found.classes

    def test_the_result_lies_between_the_start_and_what_was_trained(self, street, tmp_path):
        states = []
        for mix in (0.0, 0.5, 1.0):
            fine_tune([street], tmp_path / str(mix), FineTuneConfig(**{**vars(QUICK), "mix": mix}))
            states.append(yolo.load(tmp_path / str(mix) / "detector.safetensors")[0].state_dict())
        start = yolo.load(EMBEDDED)[0].state_dict()
        name = "model.0.conv.weight"
        assert states[0][name].equal(start[name])
        assert not states[2][name].equal(start[name])
        assert states[1][name].allclose((states[0][name] + states[2][name]) / 2, atol=1e-3)

    def test_an_interrupted_run_goes_on(self, street, tmp_path):
        config = FineTuneConfig(**{**vars(QUICK), "epochs": 2})

        def interrupt(state):
            if state.startswith("epoch 2"):
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            fine_tune([street], tmp_path, config, progress=interrupt)
        assert not (tmp_path / "detector.safetensors").exists()
        told = []
        fine_tune([street], tmp_path, config, resume=True, progress=told.append)
        assert (tmp_path / "detector.safetensors").is_file()
        assert {t.split(":")[0] for t in told if t.startswith("epoch")} == {"epoch 2 of 2"}

    def test_one_that_was_interrupted_after_the_last_epoch_is_finished(self, street, tmp_path):
        fine_tune([street], tmp_path, QUICK)
        weights = tmp_path / "detector.safetensors"
        before = yolo.load(weights)[0].state_dict()
        weights.unlink()
        told = []
        fine_tune([street], tmp_path, QUICK, resume=True, progress=told.append)
        assert not [t for t in told if t.startswith("epoch")]
        after = yolo.load(weights)[0].state_dict()
        assert all(torch.allclose(before[name], after[name], atol=1e-3) for name in before)

    def test_what_was_made_with_other_settings_is_not_gone_on_from(self, street, tmp_path):
        fine_tune([street], tmp_path, QUICK)
        with pytest.raises(UsageError, match="other settings"):
            fine_tune([street], tmp_path, FineTuneConfig(**{**vars(QUICK), "epochs": 3}), resume=True)

    def test_nothing_to_go_on_from(self, street, tmp_path):
        with pytest.raises(DataError, match="--resume"):
            fine_tune([street], tmp_path, QUICK, resume=True)

    def test_the_command_with_classes_of_ones_own(self, tmp_path, capsys):
        street = yolo_folder(tmp_path / "street", ("minibus", "person"))
        options = {"--epochs": 1, "--batch": 2, "--imgsz": 64, "--held-out": 0.4, "--device": "cpu"}
        words = [str(word) for option in options.items() for word in option]
        with pytest.raises(SystemExit) as left:
            main(["train", "detector", str(street), "--out", str(tmp_path / "out"), *words, "--json", "--quiet"])
        assert left.value.code == 0
        assert set(json.loads(capsys.readouterr().out)) == {"result"}  # there is no start to compare with
        assert yolo.load(tmp_path / "out" / "detector.safetensors")[1] == {0: "minibus", 1: "person"}
