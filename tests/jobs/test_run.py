"""The main job: four stages at once give what one after the other gives, and nothing written is ever lost."""

import csv
import hashlib
import os
import signal
import subprocess
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import av
import pytest
import torch
import yaml

from helpers.clips import pan
from tracker.config import Config
from tracker.errors import OutputError, SourceError, UsageError
from tracker.jobs import prefetch
from tracker.jobs.replay import repetition
from tracker.jobs.result_folder import COUNTS, EVENTS, FILES, PARQUET
from tracker.jobs.run import STAGES, Output, run
from tracker.output.writers import MotWriter
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.tracker import Tracker
from tracker.video.source import open_source

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})
FRAMES = 24


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "pan.mp4", FRAMES)


@pytest.fixture(scope="module")
def brief(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("brief") / "pan.mp4", 3)


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture(scope="module")
def sequential(clip):
    """`tracks.txt` by a plain loop: one frame, one stage at a time, with a tracker of its own."""
    tracker = Tracker(CONFIG)
    smoother = FixedLagSmoother(CONFIG.bank.report_delay_s, CONFIG.offline)
    decided = []
    with open_source(clip) as source:
        for frame in source:
            tracks = tracker.update(frame.image, time_s=frame.time_s)
            decided += smoother.push(frame, tracks, tracker.camera_motion)
    decided += smoother.flush()
    text = "".join(tracks.to_mot(frame.number) for frame, tracks in decided)
    assert text.count("\n") >= FRAMES, "somebody is tracked all the time"
    return text


@pytest.fixture
def output(tmp_path):
    return Output(project=tmp_path / "runs", video=False)


@pytest.fixture(scope="module")
def result(tracker, clip, tmp_path_factory):
    """A run with all files."""
    output = Output(project=tmp_path_factory.mktemp("runs"), json=True, forecast_s=0.5)
    return run([clip], tracker, output, command=["track", "rtsp://bob:secret@host/x", str(clip)])[0]


def begins_alike(lines: list[str], whole: str) -> bool:
    """Same frames and ids up to where it ends: of the last half second, what followed was not known yet."""
    heads = [[line.split(",")[:2] for line in text] for text in (lines, whole.splitlines())]
    return heads[0] == heads[1][: len(lines)]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class TestSameAsOneAfterTheOther:
    def test_a_stream_with_fixed_lag_smoothing_is_what_files_hold(self, tracker, clip, sequential):
        reported = [tracks.to_mot(frame.number) for frame, tracks in tracker.stream(clip, fixed_lag=True)]
        assert len(reported) == FRAMES
        assert "".join(reported) == sequential

    @pytest.mark.parametrize("workers", [1, 2, 4])
    def test_any_number_of_frames_looked_at_at_once(self, tracker, clip, sequential, output, monkeypatch, workers):
        monkeypatch.setattr(prefetch, "_CPU_WORKERS", workers)
        (result,) = run([clip], tracker, output)
        assert (result.folder / "tracks.txt").read_text() == sequential

    @pytest.mark.parametrize("batch", [1, 5, 30])
    def test_any_number_of_frames_in_a_batch(self, clip, sequential, output, batch):
        (result,) = run([clip], CONFIG.override({"detector": {"batch": batch}}), output)
        assert (result.folder / "tracks.txt").read_text() == sequential

    @pytest.mark.parametrize("size", [1, 7, 24, 100])
    def test_batches_keep_all_frames_in_order(self, clip, size):
        seconds = dict.fromkeys(STAGES, 0.0)
        with open_source(clip) as source:
            batches = list(prefetch._batches(source, size, seconds))
        assert [frame.number for batch in batches for frame in batch] == list(range(1, FRAMES + 1))
        assert all(len(batch) == size for batch in batches[:-1])
        assert seconds["decode"] > 0

    @pytest.mark.parametrize(("every", "looked_at"), [("5", 5), ("0.25s", 8), ("auto", None)])
    def test_frames_that_are_not_looked_at(self, clip, output, every, looked_at):
        """Whether it is known ahead which, or the tracker says so: the same frames, and the same tracks in all."""
        alone = Tracker(CONFIG.override({"detector": {"every": every}}))
        stream = [pair for _, pair in alone.stream(clip, fixed_lag=True)]
        (result,) = run([clip], alone, output)
        lines = (result.folder / "tracks.txt").read_text()
        assert lines == "".join(tracks.to_mot(number) for number, tracks in enumerate(stream, 1))
        assert {line.split(",")[0] for line in lines.splitlines()} == set(map(str, range(1, FRAMES + 1)))
        noted = yaml.safe_load((result.folder / "run.yaml").read_text())
        assert noted["config"]["detector"]["every"] == every
        assert noted["result"]["frames_looked_at"] == result.frames_looked_at == sum(t.looked for t in stream)
        assert looked_at is None or result.frames_looked_at == looked_at

    def test_torch_gets_its_threads_back(self, tracker, brief, output):
        before = torch.get_num_threads()
        run([brief], tracker, output)
        assert torch.get_num_threads() == before


