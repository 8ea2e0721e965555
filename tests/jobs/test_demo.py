"""The demo's clip: real pixels, a truth that is exact, the same every time."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.cli import main
from tracker.config import DetectorConfig
from tracker.datasets.mot import MotSequence
from tracker.detection.detector import YoloDetector
from tracker.jobs import demo


@pytest.fixture(scope="module")
def scene():
    return demo.Scene()


@pytest.fixture(scope="module")
def some(scene):
    """Every fifth frame: images and truth."""
    return [scene.render(index / demo.FPS) for index in range(0, round(demo.FPS * demo.SECONDS), 5)]


def test_every_time_the_same(scene):
    (image, rows), (again, same) = scene.render(6.2), demo.Scene().render(6.2)
    assert np.array_equal(image, again) and np.array_equal(rows, same)


def test_truth_lies_in_the_frame(some):
    rows = np.concatenate([rows for _, rows in some])
    assert len(rows) > 100
    assert (rows[:, 1:3] >= 0).all() and (rows[:, 1:3] + rows[:, 3:5] <= demo.SIZE).all()
    assert (rows[:, 5] >= demo.LEAST_VISIBLE).all() and (rows[:, 5] <= 1).all()


def last(frames):
    return len(frames) - frames[::-1].index(True)


def test_six_people_of_whom_some_are_hidden_and_some_leave_and_return(some):
    seen = {number: [bool((rows[:, 0] == number).any()) for _, rows in some] for number in range(1, 7)}
    assert all(any(frames) for frames in seen.values())
    returned = {number for number, frames in seen.items() if False in frames[frames.index(True) : last(frames)]}
    assert {1, 2} <= returned  # from behind the poster, and into the picture


def test_people_cross(some):
    crossed = set()
    for _, rows in some:
        boxes = tlwh_to_xyxy(rows[:, 1:5])
        for a, b in zip(*np.nonzero(np.triu(iou(boxes, boxes), 1) > 0.15), strict=True):
            crossed.add((int(rows[a, 0]), int(rows[b, 0])))
    assert len(crossed) >= 4


def test_the_detector_takes_the_cut_outs_for_people(some):
    detector = YoloDetector(DetectorConfig(classes=("person",), conf=0.25))
    found = total = false = 0
    for image, rows in some[::2]:
        clear = tlwh_to_xyxy(rows[rows[:, 5] > 0.7, 1:5])
        (people,) = detector([image])
        found += int((iou(clear, people.xyxy).max(axis=1, initial=0) > 0.5).sum())
        total += len(clear)
        false += int((iou(people.xyxy, tlwh_to_xyxy(rows[:, 1:5])).max(axis=1, initial=0) < 0.3).sum())
    assert found > 0.9 * total > 50
    assert false < 0.1 * total


@pytest.mark.slow
def test_track_demo_leaves_the_clip_its_truth_and_the_result(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "SECONDS", 1.2)
    for _ in range(2):  # also over what an earlier demo made
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main(["demo", "--out", str(tmp_path / "here"), "--json", "--quiet"])
        assert left.value.code == 0
    scores = json.loads(capsys.readouterr().out)
    assert scores["HOTA"] > 50 and scores["IDSW"] == 0 and scores["frames"] == 30
    sequence = MotSequence.read(tmp_path / "here")
    assert (sequence.length, sequence.fps, sequence.size) == (30, 25, demo.SIZE)
    assert len(sequence.ground_truth()) >= 60
    clip = cv2.VideoCapture(str(tmp_path / "here" / "demo.mp4"))
    assert (clip.get(cv2.CAP_PROP_FRAME_COUNT), clip.get(cv2.CAP_PROP_FPS)) == (30, 25)
    assert {"video.mp4", "tracks.txt", "tracks.csv"} <= {p.name for p in (tmp_path / "here" / "tracked").iterdir()}


def test_a_folder_that_cannot_be_made(tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SystemExit) as left:
        main(["demo", "--out", str(tmp_path / "file")])
    assert left.value.code == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["demo.mp4", "gt/gt.txt", "seqinfo.ini"])
def test_a_sequence_of_the_users_is_left_alone(tmp_path, capsys, name):
    (tmp_path / "gt").mkdir()
    (tmp_path / name).write_text("the user's")
    with pytest.raises(SystemExit) as left:
        main(["demo", "--out", str(tmp_path)])
    assert left.value.code == 1
    assert f"{tmp_path / name} is there, and no demo made it; give another folder" in capsys.readouterr().err
    assert (tmp_path / name).read_text() == "the user's"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [Path(name).name]
