"""`track batch`: many videos, several processes, and whatever goes wrong with one of them."""

import csv
import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import psutil
import pytest

import tracker
from helpers.clips import pan
from tracker.cli import main
from tracker.config import Config
from tracker.errors import OutputError, UsageError
from tracker.jobs.batch.pool import WorkerPool
from tracker.jobs.batch.sources import listed
from tracker.jobs.batch.tracking import TrackingPlan
from tracker.jobs.batch.videos import LOCK, batch
from tracker.jobs.result_folder import Output
from tracker.system.output_folder import alone

ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(tracker.__file__).parents[1])}
ONE = partial(WorkerPool, 1)
FAST = ["--imgsz", "160", "--no-video"]


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Three good videos and one that is none."""
    folder = tmp_path_factory.mktemp("clips")
    for number in range(3):
        pan(folder / f"{number}.mp4", frames=8 + number)
    (folder / "broken.mp4").write_bytes(b"no video\n" * 100)
    return folder


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("long") / "long.mp4", frames=600)


def start(*words, cwd) -> subprocess.Popen[str]:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would not hear it
    return subprocess.Popen(
        [sys.executable, "-m", "tracker", "batch", *map(str, words), *FAST],
        **{"cwd": cwd, "env": ENVIRONMENT, "text": True, "start_new_session": True},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def track_batch(*words, cwd) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of the real command."""
    process = start(*words, cwd=cwd)
    out, err = process.communicate(timeout=200)
    return process.returncode, out, err


def rows(project: Path) -> dict[str, dict[str, str]]:
    with (project / "batch.csv").open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert len({row["source"] for row in table}) == len(table)
    return {Path(row["source"]).name: row for row in table}


def states(project: Path) -> dict[str, str]:
    return {name: row["state"] for name, row in rows(project).items()}


def tables(project: Path) -> dict[str, bytes]:
    names = ("tracks.txt", "tracks.csv", "summary.csv")
    return {str(p.relative_to(project)): p.read_bytes() for name in names for p in project.rglob(name)}


def plan(project: Path) -> TrackingPlan:
    return TrackingPlan(Config().override({"detector": {"imgsz": 160}}), Output(project, video=False))


@pytest.fixture(scope="module")
def two_at_once(clips, tmp_path_factory):
    """A folder of results, made by two processes, and what was said; beside it the gallery."""
    folder = tmp_path_factory.mktemp("two")
    return folder / "out", track_batch(clips, "--project", "out", "--jobs", "2", "--gallery", "seen", cwd=folder)


def embeddings(gallery: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (gallery / "videos").iterdir()}


class TestABatch:
    def test_does_the_rest_where_one_file_is_broken(self, two_at_once, clips):
        project, (code, out, err) = two_at_once
        assert states(project) == {"0.mp4": "done", "1.mp4": "done", "2.mp4": "done", "broken.mp4": "failed"}
        assert code == 1 and "3 of 4 videos done" in out
        assert err.splitlines()[-1].startswith("error: 1 of 4 videos failed; out/batch.csv says why")
        assert "4/4" in err and f" failed: {clips / 'broken.mp4'} is no video" in err
        assert err.count(str(clips / "broken.mp4")) == 1
        assert len(rows(project)["broken.mp4"]["error"].splitlines()) == 1
        assert [rows(project)[f"{number}.mp4"]["frames"] for number in range(3)] == ["8", "9", "10"]

    def test_writes_the_same_bytes_as_one_process_and_as_track(self, two_at_once, clips, tmp_path):
        project, _ = two_at_once
        words = "--project", "one", "--jobs", "1", "--gallery", "seen"
        code, *_ = track_batch(*sorted(clips.glob("[0-2].mp4")), *words, cwd=tmp_path)
        assert code == 0
        assert tables(tmp_path / "one") == tables(project)
        gallery = project.with_name("seen")
        assert embeddings(tmp_path / "seen") == embeddings(gallery)
        assert (tmp_path / "seen" / "identities.csv").read_bytes() == (gallery / "identities.csv").read_bytes()
        with pytest.raises(SystemExit) as end:
            main(
                [
                    str(clips / "1.mp4"),
                    "--project",
                    str(tmp_path / "track"),
                    "--gallery",
                    str(tmp_path / "alone"),
                    "--quiet",
                    *FAST,
                ]
            )
        assert not end.value.code
        single = tables(tmp_path / "track")
        assert single and single.items() <= tables(project).items()
        assert embeddings(tmp_path / "alone").items() <= embeddings(gallery).items()

    def test_finds_who_is_in_several_videos(self, two_at_once):
        with (two_at_once[0].with_name("seen") / "identities.csv").open(newline="") as file:
            found = [(row["identity"], row["video"], row["name"]) for row in csv.DictReader(file)]
        assert found == [(identity, video, "person") for identity in "12" for video in "012"]
        assert "2 identities of 6 tracks in 3 videos, 2 of them in more than one" in two_at_once[1][1]

    def test_sums_up_all_objects(self, two_at_once):
        project, _ = two_at_once
        with (project / "summary.csv").open(newline="", encoding="utf-8") as file:
            summary = list(csv.DictReader(file))
        assert [row["folder"] for row in summary] == ["0", "0", "1", "1", "2", "2"]
        assert all(row["name"] == "person" and Path(row["source"]).is_file() for row in summary)

    def test_called_again_skips_what_is_done_and_retries_what_failed_where_it_is_told_to(
        self, two_at_once, clips, tmp_path
    ):
        project, gallery = tmp_path / "out", ("--gallery", two_at_once[0].with_name("seen"))
        shutil.copytree(two_at_once[0], project)
        mine = shutil.copytree(clips, tmp_path / "clips")
        text = (project / "batch.csv").read_text().replace(str(clips), str(mine))
        (project / "batch.csv").write_text(text)
        before = {path: path.stat().st_mtime_ns for path in project.rglob("tracks.txt")}
        shutil.copy(mine / "0.mp4", mine / "broken.mp4")
        code, _, err = track_batch(mine, "--project", "out", "--jobs", "1", *gallery, cwd=tmp_path)
        assert code == 1 and states(project)["broken.mp4"] == "failed"
        pan(mine / "3.mp4", frames=5)
        code, _, err = track_batch(mine, "--project", "out", "--jobs", "1", "--retry", *gallery, cwd=tmp_path)
        assert code == 0 and set(states(project).values()) == {"done"} and "2/2" in err
        assert (project / "broken" / "tracks.txt").read_bytes() == (project / "0" / "tracks.txt").read_bytes()
        assert before == {path: path.stat().st_mtime_ns for path in before}


