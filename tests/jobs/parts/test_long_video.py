"""A video that is tracked in parts leaves what one run of the whole leaves, and a part is done once."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from helpers.clips import crossing
from tracker.analytics.zones import Zones
from tracker.config import Config
from tracker.errors import ResumeError, SourceError
from tracker.jobs.identities.archive import IdentityArchive, LocalGallery
from tracker.jobs.parts.cutting import VideoPart
from tracker.jobs.parts.long_video import LongVideo, remove_parts
from tracker.jobs.result_folder import Output
from tracker.jobs.run import run
from tracker.system.files import locked
from tracker.tracker import Tracker
from tracker.video.recorded.cuts import SourceIndex

PART_S = 12.5  # of 25 s: the cut is where two people cross
RIGHT = {"zones": {"right": {"points": [[160, 0], [320, 0], [320, 240], [160, 240]], "anchor": "centre"}}}
TABLES = ("tracks.txt", "tracks.csv", "summary.csv", "tracks.jsonl", "events.jsonl", "counts.csv")


def nobody(at):
    """Nobody listens."""


@pytest.fixture(scope="module")
def tracker():
    return Tracker(Config().override({"detector": {"imgsz": 160}, "device": "cpu"}))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return crossing(tmp_path_factory.mktemp("clips") / "crossing.mp4", fps=2)


@pytest.fixture(scope="module")
def long_video(tracker, clip, tmp_path_factory):
    """The video, and its parts, which are tracked."""
    folder = tmp_path_factory.mktemp("out")
    output = Output(folder, "parts", exist_ok=True, json=True, video=False)
    zones, gallery = Zones.parsed(RIGHT, "zones.yaml"), IdentityArchive(LocalGallery(folder / "gallery"))
    video = LongVideo(str(clip), folder / ".parts", tracker, output, zones=zones, gallery=gallery)
    parts = video.cut(PART_S)
    for part in parts:
        assert not video.track(part, nobody).interrupted
    return video, parts


@pytest.fixture(scope="module")
def whole(tracker, clip, long_video, tmp_path_factory):
    """The folder of one run."""
    output = replace(long_video[0].output, project=tmp_path_factory.mktemp("whole"))
    gallery = IdentityArchive(LocalGallery(output.project / "gallery"))
    (result,) = run([clip], tracker, output, zones=long_video[0].zones, gallery=gallery)
    return result.folder


def known(folder):
    """What a gallery knows of the video."""
    (video,) = IdentityArchive(LocalGallery(folder / "gallery")).videos()
    return video


def rows(folder, name="tracks.csv"):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def boxes(folder):
    return np.array([[float(row[edge]) for edge in ("left", "top", "right", "bottom")] for row in rows(folder)])


def told(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_objects_keep_their_ids_over_the_cut_and_all_else_follows(long_video, whole):
    video, parts = long_video
    result = video.join(parts, nobody)
    assert (result.frames, result.error, result.interrupted) == (50, None, False)
    one, two = known(whole.parent), known(result.folder.parent)
    assert one.source == two.source and np.array_equal(one.ids, two.ids) and np.array_equal(one.stays, two.stays)
    assert len(two.embeddings) > len(two.ids) == 2
    one, two = rows(whole), rows(result.folder)
    assert [(row["frame"], row["time_s"], row["id"], row["name"]) for row in one] == [
        (row["frame"], row["time_s"], row["id"], row["name"]) for row in two
    ]
    assert np.abs(boxes(whole) - boxes(result.folder)).max() < 4
    before = [row for row in zip(one, two, strict=True) if int(row[0]["frame"]) < parts[1].first]
    assert before and all(one == two for one, two in before), "the first part is as in a run of the whole"
    assert [(e["event"], e["id"], e["frame"]) for e in told(result.folder)] == [
        (e["event"], e["id"], e["frame"]) for e in told(whole)
    ]
    assert {e["event"] for e in told(whole)} == {"enter"}
    assert rows(result.folder, "counts.csv") == rows(whole, "counts.csv")
    record = yaml.safe_load((result.folder / "run.yaml").read_text())
    assert record["parts"]["count"] == 2
    assert record["parts"]["joints"] == [{"frame": parts[1].first, "continued": 3, "returned": 0, "new": 0}]
    assert sorted(path.name for path in result.folder.iterdir()) == sorted(path.name for path in whole.iterdir())
    assert record["files"] == yaml.safe_load((whole / "run.yaml").read_text())["files"]


def test_joined_again_it_is_the_same_and_no_part_is_tracked_again(long_video):
    video, parts = long_video
    folder = video.join(parts, nobody).folder
    before = {name: (folder / name).read_bytes() for name in TABLES}
    for part in parts:
        assert video.track(part, nobody).finished_before
    assert {name: (video.join(parts, nobody).folder / name).read_bytes() for name in TABLES} == before
    assert video.cut(PART_S) == [], "it is done"


@pytest.fixture(scope="module")
def last_frames(clip):
    """A short part."""
    (mark,) = SourceIndex.of(clip).bookmarks(np.array([44]))
    return VideoPart(2, first=47, last=50, end=50, begin=mark)


def test_a_part_that_was_interrupted_is_tracked_again(long_video, last_frames, tmp_path):
    def ends(at):
        if at.frames == 3:
            raise KeyboardInterrupt

    one, two = (replace(long_video[0], parts=tmp_path / name) for name in ("one", "two"))
    assert one.track(last_frames, ends).interrupted
    assert one.track(last_frames, nobody).frames == two.track(last_frames, nobody).frames == 6
    for name in ("told", "rows", "carried"):
        assert (tmp_path / "one/0002" / name).read_bytes() == (tmp_path / "two/0002" / name).read_bytes()
    assert one.track(last_frames, nobody).finished_before
    other = replace(one, tracker=Tracker(one.tracker.config.override({"detector": {"conf": 0.5}})))
    assert not other.track(last_frames, nobody).finished_before


def test_one_that_another_process_tracks_is_left_alone(long_video, last_frames, tmp_path):
    video, folder = replace(long_video[0], parts=tmp_path), tmp_path / "0002"
    folder.mkdir()
    with locked(folder / "lock"), pytest.raises(ResumeError, match="is tracked by another process"):
        video.track(last_frames, nobody)


def test_one_that_ends_before_its_container_says_so_has_no_parts(long_video, last_frames, tmp_path):
    with pytest.raises(SourceError, match="6 of 9 frames in part 2"):
        replace(long_video[0], parts=tmp_path).track(replace(last_frames, end=53), nobody)


@pytest.mark.slow
def test_what_is_post_processed_and_drawn_is_that_of_the_whole(tracker, clip, long_video, tmp_path):
    output = Output(tmp_path, "parts", exist_ok=True, crops=True, offline=True)
    video = replace(long_video[0], output=output, parts=tmp_path / ".parts", zones=Zones())
    parts = video.cut(PART_S)
    for part in parts:
        video.track(part, nobody)
    result = video.join(parts, nobody)
    (one,) = run([clip], tracker, replace(output, name="whole"))
    folders = result.folder, one.folder
    ours, theirs = ([(row["frame"], row["id"]) for row in rows(folder)] for folder in folders)
    assert ours == theirs and np.abs(boxes(result.folder) - boxes(one.folder)).max() < 4
    ours, theirs = (sorted(str(p.relative_to(folder)) for p in folder.rglob("*")) for folder in folders)
    assert ours == theirs and {"video.mp4", "crops/1.jpg"} <= set(ours)


def test_a_short_one_is_not_cut(long_video):
    assert long_video[0].cut(25.0) == []


def test_its_parts_are_removed_and_nothing_else(tmp_path):
    mine = tmp_path / ".parts" / "door" / "0001" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    for name in ("told", "run.yaml"):
        (mine.parent / name).write_text("")
    remove_parts(tmp_path / ".parts" / "door")
    assert list(mine.parent.iterdir()) == [mine]
    mine.unlink()
    remove_parts(tmp_path / ".parts" / "door")
    assert not list(tmp_path.iterdir())
