"""The bench: simulated crowds, whole runs in processes of their own, and what it says of them."""

import io
import json
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
import typer
from rich.console import Console

from helpers.clips import pan
from helpers.walkers import LENGTH, make_sequence, perfect, write_results
from tracker.bench import growth
from tracker.bench.peers import installed, peers
from tracker.bench.report import BenchReport, faster
from tracker.bench.runs import OURS, Command, Cost, called, in_turn, looped, measure, ours, variants
from tracker.bench.truth import as_clip, scored
from tracker.boxes import iou, tlwh_to_xyxy
from tracker.cli import main
from tracker.config import Config
from tracker.datasets.mot import MotSequence, results
from tracker.errors import DataError, MissingExtraError, UsageError
from tracker.jobs.outcome import STAGES
from tracker.tracker import Tracker
from tracker.video.source import open_source

ROOT = Path(__file__).parents[2]
import benchmark  # noqa: E402

COST = Cost(10.0, 20.0, 500.0, 100, 1.0, dict.fromkeys(STAGES, 1234.5), 100, 4.0)
AUTO = called("auto")
SMALL = Config().override({"detector": {"classes": ["person"], "imgsz": 320}})


class TestCrowd:
    def test_most_walkers_are_seen_in_every_frame(self):
        counts = [len(found) for found in islice(growth.crowd(100, embeddings=False), 50)]
        assert 92 < np.mean(counts) < 98

    def test_the_same_seed_gives_the_same_crowd(self):
        one, other = (list(islice(growth.crowd(10, embeddings=True, lifetime_s=1.0), 40)) for _ in range(2))
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a.xyxy, b.xyxy) and np.array_equal(a.features, b.features)

    def test_twice_as_many_take_twice_the_memory(self):
        """Not four times: no frame holds a number for each pair of a track and a detection."""
        peaks = []
        for count in (1000, 2000):
            tracker, frames = Tracker(), growth.crowd(count, embeddings=True)
            for number, found in enumerate(islice(frames, 4)):
                tracemalloc.start()
                tracker.update(None, detections=found, time_s=number / 30)
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
            peaks.append(peak)
        assert peaks[1] < 2.5 * peaks[0]

    def test_they_come_and_go(self):
        first, *_, last = islice(growth.crowd(20, embeddings=True, lifetime_s=0.5), 150)
        alike = first.features @ last.features.T
        assert alike.max() < 0.5, "after ten lifetimes nobody of the first frame is left"

    def test_they_are_tracked(self):
        stretches = growth.by_length(400)
        assert len(stretches) == 100
        assert stretches[-1].frames == 400
        assert all(stretch.update_ms > 0 and stretch.memory_mib > 10 for stretch in stretches)


