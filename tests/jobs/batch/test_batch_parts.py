"""`track batch --part`: a long video is several tasks, of which each may die alone."""

import math
from collections import deque
from dataclasses import replace
from functools import partial

import psutil
import pytest

from helpers.clips import crossing
from tracker.config import Config
from tracker.errors import UsageError, WorkerError
from tracker.jobs.batch.long_videos import LongVideos
from tracker.jobs.batch.manifest import VideoRow, VideoState
from tracker.jobs.batch.pool import WorkerPool
from tracker.jobs.batch.sources import listed
from tracker.jobs.batch.tracking import PARTS, JoinTask, NoPartsError, PartTask, TrackingPlan, Video
from tracker.jobs.batch.videos import batch
from tracker.jobs.outcome import Progress
from tracker.jobs.parts.cutting import VideoPart
from tracker.jobs.result_folder import Output
from tracker.system.files import read_yaml
from tracker.video.bookmark import Bookmark
from tracker.video.clock import Clock

ONE = partial(WorkerPool, 1)
PART_S = 12.5  # of 25 s
VIDEO, OTHER = Video("door.mp4", "/door.mp4", "door"), Video("yard.mp4", "/yard.mp4", "yard")
TASKS = [PartTask(VIDEO, VideoPart(n, n, n + 9, n + 17, Bookmark(n - 1, None, Clock(1.0), True))) for n in (1, 11)]
ROW = VideoRow("door.mp4", VideoState.DONE)


def plan(project, **output) -> TrackingPlan:
    settings = Config().override({"detector": {"imgsz": 160}})
    return TrackingPlan(settings, Output(project, video=False, **output), part_s=PART_S)


@pytest.mark.slow
def test_a_process_that_is_killed_costs_the_part_that_it_tracked(tmp_path):
    clip = crossing(tmp_path / "long.mp4", fps=2)
    sources, killed = listed([str(clip)]), []
    first = tmp_path / "out" / PARTS / "long" / "0001" / "run.yaml"

    def progress(at):
        if not killed and first.exists() and any(running.frames > 32 for running in at.running.values()):
            killed.append(first.stat().st_mtime_ns)
            next(child for child in psutil.Process().children() if "spawn_main" in child.cmdline()[-2]).kill()
        if killed and first.exists():
            assert first.stat().st_mtime_ns == killed[0], "it is done"

    (row,) = batch(sources, plan(tmp_path / "out"), ONE, progress=progress).rows
    assert row.state == "failed" and "SIGKILL" in row.error and killed
    (row,) = batch(sources, plan(tmp_path / "out"), ONE, retry=True, progress=progress).rows
    assert (row.state, row.frames, row.tracks) == ("done", 50, 3)
    assert not (tmp_path / "out" / PARTS).exists()
    assert read_yaml(tmp_path / "out" / "long" / "run.yaml")["parts"]["count"] == 2


class TestWhatIsStillToBeDone:
    """By what is heard of the tasks."""

    @pytest.fixture
    def queue(self):
        return deque([OTHER])

    @pytest.fixture
    def long(self, queue):
        long = LongVideos(queue)
        assert long.done(VIDEO, JoinTask(VIDEO, [task.part for task in TASKS], frames=56)) is None
        assert [(task.source, task.part.number) for task in list(queue)[:2]] == [("door.mp4", 1), ("door.mp4", 11)]
        return long

    def test_is_the_joint_once_all_parts_are(self, long, queue):
        queue.clear()
        assert long.done(TASKS[1], ROW) is None and not queue
        assert long.done(TASKS[0], ROW) is None
        (joint,) = queue
        assert isinstance(joint, JoinTask) and long.done(joint, ROW) is ROW

    def test_is_nothing_once_one_of_them_has_failed(self, long, queue):
        assert long.failed(TASKS[0], WorkerError("killed"))
        assert list(queue) == [OTHER]
        assert not long.failed(TASKS[1], WorkerError("killed")) and long.done(TASKS[1], ROW) is None

    def test_is_the_whole_where_there_are_no_parts(self, long, queue):
        assert not long.failed(TASKS[0], NoPartsError("damaged"))
        assert list(queue) == [replace(VIDEO, whole=True), OTHER]
        assert long.done(queue[0], ROW) is ROW

    def test_is_told_of_all_parts_together(self, long):
        long.told(TASKS[0], Progress("door", 5, 18, 2, 1.0))
        at = long.told(TASKS[1], Progress("door", 7, 18, 3, 1.0))
        assert (at.frames, at.frame_count, at.live) == (12, 56, 3)

    def test_counts_parts_that_an_earlier_call_has_done(self, long):
        long.done(TASKS[0], replace(ROW, frames=18))
        assert long.told(TASKS[1], Progress("door", 7, 18, 3, 1.0)).frames == 25

    def test_never_goes_back_when_they_are_joined(self, long, queue):
        for task in TASKS:
            long.done(task, replace(ROW, frames=18))
        joint = queue[0]
        shown = [long.told(joint, Progress("door", frames, 20, 3, 0.0)) for frames in (1, 20)]
        assert [(at.frames, at.frame_count) for at in shown] == [(37, 56), (56, 56)]
        assert all(at.seconds > 0 for at in shown), "since the first of its parts was begun"

    def test_is_all_done_where_joined_frames_are_not_looked_at_again(self, queue):
        long = LongVideos(queue)
        long.done(VIDEO, JoinTask(VIDEO, [task.part for task in TASKS], frames=36))
        for task in TASKS:
            long.done(task, replace(ROW, frames=18))
        assert long.told(queue[0], Progress("door", 9, 20, 3, 0.0)).frames == 36


def test_what_needs_a_whole_video_is_refused(tmp_path):
    sources = {"x.mp4": "x.mp4"}
    with pytest.raises(UsageError, match="leave out --forecast or --part"):
        batch(sources, plan(tmp_path / "out", forecast_s=1.0), ONE)
    with pytest.raises(UsageError, match="need a folder that all processes share"):
        batch(sources, replace(plan(tmp_path / "out"), results="memory://out"), ONE)
    with pytest.raises(UsageError, match="give --part 600"):
        batch(sources, replace(plan(tmp_path / "out"), part_s=0.5), ONE)
    with pytest.raises(UsageError, match="--part is nan; give seconds, 0 or more"):
        batch(sources, replace(plan(tmp_path / "out"), part_s=math.nan), ONE)
    assert not list(tmp_path.iterdir())
