"""The bench: simulated crowds, whole runs in processes of their own, and what it says of them."""

import json
import subprocess
import sys
import tracemalloc
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import typer

from helpers.clips import pan
from tracker import Tracker
from tracker.bench import growth
from tracker.bench.report import BenchReport, faster
from tracker.bench.runs import OURS, Command, Cost, in_turn, looped, measure, ours, peers
from tracker.cli import main
from tracker.config import Config
from tracker.errors import DataError, MissingExtraError, UsageError
from tracker.video.source import open_source

ROOT = Path(__file__).parents[2]
import benchmark  # noqa: E402

COST = Cost(10.0, 20.0, 500.0, 100, 1.0, {"decode": 1.0, "detect": 8.0})


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
        assert cost.wall_s > cost.first_frame_s > 0
        assert cost.memory_mib > 100 and cost.cpu_s > 0
        assert set(cost.ms_per_frame) == {"decode", "detect", "appearance", "motion+association", "write"}

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

    def test_peers_get_the_same_weights(self, tmp_path):
        import torch

        from tracker.detection import yolo
        from tracker.detection.detector import EMBEDDED

        (command,) = peers(["ultralytics"], tmp_path / "clip.mp4", Config(), tmp_path, None).values()
        (model,) = (word.removeprefix("model=") for word in command.words if word.startswith("model="))
        theirs, names = yolo.load(Path(model))
        own, own_names = yolo.load(EMBEDDED)
        assert names == own_names
        for key, value in own.state_dict().items():
            assert torch.equal(value, theirs.state_dict()[key])

    def test_unknown_and_missing_peers(self, tmp_path):
        with pytest.raises(UsageError, match="ultralytics, boxmot"):
            peers(["sort"], tmp_path, Config(), tmp_path, None)
        with pytest.raises(MissingExtraError, match="--boxmot-python"):
            peers(["boxmot"], tmp_path, Config(), tmp_path, tmp_path / "python")


class TestReport:
    def report(self, memory):
        stream = [growth.Stretch(10 * (i + 1), 1.0, value) for i, value in enumerate(memory)]
        return BenchReport(
            {}, {OURS: [COST], "other": [Cost(25.0, 30.0, 900.0)]}, COST, [growth.Growth(10, 0.5, 1.0)], stream
        )

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
        assert report.to_dict()["faster"] == {"other": {"wall": 2.5, "cpu": 1.5}}
        json.dumps(report.to_dict())
        report.tables()
        report.plot(tmp_path / "bench.png")
        assert (tmp_path / "bench.png").stat().st_size > 10_000


def test_the_command_leaves_numbers_and_a_picture(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("tracker.bench.growth.COUNTS", (10,))
    monkeypatch.setattr("tracker.bench.runs.measure", lambda command: COST)
    clip = pan(tmp_path / "pan.mp4", 6)
    with pytest.raises(SystemExit) as ended:
        main(["bench", str(clip), "--out", str(tmp_path / "out"), "--rounds", "1", "--stream", "1000", "--json"])
    assert not ended.value.code
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "out" / "bench.json").read_text())
    assert set(printed["runs"]) == {"track", "track --no-reid", "track --no-video"}
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