class TestRuns:
    def test_ours_leaves_what_it_cost(self, tmp_path):
        clip = pan(tmp_path / "pan.mp4", 6)
        command = ours(clip, None, "--imgsz", "160")
        cost = measure(command)
        assert cost.frames == 6
        assert cost.frames_looked_at == 6
        assert cost.video_s == 0.5
        assert cost.wall_s > cost.first_frame_s > 0
        assert cost.memory_mib > 100 and cost.cpu_s > 0
        assert set(cost.ms_per_frame) == set(STAGES)

    def test_a_clip_several_times_over(self, tmp_path):
        clip = looped(pan(tmp_path / "pan.mp4", 10), tmp_path / "long.mp4", 3)
        with open_source(clip) as source:
            times = [frame.time_s for frame in source]
        assert len(times) == 30
        assert np.diff(times) == pytest.approx(np.full(29, 1 / 12), abs=0.002)

    def test_a_failure_says_what_the_command_said(self):
        with pytest.raises(DataError, match="failed: out of luck"):
            measure(Command([sys.executable, "-c", "import sys; sys.exit('out of luck')"]))

    def test_all_run_once_a_round(self, monkeypatch):
        order = []
        monkeypatch.setattr("tracker.bench.runs.measure", lambda command: order.append(command) or COST)
        costs = in_turn({"a": "A", "b": "B"}, 3)
        assert order == ["A", "B"] * 3
        assert {name: len(found) for name, found in costs.items()} == {"a": 3, "b": 3}

    def test_one_of_others_that_fails_is_left_out_and_told(self, monkeypatch):
        def measured(command):
            if command == "broken":
                raise DataError("broken ... failed: no module")
            return COST

        monkeypatch.setattr("tracker.bench.runs.measure", measured)
        told = []
        costs = in_turn({OURS: "A", "other": "broken", "third": "B"}, 2, left_out=told.append)
        assert {name: len(found) for name, found in costs.items()} == {OURS: 2, "third": 2}
        assert told == ["other is left out: broken ... failed: no module"]
        with pytest.raises(DataError):
            in_turn({OURS: "broken"}, 1, left_out=told.append)

    def test_peers_get_the_same_weights(self, tmp_path):
        import torch

        from tracker.detection import yolo
        from tracker.detection.detector import EMBEDDED

        commands = peers(["ultralytics"], tmp_path / "clip.mp4", (320, 240), Config(), tmp_path, None).values()
        models = [word for command in commands for word in command.words if word.startswith("model=")]
        assert len(models) == len(commands) and len(set(models)) == 1
        model = models[0].removeprefix("model=")
        theirs, names = yolo.load(Path(model))
        own, own_names = yolo.load(EMBEDDED)
        assert names == own_names
        for key, value in own.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[key])

    def test_unknown_and_missing_peers(self, tmp_path):
        with pytest.raises(UsageError, match="ultralytics, boxmot"):
            peers(["sort"], tmp_path, (320, 240), Config(), tmp_path, None)
        with pytest.raises(MissingExtraError, match="--boxmot-python"):
            peers(["boxmot"], tmp_path, (320, 240), Config(), tmp_path, tmp_path / "python")

    def test_by_default_run_those_that_are_there(self, tmp_path):
        names, left_out = installed(Config(), tmp_path / "python")
        assert names == ["ultralytics"]
        assert left_out.startswith("boxmot is not installed")
        (tmp_path / "boxmot").touch()
        assert installed(Config(), tmp_path / "python") == (["ultralytics", "boxmot"], "")

    def test_ours_looks_at_every_frame_and_at_fewer(self, tmp_path):
        found = variants(tmp_path / "clip.mp4", None, ["auto"], ["--classes", "person"], tmp_path / "strict.yaml")
        assert set(found) == {
            *(OURS, f"{OURS}, strictly online", f"{OURS} --no-video", f"{OURS} --no-reid"),
            *(AUTO, f"{AUTO}, strictly online", f"{AUTO} --no-video"),
        }
        for name, command in found.items():
            words = list(command.words)
            assert words[words.index("--detect-every") + 1] == ("auto" if AUTO in name else "1"), "not the preset's"
            assert ("strict.yaml" in " ".join(words)) == ("strictly" in name)


@pytest.fixture(scope="module")
def yolo(tmp_path_factory):
    """What `yolo track` does by default and with ByteTrack on a clip of two people and a bus: name -> table, cost."""
    folder = tmp_path_factory.mktemp("yolo")
    clip = pan(folder / "pan.mp4", 8)
    found = {}
    for name, command in peers(["ultralytics"], clip, (320, 240), SMALL, folder, None).items():
        kept = folder / name / "pan.txt"
        cost = measure(replace(command, kept=kept))
        found[name] = results(kept), cost
    return found


class TestUltralytics:
    @pytest.mark.slow
    def test_its_default_tracker_is_named_as_this_version_has_it(self, yolo):
        from ultralytics.utils import DEFAULT_CFG_DICT

        default = DEFAULT_CFG_DICT["tracker"].removesuffix(".yaml")
        assert list(yolo) == [f"yolo track (default: {default})", "yolo track (ByteTrack)"]

    def test_its_labels_become_a_table_of_tracks(self, yolo):
        for table, cost in yolo.values():
            assert {7, 8} <= set(table[:, 0]) <= set(range(1, 9)), "frames count from 1"
            assert (table[:, 4:6] > 5).all() and (table[:, 2:4] > -1).all()
            assert cost.wall_s > 0 and cost.memory_mib > 100

    def test_its_boxes_are_where_our_detector_sees_them(self, yolo, tmp_path):
        detect = Tracker(SMALL).detector
        with open_source(pan(tmp_path / "pan.mp4", 8)) as source:
            (found,) = detect([list(source)[5].image])
        sure = found.xyxy[found.scores > 0.7]
        for table, _ in yolo.values():
            there = tlwh_to_xyxy(table[table[:, 0] == 6][:, 2:6])
            assert len(sure) >= 2 and iou(sure, there).max(axis=1).min() > 0.9


