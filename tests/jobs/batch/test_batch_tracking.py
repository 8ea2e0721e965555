"""What a worker process of `track batch` does with a video that an earlier call has begun."""

import shutil
from dataclasses import replace

import pytest
import yaml

from helpers.clips import pan
from tracker.config import Config
from tracker.jobs.batch.tracking import TrackingPlan, Video, ready
from tracker.jobs.result_folder import UNFINISHED, Output
from tracker.jobs.resume import saving
from tracker.jobs.resume.unfinished import Unfinished

TABLES = ("tracks.txt", "tracks.csv", "summary.csv")


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Where a run is is saved all the time."""
    monkeypatch.setattr(saving, "EVERY_S", 0.0)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clips") / "door.mp4", frames=24)


@pytest.fixture
def track(tmp_path):
    """The work, its project a folder `out`."""
    return ready(TrackingPlan(Config().override({"detector": {"imgsz": 160}}), Output(tmp_path / "out", video=False)))


def ends(at):
    """The machine does."""
    if at.frames == 18:
        raise KeyboardInterrupt


def to_its_end(at):
    """Nobody listens."""


def tables(folder):
    return {name: (folder / name).read_bytes() for name in TABLES}


def record(folder):
    return yaml.safe_load((folder / "run.yaml").read_text())


def test_one_that_was_interrupted_goes_on_where_it_was_to_the_same_bytes(clip, track, tmp_path):
    interrupted, whole = Video("door.mp4", str(clip), "door"), Video("door.mp4", str(clip), "whole")
    assert track(whole, to_its_end).state == "done"
    row = track(interrupted, ends)
    assert (row.state, row.frames) == ("interrupted", 18)
    told = []
    row = track(interrupted, told.append)
    assert (row.state, row.frames) == ("done", 24)
    assert told[0].frames == 19, "not from the start"
    assert tables(tmp_path / "out" / "door") == tables(tmp_path / "out" / "whole")
    assert len(record(tmp_path / "out" / "door")["resumed"]) == 1


def test_one_whose_process_died_after_its_last_frame_is_done(clip, track, tmp_path):
    video = Video("door.mp4", str(clip), "door")
    first = track(video, to_its_end)
    before = (tmp_path / "out" / "door" / "run.yaml").read_bytes()
    assert track(video, to_its_end) == replace(first, seconds=pytest.approx(first.seconds, abs=1e-3))
    assert (tmp_path / "out" / "door" / "run.yaml").read_bytes() == before


def test_copies_of_one_file_go_on_each_in_its_own_folder(clip, track, tmp_path):
    (tmp_path / "copy").mkdir()
    copy = shutil.copy2(clip, tmp_path / "copy" / "door.mp4")  # of the same name, size and time
    videos = Video("1", str(clip), "door"), Video("2", str(copy), "door-2")
    for video in videos:
        assert track(video, ends).state == "interrupted"
    beside = tables(tmp_path / "out" / "door-2")
    assert track(videos[0], to_its_end).frames == 24
    assert tables(tmp_path / "out" / "door-2") == beside
    assert track(videos[1], to_its_end).frames == 24
    assert tables(tmp_path / "out" / "door") == tables(tmp_path / "out" / "door-2") != beside


@pytest.mark.parametrize("why", ["failed", "state", "version"])
def test_one_that_cannot_go_on_is_tracked_anew(clip, track, tmp_path, why):
    video, folder = Video("door.mp4", str(clip), "door"), tmp_path / "out" / "door"
    assert track(video, ends).state == "interrupted"
    if why == "failed":
        video = replace(video, anew=True)
    elif why == "state":
        (folder / UNFINISHED / "state").write_bytes(b"torn")
    else:
        changed = record(folder)
        changed["versions"]["av"] = "1.0"
        (folder / "run.yaml").write_text(yaml.safe_dump(changed))
    told = []
    row = track(video, told.append)
    assert (row.state, row.frames, told[0].frames) == ("done", 24, 1)
    assert "resumed" not in record(folder) and not (folder / UNFINISHED).exists()


def test_one_that_another_process_goes_on_with_fails_and_is_left_alone(clip, track, tmp_path):
    video, folder = Video("door.mp4", str(clip), "door"), tmp_path / "out" / "door"
    assert track(video, ends).state == "interrupted"
    before = tables(folder)
    other = Unfinished(folder)
    row = track(video, to_its_end)
    other.release()
    assert row.state == "failed" and "goes on in another process" in row.error
    assert tables(folder) == before
