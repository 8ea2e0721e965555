"""What a run adds to a gallery: embeddings of its tracks and when they were there, also offline and resumed."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.clips import pan
from tracker.columns.embeddings import TakenEmbeddings
from tracker.config import Config
from tracker.errors import OutputError, UsageError
from tracker.jobs.batch.storage import gallery_at
from tracker.jobs.identities import collector as module
from tracker.jobs.identities.collector import EmbeddingCollector
from tracker.jobs.identities.finding import find_identities
from tracker.jobs.resume import saving
from tracker.jobs.run import Output, run
from tracker.structures import Status, Tracks
from tracker.system.snapshots.packing import packed, unpacked
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """Two videos of the same two people."""
    folder = tmp_path_factory.mktemp("clips")
    return [pan(folder / "door.mp4", 12), pan(folder / "yard.mp4", 18)]


@pytest.fixture(scope="module")
def filled(tracker, clips, tmp_path_factory):
    """A folder with a gallery of both, and their runs."""
    folder = tmp_path_factory.mktemp("filled")
    run(clips, tracker, Output(folder / "runs", video=False), gallery=gallery_at(str(folder / "gallery")))
    find_identities(gallery_at(str(folder / "gallery")))
    return folder


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def embeddings(folder):
    return {path.name: path.read_bytes() for path in (folder / "videos").iterdir()}


def test_two_videos_of_the_same_people_have_the_same_identities(filled, clips):
    table = rows(filled / "gallery" / "identities.csv")
    found = [(int(row["identity"]), row["video"]) for row in table]
    assert found == [(1, "door"), (1, "yard"), (2, "door"), (2, "yard")]
    assert all(float(row["similarity"]) > 0.9 and float(row["confidence"]) > 0.9 for row in table)
    assert {row["source"] for row in table} == {str(clip) for clip in clips}
    for name in ("door", "yard"):
        summary = {row["id"]: row for row in rows(filled / "runs" / name / "summary.csv")}
        for row in table:
            if row["video"] == name:
                assert all(row[key] == summary[row["id"]][key] for key in ("name", "first_s", "last_s"))


def test_results_of_a_run_are_what_they_are_without(filled, tracker, clips, tmp_path):
    run(clips[:1], tracker, Output(tmp_path, video=False))
    for name in ("tracks.txt", "tracks.csv", "summary.csv"):
        assert (tmp_path / "door" / name).read_bytes() == (filled / "runs" / "door" / name).read_bytes()


@pytest.mark.parametrize("offline", [False, True])
def test_an_interrupted_run_adds_nothing_and_a_resumed_one_what_a_whole_one_adds(
    offline, tracker, clips, tmp_path, monkeypatch
):
    monkeypatch.setattr(saving, "EVERY_S", 0.0)
    output = Output(tmp_path / "runs", video=False, offline=offline, exist_ok=True)

    def interrupted(at):
        if at.frames == 13:
            raise KeyboardInterrupt

    gallery = gallery_at(str(tmp_path / "gallery"))
    (ended,) = run(clips[1:], tracker, output, gallery=gallery, progress=interrupted)
    assert ended.interrupted and not (tmp_path / "gallery").exists()
    resumed = Output(tmp_path / "runs", video=False, offline=offline, exist_ok=True, resume=True)
    run(clips[1:], tracker, resumed, gallery=gallery)
    whole = gallery_at(str(tmp_path / "whole"))
    run(clips[1:], tracker, Output(tmp_path / "runs2", video=False, offline=offline), gallery=whole)
    assert embeddings(tmp_path / "gallery") == embeddings(tmp_path / "whole")
    (video,) = whole.videos()
    assert video.ids.tolist() == [int(row["id"]) for row in rows(tmp_path / "runs2" / "yard" / "summary.csv")]
    assert np.bincount(video.track).min() >= 2


def test_without_embeddings_there_is_nothing_to_add(clips, tmp_path):
    config = CONFIG.override({"appearance": {"enabled": False}})
    with pytest.raises(UsageError, match="leave out --no-reid, or --gallery"):
        run(clips[:1], config, Output(tmp_path), gallery=gallery_at(str(tmp_path / "gallery")))


def frame(collector, time_s, ids, looks=None):
    """A frame in which these tracks are reported, and these of them were looked at."""
    count, looks = len(ids), looks or []
    embedded = TakenEmbeddings(np.arange(len(looks)), np.eye(512, dtype=np.float32)[[seen for _, seen in looks]])
    index = np.full(count, -1)
    for row, (track, _) in enumerate(looks):
        index[ids.index(track)] = row
    boxes = np.array([[100 * track, 0, 100 * track + 50, 128] for track in ids], np.float32).reshape(-1, 4)
    confirmed, classes = np.full(count, int(Status.CONFIRMED)), np.zeros(count, np.int64)
    scores = np.full(count, 0.8, np.float32)
    state = confirmed, index, time_s, 0.1, {0: "person"}
    tracks = Tracks(np.array(ids, np.int64), boxes, scores, classes, classes, *state, embedded=embedded)
    collector.write(SimpleNamespace(time_s=time_s), tracks)


def collected(collector):
    return collector.collected("source.mp4", "video", Tracker())


def test_of_a_track_it_is_known_when_it_was_there_and_a_few_looks_that_differ():
    collector = EmbeddingCollector()
    for step in range(40):
        time_s = step / 10
        ids = [1] if step < 10 else [1, 2] if step < 15 else [2] if step < 30 else [1, 2]
        frame(collector, time_s, ids, [(ids[0], step)])
    video = collected(collector)
    assert video.ids.tolist() == [1, 2]
    assert video.stays == pytest.approx(np.array([[0, 0, 1.4], [0, 3.0, 3.9], [1, 1.0, 3.9]]))
    assert (video.first_s.tolist(), video.last_s.tolist()) == ([0, 1], [3.9, 3.9])
    assert video.frames.tolist() == [25, 30]
    assert np.bincount(video.track).tolist() == [module.EMBEDDINGS] * 2
    assert video.scores == pytest.approx(0.8, abs=1e-6)
    assert video.embeddings.astype(float).sum(axis=1) == pytest.approx(1), "unit vectors, each of one look"


def test_a_track_nobody_looked_at_is_not_in_it():
    collector = EmbeddingCollector()
    frame(collector, 0.0, [1, 2], [(2, 5)])
    assert collected(collector).ids.tolist() == [2]


def test_nothing_at_all_is_a_video_of_no_tracks(tmp_path):
    video = collected(EmbeddingCollector())
    assert len(video) == len(video.stays) == 0
    archive = gallery_at(str(tmp_path))
    archive.add(video)
    assert find_identities(archive).tracks == 0


def test_of_more_tracks_than_there_is_room_for_those_seen_last_are_kept(monkeypatch):
    monkeypatch.setattr(module, "TRACKS", 8)
    collector = EmbeddingCollector()
    for track in range(1, 31):
        frame(collector, track / 10, [track], [(track, track)])
    assert collected(collector).ids.tolist() == list(range(23, 31))


def test_a_state_goes_on_as_it_was():
    one, other = EmbeddingCollector(), EmbeddingCollector()
    for step in range(6):
        frame(one, 3 * step / 10, [1, 2] if step != 3 else [2], [(2, step)])
    other.take_over(unpacked(packed(one.snapshot()), ()))
    for collector in (one, other):
        frame(collector, 5.0, [1, 2, 3], [(1, 9), (3, 10)])
    assert collected(one).to_bytes() == collected(other).to_bytes()


@pytest.mark.parametrize(
    ("spoilt", "said"),
    [("videos", "cannot write .*a file stands where a folder"), ("identities.csv", "is another table; choose another")],
)
def test_a_gallery_that_takes_nothing_is_said_before_anything_is_tracked(spoilt, said, tracker, clips, tmp_path):
    (tmp_path / "gallery").mkdir()
    (tmp_path / "gallery" / spoilt).write_text("mine")
    with pytest.raises(OutputError, match=said):
        run(clips[:1], tracker, Output(tmp_path / "runs", video=False), gallery=gallery_at(str(tmp_path / "gallery")))
    assert not (tmp_path / "runs").exists()
    assert (tmp_path / "gallery" / spoilt).read_text() == "mine"