class TestBoxMOT:
    """Not installed here as a rule; what it leaves is known."""

    def lines(self, tmp_path):
        (tmp_path / "python").touch()
        (tmp_path / "boxmot").touch()
        (command,) = peers(["boxmot"], tmp_path / "a.mp4", (320, 240), SMALL, tmp_path, tmp_path / "python").values()
        return command.words, command.tracks(tmp_path / "run")

    def test_its_tracks_are_read_from_whichever_folder_it_makes(self, tmp_path):
        (tmp_path / "run" / "boxmot" / "exp").mkdir(parents=True)
        (tmp_path / "run" / "boxmot" / "exp" / "tracks.txt").write_text("1,1,2,3,4,5,1,0,-1\n")
        words, lines = self.lines(tmp_path)
        assert lines == "1,1,2,3,4,5,1,0,-1\n"
        assert words[words.index("--classes") + 1] == "0"

    def test_one_that_leaves_none_says_so(self, tmp_path):
        (tmp_path / "run").mkdir()
        with pytest.raises(DataError, match=r"left no tracks\.txt"):
            self.lines(tmp_path)


class TestTruth:
    def test_a_sequence_becomes_a_clip_of_the_very_images(self, tmp_path):
        make_sequence(tmp_path, "A")
        sequence = MotSequence.read(tmp_path / "A")
        sequence.image_folder.mkdir()
        images = [np.full((480, 640, 3), 5 * number, np.uint8) for number in range(LENGTH)]
        for number, image in enumerate(images, 1):
            image[100:200, 10 * number : 10 * number + 50] = 255
            cv2.imwrite(str(sequence.image_folder / f"{number:06}.png"), image)
        with open_source(as_clip(sequence, tmp_path)) as source:
            frames = list(source)
        assert source.name == "A"
        assert [frame.time_s for frame in frames] == pytest.approx([i / sequence.fps for i in range(LENGTH)])
        for image, frame in zip(images, frames, strict=True):
            assert np.array_equal(image, frame.image)

    def test_one_that_lacks_images_is_refused(self, tmp_path):
        make_sequence(tmp_path, "A")
        with pytest.raises(DataError, match=f"0 images for {LENGTH} frames"):
            as_clip(MotSequence.read(tmp_path / "A"), tmp_path)

    def test_what_is_kept_is_scored(self, tmp_path):
        make_sequence(tmp_path, "A")
        write_results(tmp_path / "kept" / "right", "A", perfect())
        write_results(tmp_path / "kept" / "half", "A", perfect()[:LENGTH])
        scores = scored(MotSequence.read(tmp_path / "A"), tmp_path / "kept", ["right", "half"], preproc=False)
        assert scores["right"]["HOTA"] == pytest.approx(100)
        assert scores["half"]["HOTA"] < 80


class TestReport:
    def report(self, memory):
        stream = [growth.Stretch(10 * (i + 1), 1.0, value) for i, value in enumerate(memory)]
        costs = {OURS: [COST], AUTO: [replace(COST, wall_s=5.0, cpu_s=8.0, frames_looked_at=30)]}
        costs |= {"other": [Cost(25.0, 30.0, 900.0)], f"{AUTO} --no-video": [COST]}
        scores = {name: {"HOTA": 60.0, "IDF1": 70.0, "IDSW": 3} for name in costs}
        return BenchReport({}, costs, COST, [growth.Growth(10, 0.5, 1.0)], stream, scores, ["auto"])

    def test_ratios_are_within_the_rounds(self):
        quick, slow = Cost(1.0, 1.0, 1.0), Cost(10.0, 10.0, 1.0)
        twice = [Cost(2.0, 3.0, 1.0), Cost(20.0, 30.0, 1.0)]
        assert faster(twice, [quick, slow]) == {"wall": 2.0, "cpu": 3.0}

    def test_memory_may_rise_in_the_first_tenth(self):
        assert self.report([100, 120, *[150] * 18]).memory_growth_mib == 0, "of 20 points two belong to the warm-up"
        assert self.report([100, 120, 150, *[200] * 17]).memory_growth_mib == 50

    def test_it_can_be_shown_saved_and_drawn(self, tmp_path):
        pytest.importorskip("matplotlib")
        report = self.report([100.0] * 20)
        said = json.loads(json.dumps(report.to_dict()))
        assert said["faster"]["other"] == {"wall": 2.5, "cpu": 1.5}
        assert said["faster_with_fewer_looks"][AUTO]["other"] == {"wall": 5.0, "cpu": 3.75}
        minute = {OURS: 300.0, AUTO: 120.0, "other": 450.0, f"{AUTO} --no-video": 300.0}
        assert said["cpu_s_a_minute"] == minute, "of a clip of four seconds"
        assert said["scores"]["other"]["HOTA"] == 60
        report.plot(tmp_path / "bench.png")
        assert (tmp_path / "bench.png").stat().st_size > 10_000

    def test_every_table_fits_a_screen_and_has_every_command(self):
        screen = Console(width=80, record=True, file=io.StringIO())
        screen.print(self.report([100.0] * 20).tables())
        shown = screen.export_text()
        lines = shown.splitlines()
        assert max(map(len, lines)) <= 80 and "…" not in shown
        assert sum(line.lstrip().startswith("other ") for line in lines) == 4, "whole runs, work, ratios, accuracy"
        (row,) = (line.split() for line in lines if line.startswith("track auto ") and "5.0 to 5.0" in line)
        assert row[2:] == ["5.0", "5.0", "to", "5.0", "20.0", "500", "0.30"]
        assert "decode" in shown and "HOTA" in shown