class TestWhateverEndsIt:
    @pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
    def test_leaves_what_runs_complete_and_is_taken_up_again(self, number, clips, long_clip, tmp_path):
        process = start(clips / "0.mp4", long_clip, clips / "1.mp4", "--project", "out", "--jobs", "1", cwd=tmp_path)
        written = tmp_path / "out" / "long" / "tracks.txt"
        wait_for(lambda: written.is_file() and written.stat().st_size, process)
        send = os.killpg if number == signal.SIGINT else os.kill  # a terminal's Ctrl-C goes to all, a kill to one
        send(process.pid, number)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 128 + number, err
        assert "Traceback" not in err and "interrupted: the same command goes on" in err
        assert states(tmp_path / "out") == {"0.mp4": "done", "long.mp4": "interrupted", "1.mp4": "waiting"}
        assert int(rows(tmp_path / "out")["long.mp4"]["frames"]) > 0
        assert written.read_text().endswith("\n")

    @pytest.mark.slow
    def test_a_kill_costs_what_was_running_and_the_next_call_does_it(self, clips, two_at_once, tmp_path):
        process = start(clips, "--project", "out", "--jobs", "2", cwd=tmp_path)
        wait_for(lambda: list((tmp_path / "out").glob("*/tracks.txt")), process)
        process.kill()
        process.communicate()
        assert set(states(tmp_path / "out")) == {"0.mp4", "1.mp4", "2.mp4", "broken.mp4"}  # valid as it lies there
        code, *_ = track_batch(clips, "--project", "out", "--jobs", "2", cwd=tmp_path)
        assert code == 1 and sorted(states(tmp_path / "out").values()) == ["done", "done", "done", "failed"]
        assert tables(tmp_path / "out") == tables(two_at_once[0])

    @pytest.mark.slow
    def test_a_process_that_is_killed_costs_its_own_video(self, clips, tmp_path):
        killed = []

        def progress(at):
            if not killed and any(running.frames for running in at.running.values()):
                killed.extend(at.running)
                next(child for child in psutil.Process().children() if "spawn_main" in child.cmdline()[-2]).kill()

        sources = listed([str(clips / f"{number}.mp4") for number in range(3)])
        result = batch(sources, plan(tmp_path / "out"), ONE, progress=progress)
        by_state = {row.source: row for row in result.rows}
        assert by_state[killed[0]].state == "failed" and "SIGKILL" in by_state[killed[0]].error
        assert sorted(row.state for row in result.rows) == ["done", "done", "failed"]

    @pytest.mark.slow
    def test_a_full_disk_ends_it_and_marks_no_video_as_broken(self, clips, tmp_path):
        disk = tmp_path / "disk"
        disk.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(disk)], check=False).returncode:
            pytest.skip("no file system can be mounted here")
        try:
            with pytest.raises(OutputError, match="no space left"):
                batch(listed([str(clips / "0.mp4")]), plan(disk / "out"), ONE)
            assert states(disk / "out")["0.mp4"] in ("waiting", "running", "interrupted")
            subprocess.run(["mount", "-o", "remount,size=9m", str(disk)], check=True)
            assert [row.state for row in batch(listed([str(clips / "0.mp4")]), plan(disk / "out"), ONE).rows] == [
                "done"
            ]
        finally:
            subprocess.run(["umount", str(disk)], check=True)


