"""From a run to what other tools take, and back to what `track eval` and `train` take."""

import json
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from helpers.annotated import annotations
from helpers.clips import pan
from helpers.finished_runs import annotated, leave_run
from tracker.columns.carried import Columns
from tracker.config import Config
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.formats.known import FORMATS
from tracker.datasets.mot import find_sequences
from tracker.errors import DataError, MissingExtraError, OutputError, UsageError
from tracker.jobs.conversion.convert import convert
from tracker.jobs.corrections.apply import apply
from tracker.jobs.corrections.edits import EditList, Rename, fingerprint
from tracker.jobs.result_folder import Output
from tracker.jobs.run import run
from tracker.tracker import Tracker


@pytest.fixture(scope="module")
def tracker():
    return Tracker(Config().override({"detector": {"imgsz": 320}, "appearance": {"enabled": False}, "device": "cpu"}))


@pytest.fixture(scope="module")
def made(tracker, tmp_path_factory):
    """A run of a real photograph that moves, every second frame of it, with `--parquet` where that can be."""
    folder = tmp_path_factory.mktemp("run")
    clip = pan(folder / "clip.mp4", frames=12)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        parquet = False
    else:
        parquet = True
    output = Output(folder, "run", video=False, json=True, parquet=parquet)
    (result,) = run([clip], tracker, output, vid_stride=2)
    assert result.error is None and result.tracks
    return result.folder


@pytest.mark.parametrize("to", ["cvat", "coco-video", "labelstudio", "yolo", "mot"])
def test_a_run_there_and_back_is_the_same(made, to, tmp_path):
    expected = FinishedRun.read(made).annotations
    out = tmp_path / f"out{FORMATS[to].suffix}"
    (done,) = convert(made, to, out)
    assert done.name == "clip.mp4" and done.rows == len(expected) and done.frames == 12
    convert(out, "mot", tmp_path / "back", source=to, fps=expected.without_step.frames_per_s)
    convert(made, "mot", tmp_path / "straight")
    if to == "labelstudio":  # it puts boxes into frames that were left out
        return
    back, straight = ((tmp_path / name / "gt" / "gt.txt").read_text() for name in ("back", "straight"))
    if to == "yolo":  # boxes are clipped to the frame
        back, straight = ([line.split(",")[:2] for line in text.splitlines()] for text in (back, straight))
    assert back == straight