class TestWhatIsLeft:
    def test_every_file_and_no_other(self, result):
        assert sorted(path.name for path in result.folder.iterdir()) == sorted({*FILES} - {COUNTS, EVENTS, PARQUET})
        assert result.folder.name == "pan"

    def test_the_tables_agree(self, result):
        lines = (result.folder / "tracks.txt").read_text().splitlines()
        table = rows(result.folder / "tracks.csv")
        summary = rows(result.folder / "summary.csv")
        assert [line.split(",")[:2] for line in lines] == [[row["frame"], row["id"]] for row in table]
        assert {row["id"] for row in table} == {row["id"] for row in summary}
        assert sum(int(row["frames"]) for row in summary) == len(lines)
        assert len(summary) == result.tracks >= 2
        assert {"person"} <= {row["name"] for row in table}
        assert len((result.folder / "tracks.jsonl").read_text().splitlines()) == result.frames == FRAMES

    def test_the_video_has_every_frame_at_its_time(self, result):
        with av.open(str(result.folder / "video.mp4")) as container:
            times = [frame.time for frame in container.decode(video=0)]
        assert times == pytest.approx([i / 12 for i in range(FRAMES)], abs=1e-3)

    def test_run_yaml_is_enough_to_replay_it(self, result, clip, output):
        record = yaml.safe_load((result.folder / "run.yaml").read_text())
        again = Config().override(record["config"])
        assert again == CONFIG
        assert record["device"] == "cpu"
        assert record["command"] == f"track 'rtsp://bob:***@host/x' {clip}", "and holds no password"
        assert set(record["weights"]) == {"detector", "appearance", "motion"}
        for weights in record["weights"].values():
            assert hashlib.sha256(Path(weights["file"]).read_bytes()).hexdigest() == weights["sha256"]
        assert record["versions"]["torch"] == torch.__version__.split("+")[0]
        assert record["result"]["frames"] == FRAMES
        assert set(record["result"]["ms_per_frame"]) == set(STAGES)
        assert all(record["result"]["ms_per_frame"][stage] > 0 for stage in STAGES)
        (repeated,) = run([clip], again, output)
        assert (repeated.folder / "tracks.txt").read_bytes() == (result.folder / "tracks.txt").read_bytes()


