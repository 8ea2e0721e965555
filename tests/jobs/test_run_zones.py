"""`track --zones`: what stands in a region to ignore is not tracked, in no file, and a run says so of itself."""

import csv
from contextlib import closing

import av
import numpy as np
import pytest
import yaml

from helpers.clips import pan
from tracker import Zones
from tracker.cli import main
from tracker.config import Config
from tracker.errors import ConfigError
from tracker.jobs.explain import explain
from tracker.jobs.replay import repetition
from tracker.jobs.run import Output, run
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})
LEFT = {"ignore": [{"points": [[0, 0], [95, 0], [95, 240], [0, 240]]}]}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "pan.mp4", 12)


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture(scope="module")
def result(tracker, clip, tmp_path_factory):
    output = Output(project=tmp_path_factory.mktemp("runs"))
    (result,) = run([clip], tracker, output, zones=Zones.parsed(LEFT, "zones.yaml"))
    return result


def feet(folder):
    with (folder / "tracks.csv").open(newline="", encoding="utf-8") as file:
        return [(float(row["left"]) + float(row["right"])) / 2 for row in csv.DictReader(file)]


def test_nothing_is_tracked_in_a_region_to_ignore_and_all_else_is(tracker, clip, result, tmp_path):
    (without,) = run([clip], tracker, Output(project=tmp_path, video=False))
    assert min(feet(without.folder)) < 90 < 120 < max(feet(without.folder)), "there is somebody on either side"
    assert min(feet(result.folder)) > 92, "smoothing may move a box by a little"
    assert max(feet(result.folder)) > 120


def test_the_video_shows_what_is_ignored(clip, result):
    with av.open(str(result.folder / "video.mp4")) as drawn, av.open(str(clip)) as plain:
        pictures = [next(video.decode(video=0)).to_ndarray(format="bgr24").astype(int) for video in (drawn, plain)]
    apart = np.abs(pictures[0] - pictures[1]).max(-1)
    hatched = apart[:, :95]
    assert (hatched > 25).mean() > 0.02


@pytest.mark.parametrize("offline", [False, True])
def test_it_is_so_offline_too(tracker, clip, tmp_path, offline):
    output = Output(project=tmp_path, video=False, offline=offline)
    (result,) = run([clip], tracker, output, zones=Zones.parsed(LEFT, "zones.yaml"))
    assert min(feet(result.folder)) > 92


def test_run_yaml_says_so_and_the_run_can_be_repeated_without_the_file(result):
    record = yaml.safe_load((result.folder / "run.yaml").read_text())
    assert record["zones"] == {"units": "px", **LEFT}
    with closing(repetition(result.folder).frames()) as frames:
        assert all((now.detections.xyxy[:, [0, 2]].mean(1) >= 95).all() for now in frames)
    first = int((result.folder / "tracks.txt").read_text().split(",")[1])
    assert explain(result.folder, first, 3).remark == ""


def test_a_region_outside_of_the_frame_is_refused_before_anything_is_written(tracker, clip, tmp_path):
    zones = Zones.parsed({"ignore": [{"points": [[0, 0], [900, 0], [900, 200]]}]}, "zones.yaml")
    with pytest.raises(ConfigError, match="outside of the frame of 320 x 240 pixels"):
        run([clip], tracker, Output(project=tmp_path / "runs"), zones=zones)
    assert not (tmp_path / "runs").exists()


def test_the_command_says_what_it_does_not_do_yet(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    zones = tmp_path / "zones.yaml"
    zones.write_text(yaml.safe_dump({"lines": {"gate": {"points": [[0, 9], [9, 9]]}}, **LEFT}))
    with pytest.raises(SystemExit) as end:
        main([str(clip), "--zones", "zones.yaml", "--imgsz", "320", "--no-video", "--quiet"])
    assert not end.value.code
    assert capsys.readouterr().err == "warning: zones.yaml: lines are not counted yet; only what ignore says is done\n"
    assert min(feet(tmp_path / "runs" / "track" / "pan")) > 92


def test_the_command_refuses_a_wrong_file_in_one_sentence(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones.yaml").write_text("ignore: [{points: [[0, 0], [9, 9]]}]")
    with pytest.raises(SystemExit) as end:
        main([str(clip), "--zones", "zones.yaml", "--no-video"])
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: zones.yaml: region 1 of ignore has 2 points; give at least 3\n"
    assert not (tmp_path / "runs").exists()