def wait_for(reached, process) -> None:
    end = time.monotonic() + 90
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


def same(project):
    """As `two_at_once` was tracked."""
    return dataclasses.replace(plan(project), gallery=str(project.with_name("seen")))


class TestAFolderOfResults:
    def test_of_other_settings_is_left_alone(self, two_at_once, clips):
        project, _ = two_at_once
        told = (
            r"holds 4 videos tracked otherwise: --conf \(detector.conf\) was .* and is 0.4 now; give it as it was, or"
        )
        with pytest.raises(UsageError, match=told):
            batch(listed([str(clips)]), with_conf(same(project), 0.4), ONE)
        with pytest.raises(UsageError, match=r"otherwise: --part was 0.0 and is 600.0 now; give it as it was"):
            batch(listed([str(clips)]), dataclasses.replace(same(project), part_s=600.0), ONE)

    def test_that_lack_a_file_which_is_wanted_now_says_so(self, two_at_once, clips):
        wanted = dataclasses.replace(same(two_at_once[0]), output=Output(two_at_once[0], video=False, json=True))
        with pytest.raises(
            UsageError, match="holds 4 videos tracked otherwise: --json was not given; give it as it was"
        ):
            batch(listed([str(clips)]), wanted, ONE)

    def test_gets_the_rows_of_all_videos_where_they_are_wanted_later_without_tracking_anything(
        self, two_at_once, clips, tmp_path
    ):
        pytest.importorskip("pyarrow")
        project = shutil.copytree(two_at_once[0], tmp_path / "out")
        before = {path: path.stat().st_mtime_ns for path in project.rglob("tracks.txt")}
        as_before = dataclasses.replace(same(two_at_once[0]), output=Output(project, video=False))
        wanted = dataclasses.replace(as_before, output=Output(project, video=False, parquet=True))
        batch(listed([str(clips)]), wanted, ONE)
        assert sorted(path.parent.name for path in project.glob("tracks.parquet/*/*.parquet")) == [
            "video=0",
            "video=1",
            "video=2",
        ]
        assert before == {path: path.stat().st_mtime_ns for path in before}
        with pytest.raises(UsageError, match="--parquet was given; give it as it was"):
            batch(listed([str(clips)]), as_before, ONE)

    @pytest.mark.parametrize(("name", "left"), [("zero.mp4", ["0.mp4"]), ("0.mp4", ["0.mp4", "0.mp4"])])
    def test_forgets_a_file_that_was_never_there_unless_others_are_called_after_it(self, tmp_path, name, left):
        """A second `0.mp4` has another folder for the first's sake."""
        batch({}, plan(tmp_path), ONE)
        lines = [f"/gone/{name},failed,0,0,0.1,no file", "/done/0.mp4,done,8,2,1.0,"]
        with (tmp_path / "batch.csv").open("a", newline="") as file:
            file.write("".join(f"{line}\r\n" for line in lines))
        batch({}, plan(tmp_path), ONE, retry=True)
        with (tmp_path / "batch.csv").open(newline="") as file:
            assert [Path(row["source"]).name for row in csv.DictReader(file)] == left

    def test_of_others_is_left_alone(self, clips, tmp_path):
        (tmp_path / "0").mkdir()
        (tmp_path / "0" / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match="0 is there and no batch made it"):
            batch(listed([str(clips)]), plan(tmp_path), ONE)
        assert (tmp_path / "0" / "notes.txt").read_text() == "mine"

    def test_with_a_table_of_somebody_elses_is_left_alone(self, clips, tmp_path):
        (tmp_path / "batch.csv").write_text("mine\n")
        with pytest.raises(OutputError, match=r"batch.csv was not made by track batch; choose another --project"):
            batch(listed([str(clips)]), plan(tmp_path), ONE)
        assert (tmp_path / "batch.csv").read_text() == "mine\n"

    def test_in_which_another_one_writes_is_left_alone(self, clips, tmp_path):
        lock = alone(tmp_path / LOCK, "batch", tmp_path)
        with lock, pytest.raises(OutputError, match="another track batch writes to"):
            batch(listed([str(clips)]), plan(tmp_path), ONE)


def with_conf(plan: TrackingPlan, conf: float) -> TrackingPlan:
    return dataclasses.replace(plan, config=plan.config.override({"detector": {"conf": conf}}))


@pytest.mark.slow
def test_settings_that_suit_no_video_end_it_before_the_first(clips, tmp_path):
    words = [clips, "--project", "out", "--jobs", "1", "--classes", "unicorn"]
    code, _, err = track_batch(*words, cwd=tmp_path)
    assert code == 2 and "unicorn" in err and len(err.splitlines()) == 1
    assert set(states(tmp_path / "out").values()) == {"waiting"}
    code, _, err = track_batch(clips / "0.mp4", "--project", "out", "--jobs", "1", cwd=tmp_path)
    assert code == 0, "nothing had begun, so nothing has other settings"