class TestFolders:
    def test_a_second_run_gets_a_folder_of_its_own(self, tracker, brief, output):
        assert [run([brief], tracker, output)[0].folder.name for _ in range(3)] == ["pan", "pan-2", "pan-3"]

    def test_exist_ok_leaves_nothing_of_the_earlier_run(self, tracker, brief, tmp_path):
        (first,) = run([brief], tracker, Output(tmp_path, "x", json=True))
        (first.folder / "mine.txt").write_text("keep")
        (second,) = run([brief], tracker, Output(tmp_path, "x", exist_ok=True, video=False))
        assert second.folder == first.folder
        assert sorted(path.name for path in second.folder.iterdir()) == sorted(
            {*FILES, "mine.txt"} - {"video.mp4", "tracks.jsonl", COUNTS, EVENTS, PARQUET}
        )

    def test_exist_ok_leaves_no_picture_of_the_earlier_run(self, tracker, brief, tmp_path):
        wanted = Output(tmp_path, "x", exist_ok=True, video=False, crops=True)
        (first,) = run([brief], tracker, wanted)
        ids = {row["id"] for row in rows(first.folder / "tracks.csv")}
        (first.folder / "crops" / "99.jpg").write_bytes((first.folder / "crops" / "1.jpg").read_bytes())
        run([brief], tracker, wanted)
        assert {path.stem for path in (first.folder / "crops").iterdir()} == ids != set()

    def test_several_sources_are_independent(self, tracker, clip, output, sequential):
        results = run([clip, clip], tracker, output)
        assert [result.folder.name for result in results] == ["pan", "pan-2"]
        assert {(result.folder / "tracks.txt").read_text() for result in results} == {sequential}

    def test_a_name_for_several_sources_is_a_folder_of_folders(self, tracker, brief, tmp_path):
        results = run([brief, brief], tracker, Output(tmp_path, "both", video=False))
        assert [result.folder.relative_to(tmp_path).as_posix() for result in results] == ["both/pan", "both/pan-2"]