def test_mot_is_a_sequence_with_the_frames_that_were_looked_at(made, tmp_path):
    convert(made, "mot", tmp_path / "seq", pictures=True)
    (sequence,) = find_sequences([tmp_path / "seq"])
    run_at = FinishedRun.read(made).annotations
    assert sequence.length == 6 and sequence.size == run_at.size
    assert sequence.fps == pytest.approx(run_at.frames_per_s / 2)
    assert [image.name for image in sequence.images()] == [f"{number:06d}.jpg" for number in range(1, 7)]
    truth = sequence.ground_truth()
    np.testing.assert_allclose(truth[:, 0], (run_at.frames - 1) // 2 + 1)
    np.testing.assert_allclose(truth[:, 2:4], run_at.xyxy[:, :2])
    third = cv2.VideoCapture(str(made.parent / "clip.mp4"))
    pictures = [third.read()[1] for _ in range(5)]
    shown = cv2.imread(str(sequence.images()[2]))
    assert np.abs(shown.astype(int) - pictures[4]).mean() < 3


def test_of_a_folder_of_images_there_are_links(tmp_path):
    (tmp_path / "frames").mkdir()
    for number in (1, 2, 10):
        cv2.imwrite(str(tmp_path / "frames" / f"{number}.jpg"), np.full((48, 64, 3), number, np.uint8))
    FORMATS["cvat"].write([annotations([(3, 1, 0, 0, 9, 9)])], tmp_path / "a.xml")
    convert(tmp_path / "a.xml", "mot", tmp_path / "seq", source="cvat", video=tmp_path / "frames", pictures=True)
    links = sorted((tmp_path / "seq" / "img1").iterdir())
    assert [link.resolve().name for link in links] == ["1.jpg", "2.jpg", "10.jpg"] and all(map(Path.is_symlink, links))
    convert(tmp_path / "a.xml", "mot", tmp_path / "seq", source="cvat")
    assert len(list((tmp_path / "frames").iterdir())) == 3, "a second time removes links, not what they lead to"


def test_several_videos_are_a_folder_each(tmp_path):
    videos = [annotations([(1, 3, 0, 0, 9, 9)], name="../clip.mp4"), annotations([(2, 3, 0, 0, 9, 9)], name="clip.mp4")]
    FORMATS["coco-video"].write(videos, tmp_path / "both.json")
    done = convert(tmp_path / "both.json", "mot", tmp_path / "mot", source="coco-video")
    assert sorted(s.name for s in find_sequences([tmp_path / "mot"])) == ["clip", "clip-2"] and len(done) == 2
    convert(tmp_path / "both.json", "cvat", tmp_path / "cvat", source="coco-video")
    assert sorted(path.name for path in (tmp_path / "cvat").glob("*.xml")) == ["clip-2.xml", "clip.xml"]


def test_the_video_tells_size_and_rate(made, tmp_path):
    clip = made.parent / "clip.mp4"
    for name in ("a_1.txt", "a_3.txt"):
        (tmp_path / name).write_text("0 .5 .5 .1 .2 4\n")
    with pytest.raises(DataError, match="--video"):
        convert(tmp_path, "mot", tmp_path.parent / "seq", source="yolo")
    (done,) = convert(tmp_path, "mot", tmp_path.parent / "seq", source="yolo", video=clip)
    (sequence,) = find_sequences([done.out])
    expected = FinishedRun.read(made).annotations
    assert sequence.size == expected.size and sequence.fps == pytest.approx(expected.frames_per_s)
    assert not done.rate_assumed
    (done,) = convert(tmp_path, "mot", tmp_path.parent / "seq", source="yolo", video=clip, fps=5)
    assert find_sequences([done.out])[0].fps == 5


class TestNothingOfOthersIsTouched:
    def test_neither_a_file_that_is_there_nor_the_input(self, made, tmp_path):
        (tmp_path / "out.xml").write_text("mine")
        with pytest.raises(OutputError, match="was not made by track convert"):
            convert(made, "cvat", tmp_path / "out.xml")
        assert (tmp_path / "out.xml").read_text() == "mine"
        for out in (made, made / "tracks.csv"):
            with pytest.raises(OutputError):
                convert(made, "mot", out)
        assert FinishedRun.read(made).annotations

    def test_what_was_made_before_is_made_anew(self, made, tmp_path):
        for _ in range(2):
            convert(made, "mot", tmp_path / "seq")
            convert(made, "cvat", tmp_path / "out.xml")


@pytest.mark.parametrize(
    ("given", "to", "more", "error", "said"),
    [
        ("nowhere", "cvat", {}, DataError, "give one that `track` left.*--from"),
        ("run", "mots", {}, DataError, "has no masks"),
        ("run", "cvat", {"pictures": True}, UsageError, "mot, yolo or coco-video"),
        ("nowhere", "mot", {"source": "cvat"}, DataError, "cannot be read"),
        ("nowhere", "mot", {"source": "yolo"}, DataError, "not a folder"),
    ],
)
def test_what_cannot_be_is_told_in_one_sentence_and_leaves_nothing(made, given, to, more, error, said, tmp_path):
    with pytest.raises(error, match=said):
        convert(made.parent / given, to, tmp_path / "out", **more)
    assert list(tmp_path.iterdir()) == []


def test_frames_of_a_run_that_hid_objects_are_left_where_the_video_is_given_alone(made, tmp_path):
    hidden = shutil.copytree(made, tmp_path / "hidden")
    record = yaml.safe_load((hidden / "run.yaml").read_text())
    (hidden / "run.yaml").write_text(yaml.safe_dump({**record, "blur": ["heads"]}))
    with pytest.raises(UsageError, match="--blur"):
        convert(hidden, "mot", tmp_path / "seq", pictures=True)
    assert not (tmp_path / "seq").exists()
    convert(hidden, "mot", tmp_path / "seq", video=made.parent / "clip.mp4", pictures=True)
    assert len(list((tmp_path / "seq" / "img1").iterdir())) == 6


def test_names_of_objects_are_said_to_be_lost(tmp_path):
    run = leave_run(tmp_path / "run", annotated([(frame, 1, 10, 10, 30, 50) for frame in range(1, 9)]))
    EditList(fingerprint(run.folder), (Rename(1, "Anna"),)).save(run.folder)
    (done,) = convert(apply(run.folder, video=False).folder, "coco-video", tmp_path / "out.json")
    assert "names of objects" in done.lost
    (done,) = convert(run.folder, "coco-video", tmp_path / "out.json")
    assert "names of objects" not in done.lost


def test_what_only_runs_have_is_said_to_be_lost(tmp_path):
    points = [{"px": [x, y], "m": [x / 40, y / 40]} for x, y in ([0, 0], [320, 0], [0, 240], [320, 240])]
    rows = annotated([(frame, 1, 10, 10, 30, 50) for frame in range(1, 4)])
    carried = {1: Columns(data={"plate": np.array(["AB 12"])})}
    run = leave_run(tmp_path / "run", rows, camera={"points": points}, json=True, columns=carried)
    (done,) = convert(run.folder, "coco-video", tmp_path / "out.json")
    assert done.lost == ["places and speeds in metres", "data of detections"]


def test_without_pyarrow_the_extra_is_named(made, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'lstm-tracker\[formats\]'"):
        convert(made, "parquet", tmp_path / "out.parquet")
    with pytest.raises(MissingExtraError, match=r"lstm-tracker\[formats\]"):
        run([made.parent / "clip.mp4"], None, Output(tmp_path, "again", parquet=True))
    assert not (tmp_path / "again").exists()


def test_a_run_leaves_parquet_beside_the_table(made, tmp_path):
    pytest.importorskip("pyarrow")
    assert "tracks.parquet" in yaml.safe_load((made / "run.yaml").read_text())["files"]
    (said,) = FORMATS["parquet"].read(made / "tracks.parquet")
    expected = FinishedRun.read(made).annotations
    found = said.annotations()
    assert found.equals(expected) and found.step == 2
    np.testing.assert_allclose(found.frames_per_s, expected.frames_per_s, rtol=1e-3)
    assert found.scores.tolist() == expected.scores.tolist()


def test_ids_of_coco_are_unique_in_the_file(tmp_path):
    videos = [annotations([(1, 3, 0, 0, 9, 9)], name="a.mp4"), annotations([(2, 3, 0, 0, 9, 9)], name="b.mp4")]
    FORMATS["coco-video"].write(videos, tmp_path / "both.json")
    content = json.loads((tmp_path / "both.json").read_text())
    for key in ("images", "annotations", "tracks", "videos"):
        assert len({one["id"] for one in content[key]}) == len(content[key]) >= 2