@pytest.mark.slow
def test_the_command_leaves_numbers_and_a_picture(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("tracker.bench.growth.COUNTS", (10,))
    monkeypatch.setattr("tracker.bench.runs.measure", lambda command: COST)
    clip = pan(tmp_path / "pan.mp4", 6)
    monkeypatch.setattr("tracker.bench.peers.boxmot_script", lambda python: tmp_path / "boxmot")
    words = ["--rounds", "2", "--stream", "1000", "--json"]
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(clip), "--out", str(tmp_path / "out"), *words])
    assert not ended.value.code
    said = capsys.readouterr()
    printed = json.loads(said.out)
    *phases, warning = said.err.splitlines()
    assert warning.startswith("warning: boxmot is not installed and left out; ")
    assert printed["left_out"] == [warning.removeprefix("warning: ")]
    runs = [f"round {number} of 2: {name}" for number in (1, 2) for name in printed["runs"]]
    rest = ["track, the clip 4 times over", "update with 10 objects", "a long stream: 1000 frames"]
    assert phases == [*runs, *rest], "a line for each, before it begins"
    assert printed == json.loads((tmp_path / "out" / "bench.json").read_text())
    own = {name for name in printed["runs"] if name.startswith(OURS)}
    assert own == {*(OURS, f"{OURS} --no-reid", f"{OURS} --no-video", AUTO, f"{AUTO} --no-video")}
    assert {name.split(" (")[0] for name in printed["runs"]} - own == {"yolo track"}
    assert (tmp_path / "out" / "bench.png").is_file()


@pytest.fixture
def in_git():
    if subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, check=False).returncode:
        pytest.skip("not in a git repository")


class TestTwoCommits:
    """`scripts/studies/benchmark.py`."""

    def test_a_commit_is_taken_from_git(self, tmp_path, in_git):
        benchmark.checkout("HEAD", tmp_path)
        assert (tmp_path / "tracker" / "tracker.py").is_file()

    def test_a_commit_is_as_fast_as_itself(self, tmp_path, in_git, monkeypatch, capsys):
        """Whole runs are canned, `update` is timed: with so wide a limit that no machine's other work matters."""
        ran = []
        monkeypatch.setattr("tracker.bench.runs.measure", lambda command: ran.append(command.package) or COST)
        benchmark.main(pan(tmp_path / "pan.mp4", 6), base="HEAD", rounds=1, objects="5", limit=100.0)
        assert len(set(ran)) == 2, "each from its own files"
        printed = capsys.readouterr().out
        assert all(
            what in printed for what in ("whole run, cpu", "update, 5 objects, boxes", "update, 5 objects, embeddings")
        )

    def test_one_that_has_become_slower_is_an_error(self, tmp_path, in_git, monkeypatch):
        def times(tree, objects):
            ms = 1.2 if tree == ROOT else 1.0
            return {"update": [{"boxes_ms": ms, "looks_ms": 1.0} for _ in objects]}

        monkeypatch.setattr("tracker.bench.runs.measure", lambda command: COST)
        monkeypatch.setattr(benchmark, "update_times", times)
        clip = pan(tmp_path / "pan.mp4", 6)
        benchmark.main(clip, base="HEAD", rounds=3, objects="10,100", limit=1.25)
        with pytest.raises(typer.Exit) as ended:
            benchmark.main(clip, base="HEAD", rounds=3, objects="10,100", limit=1.1)
        assert ended.value.exit_code == 1