class TestWhenSomethingGoesWrong:
    def test_a_truncated_video_keeps_what_could_be_read(self, tracker, clip, brief, tmp_path, output):
        mkv = tmp_path / "cut.mkv"
        with av.open(str(clip)) as source, av.open(str(mkv), "w") as copy:
            stream = copy.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
        whole = mkv.read_bytes()
        mkv.write_bytes(whole[: len(whole) // 2])
        cut, next_one = run([mkv, brief], tracker, output)
        assert isinstance(cut.error, SourceError)
        assert 0 < cut.frames < FRAMES
        assert f"{cut.frames} frames" in str(cut.error)
        assert int(rows(cut.folder / "tracks.csv")[-1]["frame"]) == cut.frames
        assert next_one.frames == 3, "and the next source is tracked all the same"

    def test_what_cannot_be_opened_leaves_nothing(self, tracker, tmp_path, output):
        (result,) = run([tmp_path / "missing.mp4"], tracker, output)
        assert isinstance(result.error, SourceError)
        assert result.folder is None
        assert not output.project.exists()

    @pytest.mark.parametrize(
        "wrong",
        [{"device": "cuda:7"}, {"detector": {"classes": ["persn"]}}],
        ids=["device", "class"],
    )
    def test_wrong_settings_leave_nothing(self, clip, output, wrong):
        with pytest.raises(UsageError):
            run([clip], CONFIG.override(wrong), output)
        assert not output.project.exists()

    def test_no_display_leaves_nothing(self, brief, output, monkeypatch):
        monkeypatch.setattr("tracker.output.window._PROBE", "raise SystemExit(1)")
        with pytest.raises(UsageError, match="leave out --show"):
            run([brief], CONFIG, replace(output, show=True))
        assert not output.project.exists()

    def test_an_interruption_keeps_all_frames_until_then(self, tracker, clip, output, sequential):
        def stop(at):
            if at.frames == 10:
                raise KeyboardInterrupt

        first, *rest = run([clip, clip], tracker, output, progress=stop)
        assert first.interrupted
        assert not rest
        assert first.frames == 10
        lines = (first.folder / "tracks.txt").read_text().splitlines(keepends=True)
        assert begins_alike(lines, sequential)
        assert lines[-1].startswith("10,")
        assert yaml.safe_load((first.folder / "run.yaml").read_text())["result"]["interrupted"]

    def test_signals_while_the_last_frames_are_written_cut_nothing_off(
        self, tracker, clip, output, sequential, monkeypatch
    ):
        """Ctrl-C at the twentieth frame, and again and again until all is closed: each is heard, none strikes."""
        write, over = MotWriter.write, threading.Event()
        monkeypatch.setattr(MotWriter, "write", lambda *given: (time.sleep(0.02), write(*given)))

        def strike():
            while not over.wait(0.01):
                os.kill(os.getpid(), signal.SIGINT)

        blows = threading.Thread(target=strike)
        before = signal.signal(signal.SIGINT, lambda *_: over.set())  # hears what comes when the run has ended
        try:
            (result,) = run([clip], tracker, output, progress=lambda at: at.frames == 20 and blows.start())
        finally:
            over.set()
            blows.join()
            signal.signal(signal.SIGINT, before)
        assert result.interrupted
        assert 20 <= result.frames < FRAMES
        assert yaml.safe_load((result.folder / "run.yaml").read_text())["result"]["frames"] == result.frames
        lines = (result.folder / "tracks.txt").read_text().splitlines()
        assert begins_alike(lines, sequential)
        assert lines[-1].startswith(f"{result.frames},")

    def test_a_full_disk_ends_the_run_and_keeps_whole_lines(self, tracker, clip, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=False).returncode:
            pytest.skip("mounting a small disk needs root")
        try:
            with pytest.raises(OutputError, match="no space left"):
                run([clip], tracker, Output(project=disk))
            lines = (disk / "pan" / "tracks.txt").read_text().splitlines(keepends=True)
            assert all(line.endswith("-1,-1,-1\n") for line in lines)
        finally:
            subprocess.run(["umount", str(disk)], check=True)

    def test_a_bug_in_the_callers_code_is_not_hidden(self, tracker, brief, output):
        def broken(at):
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            run([brief], tracker, output, progress=broken)
        assert (output.project / "pan" / "summary.csv").exists()


@pytest.mark.parametrize("offline", [False, True])
def test_the_tracks_that_are_counted_are_those_in_the_files(tracker, tmp_path, offline, monkeypatch):
    """All of a clip this short is still to be written when its last frame has been tracked, and the disk is slow."""
    write = MotWriter.write
    monkeypatch.setattr(MotWriter, "write", lambda *given: time.sleep(0.1) or write(*given))
    clip = pan(tmp_path / "pan.mp4", 6)
    (result,) = run([clip], tracker, Output(project=tmp_path / "runs", offline=offline))
    with (result.folder / "summary.csv").open() as file:
        classes = Counter(row["name"] for row in csv.DictReader(file))
    assert result.tracks == classes.total() > 0 and result.tracks_by_class == dict(classes.most_common())
    noted = yaml.safe_load((result.folder / "run.yaml").read_text())["result"]
    assert (noted["tracks"], noted["tracks_by_class"]) == (result.tracks, result.tracks_by_class)


def test_the_progress_counts_frames(tracker, clip, output):
    seen = []
    run([clip], tracker, output, progress=seen.append, vid_stride=2)
    assert [at.frames for at in seen] == list(range(1, FRAMES // 2 + 1))
    assert {at.frame_count for at in seen} == {FRAMES // 2}
    assert max(at.live for at in seen) >= 2


def test_a_given_rate_is_that_of_tracks_and_video_and_of_a_repetition(tracker, clip, output):
    (result,) = run([clip], tracker, replace(output, video=True), fps=4)
    table = rows(result.folder / "tracks.csv")
    assert all(float(row["time_s"]) == (int(row["frame"]) - 1) / 4 for row in table)
    with av.open(str(result.folder / "video.mp4")) as container:
        assert [frame.time for frame in container.decode(video=0)] == pytest.approx([i / 4 for i in range(FRAMES)])
    with closing(repetition(result.folder).frames()) as frames:
        assert [frame.time_s for frame in frames] == [i / 4 for i in range(FRAMES)]


def test_a_stride_keeps_the_source_frame_numbers_and_real_times(tracker, clip, output):
    (result,) = run([clip], tracker, output, vid_stride=3)
    table = rows(result.folder / "tracks.csv")
    assert {int(row["frame"]) for row in table} == set(range(1, FRAMES + 1, 3))
    assert all(float(row["time_s"]) == pytest.approx((int(row["frame"]) - 1) / 12, abs=1e-3) for row in table)
