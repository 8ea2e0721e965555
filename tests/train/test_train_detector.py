"""Fine-tuning the detector, on a handful of small pictures."""

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import ultralytics
import yaml

from helpers.commands import ended
from tracker.cli import main
from tracker.config import DetectorConfig
from tracker.detection import yolo
from tracker.detection.detector import EMBEDDED, YoloDetector
from tracker.errors import DataError, DataWarning, OutputError, UsageError, WeightsError
from tracker.output.video_writer import VideoWriter
from tracker.structures import Detections, Tracks
from tracker.train.detector import dataset as dataset_module
from tracker.train.detector import fine_tune as detector
from tracker.train.detector.dataset import Dataset, _covered, _link, build
from tracker.train.detector.fine_tune import fine_tune
from tracker.train.detector.settings import DataConfig, FineTuneConfig
from tracker.video.source import Frame

BUS = cv2.imread(str(Path(ultralytics.__file__).parent / "assets" / "bus.jpg"))
# class (0: bus, 1: person), left, top, right, bottom, by hand
OBJECTS = [(0, 3, 229, 796, 729), (1, 48, 399, 242, 905), (1, 222, 408, 344, 860), (1, 670, 394, 810, 880)]
SMALL = DataConfig(imgsz=64, hold_out=0.4)
QUICK = FineTuneConfig(**vars(SMALL), epochs=1, batch=2, learning_rate=1e-4)


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

    def test_labels_beside_the_images_with_a_list_of_names(self, tmp_path):
        """As LabelImg leaves them; without the list `0` would have been taken for a person."""
        folder = yolo_folder(tmp_path / "street", count=3)
        for file in [*(folder / "images").iterdir(), *(folder / "labels").iterdir()]:
            file.rename(folder / file.name)
        for name in ("images", "labels"):
            (folder / name).rmdir()
        (folder / "data.yaml").unlink()
        (folder / "classes.txt").write_text("minibus\nperson\n")
        dataset = build([folder], tmp_path / "out", EMBEDDED, SMALL)
        assert dataset.names == {0: "minibus", 1: "person"} and dataset.train + dataset.val == 3
        assert all(rows[:, 0].tolist() == [0, 1, 1, 1] for rows in labels(dataset, "train") + labels(dataset, "val"))

    def test_what_names_no_classes_has_those_of_the_start_and_that_is_said(self, tmp_path):
        """Also beside a folder with names of its own, where the network's numbers are others."""
        unnamed, named = yolo_folder(tmp_path / "coco", count=2), yolo_folder(tmp_path / "own", ("minibus",), count=0)
        (unnamed / "data.yaml").unlink()
        cv2.imwrite(str(named / "images" / "0.jpg"), BUS)
        (named / "labels" / "0.txt").write_text("0 .5 .5 .1 .1")
        with pytest.warns(DataWarning, match=r"coco names no classes, .* those of detector\.safetensors \(0: person\)"):
            dataset = build([unnamed, named], tmp_path / "out", EMBEDDED, SMALL)
        found = {
            dataset.names[int(n)] for rows in labels(dataset, "train") + labels(dataset, "val") for n in rows[:, 0]
        }
        assert found == {"person", "bicycle", "minibus"}  # 0 and 1 of COCO

    def test_and_the_command_says_it_too(self, tmp_path):
        folder = yolo_folder(tmp_path / "fish", count=1)
        (folder / "data.yaml").unlink()
        words = [sys.executable, "-m", "tracker", "train", "detector", str(folder), "--out", str(tmp_path / "out")]
        said = subprocess.run(words, capture_output=True, text=True, check=False).stderr
        assert "1 labelled images, and some are needed" in said
        assert f"warning: {folder} names no classes, so its numbers are taken for those of detector.safetensors" in said

    def test_images_without_any_label_are_no_dataset(self, tmp_path):
        folder = yolo_folder(tmp_path / "street", count=3)
        (folder / "labels").rename(folder / "annotations")
        with pytest.raises(
            DataError, match=r"street is no dataset: 3 images, none of them with labels; expected images/"
        ):
            build([folder], tmp_path / "out", EMBEDDED, SMALL)

    def test_mot_sequences_give_a_frame_a_second_and_visible_people_only(self, tmp_path):
        dataset = build([mot_folder(tmp_path / "walk")], tmp_path / "out", EMBEDDED, SMALL)
        rows = labels(dataset, "train") + labels(dataset, "val")
        assert len(rows) == 5
        assert all(np.allclose(r, [[0, 145 / 810, 652 / 1080, 194 / 810, 506 / 1080]], atol=1e-5) for r in rows)

    def test_videos_are_labelled_where_the_network_agrees_with_itself(self, tmp_path):
        config = DataConfig(imgsz=320, hold_out=0.4)
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

    @pytest.mark.parametrize(("count", "share", "held"), [(2, 0.2, 1), (3, 0.2, 1), (3, 0.9, 2), (10, 0.2, 2)])
    def test_a_share_is_held_out_at_least_one_and_never_all(self, tmp_path, count, share, held):
        folder = yolo_folder(tmp_path / "street", count=count)
        dataset = build([folder], tmp_path / "out", EMBEDDED, DataConfig(imgsz=64, hold_out=share))
        assert (dataset.train, dataset.val) == (count - held, held)

    @pytest.mark.parametrize("wrong", ["data", "held_out"])
    def test_a_path_at_which_nothing_is_is_named(self, tmp_path, wrong):
        paths = {"data": [yolo_folder(tmp_path / "one", count=2)], "held_out": []}
        paths[wrong] = [*paths[wrong], tmp_path / "nothing"]
        with pytest.raises(DataError, match="nothing does not exist; give a folder or a video"):
            build(paths["data"], tmp_path / "out", EMBEDDED, SMALL, held_out=paths["held_out"])

    def test_one_image_cannot_be_learned_from_and_measured_on(self, tmp_path):
        one = yolo_folder(tmp_path / "one", count=1)
        with pytest.raises(DataError, match=r"1 labelled images.*--hold-out"):
            build([one], tmp_path / "out", EMBEDDED, SMALL)
        dataset = build([one], tmp_path / "out", EMBEDDED, SMALL, held_out=[yolo_folder(tmp_path / "two", count=1)])
        assert (dataset.train, dataset.val) == (1, 1)
        with pytest.raises(DataError, match="to train on and to measure on"):
            build([one], tmp_path / "out", EMBEDDED, SMALL, held_out=[tmp_path / "two" / ".." / "one"])

    def test_images_of_one_name_stay_apart_and_the_originals_what_they_are(self, tmp_path):
        """`0.jpg` in several folders, beside `0.png`, and in two data folders of one name."""
        folders = []
        for place in ("a", "b"):
            folder = yolo_folder(tmp_path / place / "street", count=2)
            for i, inner in enumerate(("train", "val")):
                for part in ("images", "labels"):
                    (folder / part / inner).mkdir()
                cv2.imwrite(str(folder / "images" / inner / "0.jpg"), np.full((64, 64, 3), 80 * i, np.uint8))
                (folder / "labels" / inner / "0.txt").write_text(f"{i} .5 .5 .{i + 1} .5")
            cv2.imwrite(str(folder / "images" / "0.png"), BUS)
            folders.append(folder)
        files = [file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file()]
        before = [file.read_bytes() for file in files]
        dataset = build(folders, tmp_path / "out", EMBEDDED, SMALL)
        assert dataset.train + dataset.val == 10
        assert [file.read_bytes() for file in files] == before
        links = list((tmp_path / "out" / "images").rglob("*.*"))
        originals = {file.resolve() for file in files if file.suffix in (".jpg", ".png")}
        assert len(links) == 10 and {link.resolve() for link in links} == originals
        assert len({link.stem.casefold() for link in links}) == 10
        for link in links:
            written = tmp_path / "out" / "labels" / link.parent.name / f"{link.stem}.txt"
            *_, place, name = link.resolve().parts
            truth = link.resolve().parents[1 if place == "images" else 2] / "labels"
            truth = (truth if place == "images" else truth / place) / name
            assert len(np.loadtxt(written, ndmin=2)) == len(np.loadtxt(truth.with_suffix(".txt"), ndmin=2))

    def test_where_there_are_no_links_images_are_copied_and_nothing_is_overwritten(self, tmp_path, monkeypatch):
        def refuse(*_, **__):
            raise OSError("no links here")

        folder = yolo_folder(tmp_path / "street", count=3)
        monkeypatch.setattr(Path, "symlink_to", refuse)
        build([folder], tmp_path / "out", EMBEDDED, SMALL)
        copies = list((tmp_path / "out" / "images").rglob("*.jpg"))
        assert len(copies) == 3 and not any(file.is_symlink() for file in copies)
        target = tmp_path / "theirs.jpg"
        target.write_bytes(b"theirs")
        with pytest.raises(FileExistsError):
            _link(folder / "images" / "0.jpg", target)
        assert target.read_bytes() == b"theirs"

    def test_names_of_any_length_and_hidden_files(self, tmp_path):
        folder = yolo_folder(tmp_path / ("long" * 30), count=2)
        (folder / "images" / "1.jpg").rename(folder / "images" / ("straße" * 30 + ".jpg"))
        (folder / "images" / "._0.jpg").write_bytes(b"resource fork")
        dataset = build([folder], tmp_path / "out", EMBEDDED, SMALL)
        assert dataset.train + dataset.val == 2

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


