"""`track --zones`: what stands in a region to ignore is not tracked, in no file, and a run says so of itself."""

import csv
import json
import re
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


def everywhere():
    """A zone in which everybody is, and a line in the upper left that nobody crosses."""
    zone = {"points": [[0, 0], [320, 0], [320, 240], [0, 240]], "anchor": "centre", "dwell_s": 0.2}
    line = {"points": [[10, 40], [70, 40]]}
    return Zones.parsed({"lines": {"nowhere": line}, "zones": {"all": zone}}, "zones.yaml")


def read_events(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]


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


def counts_of(folder):
    """`counts.csv` as values."""
    rows = csv.DictReader((folder / "counts.csv").read_text().splitlines())
    of = {"zone": str, "class": str, "in": int, "out": int, "inside": int, "mean_dwell_s": float}
    return [{key: of[key](text) if text or of[key] is str else None for key, text in row.items()} for row in rows]


@pytest.fixture(scope="module")
def counted(tracker, clip, tmp_path_factory):
    (result,) = run([clip], tracker, Output(project=tmp_path_factory.mktemp("runs")), zones=everywhere())
    return result


class TestEvents:
    """`events.jsonl` and `counts.csv`, and that without lines and zones there are none."""

    def test_are_lines_of_json_with_the_frame_and_the_class_by_name(self, counted):
        events = read_events(counted.folder)
        assert list(events[0]) == ["time_s", "frame", "event", "zone", "id", "class", "direction", "seconds"]
        entered = [event for event in events if event["event"] == "enter"]
        assert {event["class"] for event in entered} == {"person"}
        assert {event["zone"] for event in events} >= {"all"}
        with (counted.folder / "tracks.csv").open(newline="", encoding="utf-8") as file:
            times = {int(row["frame"]): float(row["time_s"]) for row in csv.DictReader(file)}
        for event in events:
            assert times[event["frame"]] >= event["time_s"] - 1e-3

    def test_are_what_zones_make_of_the_tracks_that_are_written(self, tracker, clip, counted):
        zones = everywhere()
        found = [e for frame, t in tracker.stream(clip) for e in zones.update(t, frame.image.shape[1::-1]).to_dicts()]
        found += zones.finish().to_dicts()
        read = read_events(counted.folder)
        key = ("time_s", "event", "zone", "id", "direction", "seconds")
        assert [tuple(e[k] for k in key) for e in read] == [tuple(e[k] for k in key) for e in found]
        rows = list(csv.DictReader((counted.folder / "counts.csv").read_text().splitlines()))
        assert list(rows[0]) == ["zone", "class", "in", "out", "inside", "mean_dwell_s"]
        for row in rows:
            ways = [e["direction"] for e in read if (e["zone"], e["class"]) == (row["zone"], row["class"])]
            assert (int(row["in"]), int(row["out"])) == (ways.count("in"), ways.count("out"))
            assert row["inside"] == ("" if row["zone"] == "nowhere" else str(int(row["in"]) - int(row["out"])))

    def test_leave_the_tracks_as_they_are_and_are_listed_in_run_yaml(self, tracker, clip, counted, tmp_path):
        (without,) = run([clip], tracker, Output(project=tmp_path, video=False))
        for name in ("tracks.txt", "tracks.csv"):
            assert (without.folder / name).read_bytes() == (counted.folder / name).read_bytes()
        record = yaml.safe_load((counted.folder / "run.yaml").read_text())
        assert {"events.jsonl", "counts.csv"} <= set(record["files"])
        assert Zones.parsed(record["zones"], "run.yaml").to_dict() == everywhere().to_dict()
        assert not any((without.folder / name).exists() for name in ("events.jsonl", "counts.csv"))

    def test_are_found_offline_and_between_looks_and_of_each_source_by_itself(self, tracker, clip, tmp_path):
        looks = Tracker(CONFIG.override({"detector": {"every": 3}}))
        for number, (kind, offline) in enumerate(((tracker, True), (looks, False))):
            output = Output(project=tmp_path / str(number), video=False, offline=offline)
            first, second = run([clip, clip], kind, output, zones=everywhere())
            assert read_events(first.folder), "each has its own"
            assert read_events(first.folder) == read_events(second.folder)
            for result in (first, second):
                assert len(result.counts) == 2 and result.to_dict()["counts"] == counts_of(result.folder)

    def test_so_far_are_whole_lines_after_an_interruption(self, tracker, clip, tmp_path):
        def stop(progress):
            if progress.frames == 8:
                raise KeyboardInterrupt

        (result,) = run([clip], tracker, Output(project=tmp_path), zones=everywhere(), progress=stop)
        assert result.interrupted
        assert read_events(result.folder)
        assert (
            (result.folder / "counts.csv").read_text().startswith("zone,class,in,out,inside,mean_dwell_s\nnowhere,,0,0")
        )

    def test_are_drawn(self, tracker, clip, counted, tmp_path):
        (plain,) = run([clip], tracker, Output(project=tmp_path))
        with av.open(str(counted.folder / "video.mp4")) as drawn, av.open(str(plain.folder / "video.mp4")) as bare:
            pictures = [next(video.decode(video=0)).to_ndarray(format="bgr24").astype(int) for video in (drawn, bare)]
        apart = np.abs(pictures[0] - pictures[1]).max(-1) > 60
        assert apart[38:43, 20:60].any(axis=0).mean() > 0.8, "a line along y = 40"
        assert apart[:, 100:].mean() < apart[:, :100].mean()

    def test_of_a_class_that_the_detector_does_not_know_are_refused_before_anything_is_written(
        self, tracker, clip, tmp_path
    ):
        zones = Zones.parsed({"lines": {"gate": {"points": [[0, 9], [9, 9]], "classes": ["peson"]}}}, "zones.yaml")
        with pytest.raises(ConfigError, match="'gate' counts the class 'peson', which the detector does not know"):
            run([clip], tracker, Output(project=tmp_path / "runs"), zones=zones)
        assert not (tmp_path / "runs").exists()


def test_the_command_refuses_a_wrong_file_in_one_sentence(clip, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones.yaml").write_text("ignore: [{points: [[0, 0], [9, 9]]}]")
    with pytest.raises(SystemExit) as end:
        main([str(clip), "--zones", "zones.yaml", "--no-video"])
    assert end.value.code == 2
    assert capsys.readouterr().err == "error: zones.yaml: region 1 of ignore has 2 points; give at least 3\n"
    assert not (tmp_path / "runs").exists()


def test_the_command_says_at_the_end_what_was_counted(clip, tmp_path, capsys):
    (tmp_path / "zones.yaml").write_text(
        "{units: share, lines: {never: {points: [[0, 0], [0.01, 0]]}}, "
        "zones: {till: {points: [[0, 0], [1, 0], [1, 1], [0, 1]]}}}"
    )
    words = [str(clip), "--zones", str(tmp_path / "zones.yaml"), "--project", str(tmp_path / "runs"), "--no-video"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "--no-reid", "--imgsz", "320"])
    assert not ended.value.code
    said = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert "never: nothing" in said and re.match(r"pan: (\d+) tracks? \(\1 person\) in 12 frames, ", said[0])
    (folder,) = (tmp_path / "runs").iterdir()
    row = next(row for row in counts_of(folder) if row["zone"] == "till")
    shown = f"{row['in']} in, {row['out']} out, {row['inside']} inside, "
    assert any(line.startswith(f"till: {row['class']} {shown}") and line.endswith(" s on average") for line in said)