class TestWhatIsNotGiven:
    GENTLE = (3, 0, 16, 5e-5, 0.5)

    @pytest.mark.parametrize(
        ("given", "new_classes", "expected"),
        [
            ({}, False, GENTLE),
            ({}, True, (0, 200, 4, 1e-3, 1)),
            ({"epochs": 7}, True, (7, 0, 4, 1e-3, 1)),
            ({"steps": 50, "mix": 0.9}, True, (0, 50, 4, 1e-3, 0.9)),
            ({"batch": 8, "learning_rate": 1e-4}, False, (3, 0, 8, 1e-4, 0.5)),
        ],
    )
    def test_suits_what_there_is_to_learn(self, given, new_classes, expected):
        config = FineTuneConfig(**given).suited(new_classes)
        assert (config.epochs, config.steps, config.batch, config.learning_rate, config.mix) == expected


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

    @pytest.mark.slow
    def test_the_result_lies_between_the_start_and_what_was_trained(self, street, tmp_path):
        states = []
        for mix in (0.25, 0.5, 1.0):
            fine_tune([street], tmp_path / str(mix), FineTuneConfig(**{**vars(QUICK), "mix": mix}))
            states.append(yolo.load(tmp_path / str(mix) / "detector.safetensors")[0].state_dict())
        start = yolo.load(EMBEDDED)[0].state_dict()
        name = "model.0.conv.weight"
        learned = states[2][name] - start[name]
        assert learned.abs().max() > 0
        for state, share in zip(states, (0.25, 0.5), strict=False):
            assert state[name].allclose(start[name] + share * learned, atol=1e-3)

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

    @pytest.mark.parametrize("name", ["SIGINT", pytest.param("SIGTERM", marks=pytest.mark.slow)])
    def test_a_signal_in_the_first_epoch_leaves_what_was_learned(self, street, tmp_path, monkeypatch, capsys, name):
        def learned(step):
            """Sends the signal in the middle of the second step."""
            steps.append(step)
            if len(steps) == 2:
                signal.raise_signal(signal.Signals[name])
            original(step)

        steps, original = [], detector._engine.DetectionTrainer.optimizer_step
        monkeypatch.setattr(detector._engine.DetectionTrainer, "optimizer_step", learned)
        words = ["train", "detector", str(street), "--out", str(tmp_path), "--epochs", "1", "--batch", "1"]
        words += ["--imgsz", "64", "--held-out", "0.4", "--device", "cpu"]
        code, said = ended(words, capsys)
        assert code == 128 + signal.Signals[name] and said.splitlines()[-1] == "stopped; go on with --resume"
        checkpoint = yolo.read_checkpoint(tmp_path / "run" / "weights" / "last.pt")
        assert checkpoint["epoch"] == -1 and checkpoint["updates"] == len(steps) == 2, "the step was done to its end"
        monkeypatch.undo()
        told = []
        monkeypatch.setattr(detector, "_state", lambda t: told.append(t.ema.updates) or "")
        assert ended([*words, "--resume"], capsys)[0] == 0
        assert told == [3, 4, 5, 6], "the epoch began anew, with what had been learned"
        assert (tmp_path / "detector.safetensors").is_file()

    def test_one_after_the_last_step_of_an_epoch_does_not_repeat_it(self, street, tmp_path):
        class Stopped(detector._FineTuner):
            def validate(self):
                raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(detector, "_FineTuner", Stopped)
            fine_tune([street], tmp_path, QUICK)
        told = []
        fine_tune([street], tmp_path, QUICK, resume=True, progress=told.append)
        assert not [t for t in told if t.startswith("epoch")]

    def test_before_the_first_step_the_dataset_is_kept(self, street, tmp_path, monkeypatch, capsys):
        words = ["train", "detector", str(street), "--out", str(tmp_path), "--epochs", "1", "--batch", "4"]
        words += ["--imgsz", "64", "--held-out", "0.4", "--device", "cpu"]
        monkeypatch.setattr(detector._FineTuner, "setup_model", lambda _: signal.raise_signal(signal.SIGTERM))
        code, said = ended(words, capsys)
        assert code == 143 and said.splitlines()[-1] == "stopped; go on with --resume"
        monkeypatch.undo()
        made = (tmp_path / "dataset" / "data.yaml").stat().st_mtime_ns
        assert ended([*words, "--resume"], capsys)[0] == 0
        assert (tmp_path / "dataset" / "data.yaml").stat().st_mtime_ns == made
        assert (tmp_path / "detector.safetensors").is_file()

    def test_before_there_is_a_dataset_nothing_is_lost(self, street, tmp_path, monkeypatch, capsys):
        words = ["train", "detector", str(street), "--out", str(tmp_path), "--imgsz", "64", "--device", "cpu"]
        monkeypatch.setattr(dataset_module._Store, "add", lambda *_: signal.raise_signal(signal.SIGINT))
        code, said = ended(words, capsys)
        assert code == 130
        assert said.splitlines()[-1] == (
            "stopped before anything was learned, so nothing is lost; start again without --resume"
        )
        code, said = ended([*words, "--resume"], capsys)
        assert code == 1 and "no checkpoint at" in said and "start without --resume" in said

    def test_a_full_disk_keeps_the_checkpoint_before(self, street, tmp_path):
        """A limit on the size of files is to what writes them as a full disk."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)

        def fill(state):
            if state.startswith("epoch 2"):
                resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, before[1]))

        try:
            with pytest.raises(OutputError, match="no space left"):
                fine_tune([street], tmp_path, FineTuneConfig(**{**vars(QUICK), "epochs": 3}), progress=fill)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        left = tmp_path / "run" / "weights"
        assert yolo.read_checkpoint(left / "last.pt")["epoch"] == 0 and not (left / ".last.pt.part").exists()

    @pytest.mark.slow
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

    @pytest.mark.slow
    def test_what_was_made_with_other_settings_is_not_gone_on_from(self, street, tmp_path):
        fine_tune([street], tmp_path, QUICK)
        with pytest.raises(
            UsageError, match=r"other settings \(seed 0 then, 1 now, learning_rate 0\.0001 then, 0\.0002 now\)"
        ):
            fine_tune(
                [street], tmp_path, FineTuneConfig(**{**vars(QUICK), "learning_rate": 2e-4, "seed": 1}), resume=True
            )
        (tmp_path / "run" / "weights" / "last.pt").write_bytes(b"PK\x03\x04 cut off")
        with pytest.raises(WeightsError, match=r"last\.pt"):
            fine_tune([street], tmp_path, QUICK, resume=True)

    @pytest.mark.slow
    def test_more_epochs_than_at_first_go_on_where_it_ended(self, street, tmp_path):
        fine_tune([street], tmp_path, QUICK)
        told = []
        fine_tune([street], tmp_path, FineTuneConfig(**{**vars(QUICK), "epochs": 2}), resume=True, progress=told.append)
        assert {t.split(":")[0] for t in told if t.startswith("epoch")} == {"epoch 2 of 2"}

    @pytest.mark.slow
    def test_steps_are_rounded_up_to_whole_passes(self, street, tmp_path):
        told = []  # of six images two are held out, so that a pass is two batches
        fine_tune([street], tmp_path, FineTuneConfig(**{**vars(QUICK), "steps": 3}), progress=told.append)
        assert {t.split(":")[0] for t in told if t.startswith("epoch")} == {"epoch 1 of 2", "epoch 2 of 2"}
        with pytest.raises(UsageError, match=r"has 4 steps behind it; give that many or more"):
            fine_tune([street], tmp_path, FineTuneConfig(**{**vars(QUICK), "steps": 2}), resume=True)

    @pytest.mark.slow
    def test_a_training_that_diverges_ends_with_a_sentence_and_keeps_what_was_good(self, street, tmp_path):
        fine_tune([street], tmp_path, QUICK)
        kept = [(tmp_path / name).read_bytes() for name in ("detector.safetensors", "detector.md")]
        longer = FineTuneConfig(**{**vars(QUICK), "epochs": 3})

        class Spoiled(detector._FineTuner):
            def _model_train(self):
                super()._model_train()
                if self.epoch == 1:
                    with torch.no_grad():
                        next(self.model.parameters()).fill_(float("nan"))

        with pytest.MonkeyPatch.context() as patch, pytest.raises(UsageError, match=r"diverged.*lower --learning-rate"):
            patch.setattr(detector, "_FineTuner", Spoiled)
            fine_tune([street], tmp_path, longer)
        assert kept == [(tmp_path / name).read_bytes() for name in ("detector.safetensors", "detector.md")]
        checkpoint = yolo.read_checkpoint(tmp_path / "run" / "weights" / "last.pt")
        assert checkpoint["epoch"] == 0 and all(p.isfinite().all() for p in checkpoint["ema"].state_dict().values())

    def test_nothing_to_go_on_from(self, street, tmp_path):
        with pytest.raises(WeightsError, match=r"no checkpoint at .*last\.pt to go on from; start without --resume"):
            fine_tune([street], tmp_path / "out", QUICK, resume=True)
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("named", "said"),
        [
            ({"--steps": 1, "--hold-out": 0.4, "--learning-rate": 1e-4}, ""),
            (
                {"--epochs": 1, "--held-out": 0.4, "--lr": 1e-4},
                "warning: --epochs is called --steps, which counts batches, now; the old name will go\n"
                "warning: --held-out is called --hold-out now; the old name will go\n"
                "warning: --lr is called --learning-rate now; the old name will go\n",
            ),
        ],
        ids=["names of today", "old names"],
    )
    def test_the_command_with_classes_of_ones_own(self, tmp_path, capsys, named, said):
        street = yolo_folder(tmp_path / "street", ("minibus", "person"))
        options = {**named, "--batch": 2, "--imgsz": 64, "--device": "cpu"}
        words = [str(word) for option in options.items() for word in option]
        with pytest.raises(SystemExit) as left:
            main(["train", "detector", str(street), "--out", str(tmp_path / "out [bold]"), *words, "--json"])
        assert left.value.code == 0
        output = capsys.readouterr()
        assert set(json.loads(output.out)) == {"result"}  # there is no start to compare with
        weights = tmp_path / "out [bold]" / "detector.safetensors"
        assert yolo.load(weights)[1] == {0: "minibus", 1: "person"}
        assert f"wrote {weights}; use it: track video.mp4 --model '{weights}'" in output.err
        assert "result 1 trained + 0 start" in (tmp_path / "out [bold]" / "detector.md").read_text()
        warnings = [line for line in output.err.splitlines() if line.startswith("warning: ")]
        assert sorted(warnings) == sorted(said.splitlines())
        settings = json.loads((tmp_path / "out [bold]" / "run" / "settings.json").read_text())
        assert (settings["hold_out"], settings["learning_rate"]) == (0.4, 1e-4)

    @pytest.mark.parametrize("option", ["--hold-out", "--val"])
    def test_folders_to_measure_on(self, street, tmp_path, capsys, option):
        with pytest.raises(SystemExit) as left:
            main(["train", "detector", str(street), "--out", str(tmp_path / "out"), option, str(street), "--quiet"])
        assert left.value.code == 1
        assert capsys.readouterr().err.endswith("measure on images that are not trained on\n")

    @pytest.mark.parametrize(
        ("kind", "value"), [("detector", "2"), ("detector", "nan"), ("appearance", "1e25"), ("motion", "-1")]
    )
    def test_a_learning_rate_that_cannot_be_meant(self, street, tmp_path, capsys, kind, value):
        with pytest.raises(SystemExit) as left:
            main(["train", kind, str(street), "--out", str(tmp_path / "out"), "--learning-rate", value])
        said = f"error: --learning-rate: learning_rate is {float(value):.15g}; give a number from 0 to 1\n"
        assert left.value.code == 2 and capsys.readouterr().err == said
        assert not (tmp_path / "out").exists()


class TestNothingOfOthersIsTouched:
    @pytest.fixture
    def place(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        return tmp_path

    def refused(self, match, data, out, **options):
        """Runs it and says that nothing has changed."""
        root = Path.cwd()
        before = {file: file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}
        folders = {path for path in root.rglob("*") if path.is_dir()}
        with pytest.raises(OutputError, match=match) as caught:
            fine_tune(data, out, QUICK, **options)
        assert "\n" not in str(caught.value)
        assert before == {file: file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}
        assert folders == {path for path in root.rglob("*") if path.is_dir()}

    def test_an_output_that_is_an_input_or_holds_one(self, place):
        yolo_folder(place / "dataset", count=2)
        yolo_folder(place / "run" / "inner", count=2)
        self.refused("is the input dataset", [Path("dataset")], Path())
        self.refused("holds the input", [Path("run/inner")], place)
        self.refused("is the input dataset", [yolo_folder(place / "fine", count=2)], Path(), held_out=[Path("dataset")])

    def test_also_through_links(self, place):
        yolo_folder(place / "dataset", count=2)
        (place / "link").symlink_to("dataset")
        (place / "borrowed").mkdir()
        (place / "borrowed" / "images").symlink_to(place / "dataset" / "images")
        (place / "out").mkdir()
        (place / "out" / "dataset").symlink_to(place / "dataset")
        self.refused("is the input link", [Path("link")], Path())
        self.refused("holds the input borrowed/images", [Path("borrowed")], Path())
        self.refused("is the input dataset", [Path("dataset")], Path("out"))

    def test_the_start_is_not_replaced_by_the_result(self, place, street):
        (place / "detector.safetensors").write_bytes(EMBEDDED.read_bytes())
        self.refused("is the input", [street], Path(), model="detector.safetensors")

    @pytest.mark.parametrize("name", ["dataset/notes.txt", "run/args.yaml", "detector.safetensors", "detector.md"])
    def test_what_this_command_did_not_make_stays(self, place, street, name):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("theirs")
        self.refused("was not made by track train detector", [street], Path())

    def test_what_it_made_is_replaced_and_links_in_it_are_not_followed(self, place, street):
        fine_tune([street], place / "out", QUICK)
        (place / "theirs").mkdir()
        (place / "theirs" / "notes.txt").write_text("theirs")
        (place / "out" / "dataset" / "images" / "link").symlink_to(place / "theirs")
        (place / "out" / "dataset" / "other").symlink_to(place / "theirs")
        fine_tune([street], place / "out", QUICK)
        assert (place / "theirs" / "notes.txt").read_text() == "theirs"
        assert not (place / "out" / "dataset" / "other").is_symlink()


OFFLINE = """
import sys
asked = []
def watch(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname", "urllib.Request") or (
        event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple)
    ) or event == "subprocess.Popen" and "pip" in str(arguments[1]):
        asked.append((event, *map(str, arguments[1:2])))
sys.addaudithook(watch)
from tracker.cli import main
try:
    main(sys.argv[1:])
finally:
    print("ASKED", asked)
"""


@pytest.mark.slow
def test_nothing_is_asked_of_the_network(street, tmp_path):
    """Fonts (of names beyond ASCII another one), reports, other networks, new versions: in a home that has nothing."""
    folder = yolo_folder(tmp_path / "straße", ("müll", "person"), count=2)
    home = tmp_path / "home"
    home.mkdir()
    words = ["train", "detector", str(folder), "--out", str(tmp_path / "out"), "--epochs", "1", "--imgsz", "64"]
    hidden = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), "MPLCONFIGDIR": str(home / "matplotlib")}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("YOLO_", "PYTEST_"))}
    environment = kept | hidden | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", OFFLINE, *words, "--batch", "1", "--device", "cpu"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "ASKED []"
    assert not list(home.rglob("*ltralytics*"))
