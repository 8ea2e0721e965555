"""Offline post-processing of finished tracks: what is joined, filled and smoothed, and what never happens."""

import signal
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.clips import pan
from helpers.forked import ForkedTrack
from helpers.track_tables import RATE, make_table, walk
from helpers.walkers import LENGTH, make_detected
from tracker import Config, Detections, Status, Tracker, Tracks
from tracker.datasets.mot import MotSequence, results
from tracker.errors import UsageError
from tracker.jobs.sequences import track_sequence
from tracker.motion.load import load_predictor
from tracker.smoothing.doubles import merged
from tracker.smoothing.linking import linked, pairs
from tracker.smoothing.offline import Recorder, post_processed, settled, voted
from tracker.smoothing.track_table import TrackTable, filled, smoothed

CONFIG = Config().override({"motion": {"model": "kalman"}})
ALL = CONFIG.override({"offline": {"double_s": 0, "least_s": 0}})  # no row is left out


def centres(table):
    return (table.xyxy[:, :2] + table.xyxy[:, 2:]) / 2


def columns(table):
    return vars(table)


def assert_same(a, b):
    for name, value in columns(a).items():
        np.testing.assert_array_equal(value, columns(b)[name], err_msg=name)


def test_a_name_that_was_given_up_may_be_somebody_elses_later() -> None:
    """With a shared gallery: 5 turns out to be 1; then 9 turns out to be 5, which another camera has gone on with."""
    table = recorded([({1: 0}, {}), ({5: 0}, {}), ({1: 0}, {5: 1}), ({1: 0, 9: 1}, {}), ({1: 0, 5: 1}, {9: 5})])
    assert [table.frames[table.ids == i].tolist() for i in (1, 5)] == [[0, 1, 2, 3, 4], [3, 4]]


def test_who_gets_its_id_back_from_a_track_that_had_slid_to_another_is_once_in_a_frame() -> None:
    """The track of 1 slides to another object, which is 8 from then on; 1 itself went by 5 meanwhile."""
    frames = [({1: 0}, {}), ({1: 2, 5: 0}, {}), ({5: 0, 8: 2}, {}), ({1: 0, 8: 2}, {5: 1})]
    table = recorded(frames)
    assert table.frames[table.ids == 1].tolist() == [0, 1, 2, 3]
    assert table.xyxy[table.ids == 1, 0].tolist() == [0, 0, 0, 0]
    assert table.frames[table.ids == 8].tolist() == [2, 3]


def recorded(frames):
    """The table of frames, of each: place by id, and what was renamed."""
    recorder = Recorder()
    for i, (places, renamed) in enumerate(frames):
        ids, n = np.array(list(places)), len(places)
        found = Detections([[100 * k, 0, 100 * k + 40, 90] for k in places.values()])
        tracks = Tracks(
            ids, found.xyxy, found.scores, found.classes, found.classes, np.full(n, 1), np.arange(n), i / 25, 0.04
        )
        recorder.add(replace(tracks, renamed=renamed), found, np.eye(2, 3), None)
    return recorder.table()


people = st.lists(
    st.lists(st.tuples(st.integers(0, 120), st.integers(3, 40)), min_size=1, max_size=3), min_size=2, max_size=4
)


@settings(max_examples=10)
@given(people, st.integers(1, 20))
def test_post_processing_never_joins_two_of_one_frame_nor_loses_a_row(spans: list, every: int) -> None:
    """Objects that all look alike come and go in places of their own."""
    tracker, recorder, rng = Tracker(CONFIG), Recorder(), np.random.default_rng(0)
    rows, confirmed = [], set()
    for i in range(160):
        here = [k for k, times in enumerate(spans) if any(0 <= i - first < length for first, length in times)]
        embeddings = np.eye(1, 512)[[0] * len(here)] + rng.normal(0, 0.005, (len(here), 512))
        embeddings[[(i + 7 * k) % every != 0 for k in here]] = np.nan
        boxes = [[40 + i, 150 * k, 80 + i, 150 * k + 100] for k in here]
        found = Detections(boxes, features=embeddings if here else None)
        tracks = tracker.update(None, found, time_s=i / 30)
        recorder.add(tracks, found, tracker.camera_motion, found.features)
        confirmed |= set(tracks.confirmed.ids.tolist())
        rows += [(i, here[index]) for index in tracks.detection_index[tracks.detection_index >= 0]]
    table = recorder.table()
    out = post_processed(table, ALL)
    place = out.ids * 1000 + out.frames
    assert len(np.unique(place)) == len(place)
    seen = out[out.raw_classes >= 0]
    assert len(seen) == len(table) <= len(rows)
    assert len(np.unique(table.ids * 1000 + table.frames)) == len(table)
    assert set(table.ids.tolist()) <= confirmed


def test_a_walker_who_is_lost_for_a_moment_is_one_track_again() -> None:
    table = make_table(walk(1, range(30)) + walk(7, range(40, 80)))
    out = post_processed(table, CONFIG)
    assert set(out.ids) == {1}
    assert out.frames.tolist() == list(range(80))
    assert (out.status[30:40] == Status.PREDICTED).all() and (out.raw_classes[30:40] == -1).all()
    assert (np.delete(out.status, range(30, 40)) == Status.CONFIRMED).all()
    np.testing.assert_allclose(centres(out)[:, 0], 100 + 3 * np.arange(80), atol=0.5)


def test_who_appears_elsewhere_or_goes_another_way_stays_another() -> None:
    far = make_table(walk(1, range(30)) + walk(2, range(32, 60), start=900))
    assert set(post_processed(far, CONFIG).ids) == {1, 2}
    late = make_table(walk(1, range(30)) + walk(2, range(95, 130)), frames=130)
    assert set(post_processed(late, CONFIG).ids) == {1, 2}


def test_of_two_who_cross_unseen_each_goes_on_in_its_direction() -> None:
    right, left = {"start": 100.0, "speed": 4.0}, {"start": 300.0, "speed": -4.0}
    table = make_table(
        walk(1, range(22), **right) + walk(2, range(22), **left) + walk(3, range(28, 50), **left)
        + walk(4, range(28, 50), **right)
    )  # fmt: skip
    out = post_processed(table, CONFIG)
    for i, way in ((1, right), (2, left)):
        own = out[out.ids == i]
        np.testing.assert_allclose(centres(own)[:, 0], way["start"] + way["speed"] * own.frames, atol=2)
        assert own.frames.tolist() == list(range(50))


def test_a_pan_of_the_camera_does_not_hide_that_somebody_stood_still() -> None:
    pan = np.tile(np.eye(2, 3), (60, 1, 1))
    pan[1:, 0, 2] = 6.0
    rows = [(f, 1 if f < 25 else 2, 100 + 6.0 * f, 200) for f in range(60) if not 25 <= f < 35]
    out = post_processed(make_table(rows, 60, pan), CONFIG)
    assert set(out.ids) == {1}
    np.testing.assert_allclose(centres(out)[:, 0], 100 + 6.0 * np.arange(60), atol=0.5)


def test_another_appearance_or_class_speaks_against_and_a_like_one_for_a_link() -> None:
    def same(gap, classes=None, embeddings=None):
        table = make_table(
            walk(1, range(30)) + walk(2, range(30 + gap, 110)), 110, classes=classes, embeddings=embeddings
        )
        return len(set(post_processed(table, CONFIG).ids)) == 1

    one, other = np.zeros(512), np.zeros(512)
    one[0] = other[1] = 1
    assert same(8) and not same(8, embeddings={1: one, 2: other})
    assert not same(8, classes=np.repeat([0, 5], [30, 72]))
    assert not same(60) and same(60, embeddings={1: one, 2: one})


def test_the_class_of_a_track_is_voted_by_all_its_rows() -> None:
    table = make_table(walk(1, range(5)) + walk(2, range(3)), classes=[3, 3, 7, 7, 7, 4, 4, 2])
    assert voted(table).classes.tolist() == [7] * 5 + [4] * 3


def test_filling_goes_straight_on_the_ground_and_no_further_than_the_limit() -> None:
    table = make_table([(0, 1, 0, 0), (4, 1, 40, 20), (40, 1, 50, 20)])
    out = filled(table, 1.0)
    assert out.frames.tolist() == [0, 1, 2, 3, 4, 40]
    np.testing.assert_allclose(centres(out)[:5], [[10 * k, 5 * k] for k in range(5)], atol=1e-4)
    zoom = np.tile(np.eye(2, 3), (5, 1, 1))
    zoom[1:, :, :2] *= 2.0
    rows = make_table([(0, 1, 100, 100)], 5, zoom)
    grown = replace(rows, frames=rows.frames + 4, xyxy=rows.xyxy * 16)
    pair = replace(
        rows,
        **{c: np.concatenate([getattr(rows, c), getattr(grown, c)]) for c in
           ("frames", "ids", "xyxy", "scores", "classes", "raw_classes", "status", "detection_index")},
    )  # fmt: skip
    np.testing.assert_allclose(filled(pair, 1.0).xyxy, rows.xyxy * 2.0 ** np.arange(5)[:, None], rtol=1e-5)


def test_filling_between_looks_takes_memory_by_the_rows_not_by_the_tracks_times_the_frames() -> None:
    tracks, frames = 200, 20_000
    looked = np.arange(frames) % 5 == 0
    first = np.arange(tracks) * 90 + 10
    seen = np.stack([first, first + 5], axis=1).ravel()
    boxes = np.tile(np.array([10, 10, 50, 90], np.float32), (2 * tracks, 1))
    zeros = np.zeros(2 * tracks, np.int64)
    table = replace(
        TrackTable.empty(),
        frames=seen,
        ids=np.repeat(np.arange(1, tracks + 1), 2),
        xyxy=boxes,
        scores=np.ones(2 * tracks, np.float32),
        classes=zeros,
        raw_classes=zeros,
        status=zeros + 1,
        detection_index=zeros,
        times_s=np.arange(frames) / RATE,
        camera=np.tile(np.eye(2, 3), (frames, 1, 1)),
        looked=looked,
        cuts=np.zeros(frames, bool),
    )
    tracemalloc.start()
    out = filled(table, 1.0)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.frames[out.ids == 1].tolist() == list(range(8, 18)) and len(out) == 10 * tracks
    assert most < tracks * frames  # bytes; a number for each would be eight times as much


def test_boxes_settle_nearer_to_the_way_whichever_way_time_runs() -> None:
    """A walker whose boxes jitter, generated."""
    way = make_table(walk(1, range(100)))
    jittered = way.xyxy + np.random.default_rng(0).normal(0, [2, 4, 2, 4], way.xyxy.shape).astype(np.float32)
    table = replace(way, xyxy=jittered)
    out, _ = settled(table, load_predictor())
    assert (np.abs(out.xyxy - way.xyxy).mean(axis=0) < 0.9 * np.abs(jittered - way.xyxy).mean(axis=0)).all()
    mirrored = make_table([(99 - f, i, x, y) for f, i, x, y in walk(1, range(100))])
    back, _ = settled(replace(mirrored, xyxy=jittered[::-1]), load_predictor())
    np.testing.assert_allclose(back.xyxy[::-1], out.xyxy, atol=1.0)


def test_smoothing_takes_the_jitter_and_leaves_the_way() -> None:
    rng = np.random.default_rng(0)
    clean = make_table(walk(1, range(60), speed=5))
    noisy = replace(clean, xyxy=clean.xyxy + rng.normal(0, 2, clean.xyxy.shape).astype(np.float32))
    error = [np.abs(centres(t) - centres(clean)).mean() for t in (noisy, smoothed(noisy, 0.15))]
    assert error[1] < 0.6 * error[0]
    np.testing.assert_allclose(centres(smoothed(clean, 0.15)), centres(clean), atol=1e-3)  # up to both ends


def test_nothing_to_see_gives_nothing() -> None:
    empty = make_table([])
    assert len(post_processed(empty, CONFIG)) == 0
    assert len(Recorder().table()) == 0
    assert len(smoothed(filled(empty, 1.0), 0.1)) == 0 and len(voted(empty)) == 0
    found = pairs(empty, load_predictor(), 1.0)
    assert len(linked(empty, found, np.zeros(0), 0.0)) == 0


def test_tracks_of_a_single_frame_stay_as_they_are() -> None:
    table = make_table([(3, 1, 50, 50), (3, 2, 400, 90), (90, 5, 800, 90)])
    assert_same(post_processed(table, ALL), table)


@st.composite
def tables(draw):
    """Broken tracks of several walkers, in a moving picture, with whatever gaps."""
    seed = draw(st.integers(0, 10_000))
    rng = np.random.default_rng(seed)
    rows, i = [], 0
    for _ in range(draw(st.integers(1, 5))):
        cuts = np.unique(rng.integers(0, 60, 6))
        x, y, vx, vy = rng.normal(0, [200, 100, 4, 2])
        for begin, end in zip(cuts[:-1:2], cuts[1::2], strict=False):
            i += 1
            frames = [f for f in range(begin, end) if f == begin or rng.random() < 0.8]
            rows += [(f, i, x + vx * f + rng.normal(), y + vy * f) for f in frames]
    camera = np.tile(np.eye(2, 3), (60, 1, 1))
    camera[1:, :, 2] = rng.normal(0, 2, (59, 2))
    return make_table(rows, 60, camera)


@settings(max_examples=25)
@given(tables())
def test_laws(table: TrackTable) -> None:
    before = np.array(table.xyxy)
    out = post_processed(table, ALL)
    np.testing.assert_array_equal(table.xyxy, before)  # the input is not touched
    assert len(np.unique(np.stack([out.ids, out.frames]), axis=1).T) == len(out)  # one box of an id in a frame
    assert set(out.ids) <= set(table.ids)
    seen = out[out.status == Status.CONFIRMED]
    assert sorted(seen.frames) == sorted(table.frames)  # every sighting is kept, once
    for i in np.unique(out.ids):
        own = out[out.ids == i]
        assert own.status[0] == own.status[-1] == Status.CONFIRMED  # filled between, never beyond
    assert (np.diff(out.frames) >= 0).all()
    assert (out.xyxy[:, 2:] > out.xyxy[:, :2]).all() and np.isfinite(out.xyxy).all()
    assert_same(post_processed(table, ALL), out)  # the same again
    sighted = seen[np.lexsort((seen.frames, seen.ids))]
    unsmoothed = ALL.override({"offline": {"smooth_s": 0.0, "fill_s": 0.0}})
    once = post_processed(table, unsmoothed)
    again = once[np.lexsort((once.frames, once.ids))]
    assert_same(post_processed(again, unsmoothed), once)  # nothing is left to join
    assert len(sighted) == len(once)


def test_the_recorder_keeps_confirmed_tracks_with_the_boxes_that_were_detected() -> None:
    tracker = Tracker(CONFIG)
    recorder = Recorder()
    rng = np.random.default_rng(1)
    given_boxes = []
    for frame in range(20):
        x = 100 + 3 * frame + rng.normal(0, 2)
        boxes = [[x, 50, x + 40, 130]] + ([[500, 50, 540, 130]] if frame == 10 else [])
        found = Detections(boxes, [0.9, 0.5][: len(boxes)])
        given_boxes.append(boxes[0])
        tracks = tracker.update(None, found, time_s=frame / RATE)
        recorder.add(tracks, found, tracker.camera_motion, tracker.features)
    table = recorder.table()
    assert set(table.ids) == {1}  # what was seen in one frame only was never confirmed
    assert table.frames.tolist() == list(range(20))  # and the first frames of what was are there
    np.testing.assert_allclose(table.xyxy, given_boxes, rtol=1e-6)
    at = post_processed(table, CONFIG).at(5, {0: "person"})
    assert at.ids.tolist() == [1] and at.time_s == pytest.approx(5 / RATE) and at.names == {0: "person"}


def test_a_sequence_is_written_with_its_gaps_filled(tmp_path: Path) -> None:
    make_detected(tmp_path, "A", missed=range(9, 12))
    sequence = MotSequence.read(tmp_path / "A")
    track_sequence(Tracker(CONFIG), sequence, tmp_path / "A.txt", offline=True)
    table = results(tmp_path / "A.txt")
    assert [(table[:, 0] == f).sum() for f in range(1, LENGTH + 1)] == [2] * LENGTH
    np.testing.assert_allclose(np.sort(table[table[:, 0] == 10][:, 2]), [120, 220], atol=0.5)


def test_video_and_files_of_an_offline_run_tell_the_same(tmp_path: Path) -> None:
    import cv2
    from ultralytics.utils import ASSETS

    from tracker.jobs.run import Output, run

    photo = cv2.resize(cv2.imread(str(ASSETS / "bus.jpg")), (240, 320))
    clip = tmp_path / "clip.mp4"
    video = cv2.VideoWriter(str(clip), cv2.VideoWriter_fourcc(*"mp4v"), 10, (240, 320))
    for frame in range(8):
        video.write(np.roll(photo, 2 * frame, axis=1))
    video.release()
    config = CONFIG.override({"detector": {"imgsz": 320}, "appearance": {"enabled": False}})
    (result,) = run([clip], config, Output(tmp_path / "runs", offline=True), device="cpu")
    assert result.error is None and result.frames == 8 and result.tracks > 0
    assert result.folder is not None
    text, csv, summary = ((result.folder / f"{name}").read_text().splitlines() for name in
                          ("tracks.txt", "tracks.csv", "summary.csv"))  # fmt: skip
    ids = {line.split(",")[1] for line in text}
    assert len(ids) == result.tracks == len(summary) - 1
    assert ids == {line.split(",")[2] for line in csv[1:]}
    for i in ids:  # no gap is left
        frames = [int(line.split(",")[0]) for line in text if line.split(",")[1] == i]
        assert frames == list(range(frames[0], frames[-1] + 1))
    reader = cv2.VideoCapture(str(result.folder / "video.mp4"))
    assert sum(1 for _ in iter(lambda: reader.read()[0], False)) == 8


@pytest.mark.parametrize("blow", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGKILL])
def test_post_processing_that_is_cut_short_leaves_the_online_result(tmp_path: Path, blow: signal.Signals) -> None:
    clip = pan(tmp_path / "clip.mp4", frames=120)
    words = ["--offline", "--no-reid", "--imgsz", "320", "--quiet"]
    process = ForkedTrack(clip, *words, "--project", tmp_path / "runs")
    folder = tmp_path / "runs" / "clip"
    while not list(folder.glob("unfinished/offline/tracks.txt")):
        assert process.poll() is None, "it ended before the post-processing"
        time.sleep(0.002)
    process.send_signal(blow)
    assert process.wait(120) == (130 if blow == signal.SIGINT else -blow)
    frames = {int(line.split(",")[0]) for line in (folder / "tracks.txt").read_text().splitlines()}
    assert max(frames) == 120
    assert (folder / "summary.csv").read_text().count("\n") > 1
    if blow == signal.SIGINT:
        names = ["run.yaml", "summary.csv", "tracks.csv", "tracks.txt", "unfinished"]
        assert sorted(path.name for path in folder.iterdir()) == names


def test_forecasts_are_not_for_finished_videos(tmp_path: Path) -> None:
    from tracker.jobs.run import Output, run

    with pytest.raises(UsageError, match="leave out --forecast or --offline"):
        run(["clip.mp4"], CONFIG, Output(tmp_path, offline=True, forecast_s=1.0))


def test_a_track_that_is_a_second_box_of_another_is_left_out() -> None:
    """Of 40 x 80: 8 pixels aside two boxes have two thirds in common."""
    table = make_table(walk(1, range(60)) + walk(4, range(20, 34), start=108))
    assert set(post_processed(table, CONFIG).ids) == {1}


def test_a_second_box_that_stays_is_the_object() -> None:
    table = make_table(walk(1, range(40)) + walk(4, range(30, 80), start=108))
    out = merged(table, CONFIG.offline)
    assert out.ids.tolist() == [1] * 80 and out.frames.tolist() == list(range(80))
    assert centres(out)[[29, 30], 0].tolist() == [100 + 3 * 29, 108 + 3 * 30]


@pytest.mark.parametrize(
    "other",
    [
        walk(4, range(20, 60), start=108),
        walk(4, range(20, 24), start=108) + walk(4, range(24, 40), start=180),
        walk(4, range(20, 26), start=180) + walk(4, range(26, 34), start=108),
        walk(4, range(20, 34), start=125),
    ],
    ids=["for long", "then apart", "apart before", "hardly overlapping"],
)
def test_two_who_overlap_are_two(other: list) -> None:
    table = make_table(walk(1, range(70)) + other)
    assert set(merged(table, CONFIG.offline).ids) == {1, 4}
    classes = np.where(np.arange(70 + 14) < 70, 0, 2)
    assert set(
        merged(make_table(walk(1, range(70)) + walk(4, range(20, 34)), classes=classes), CONFIG.offline).ids
    ) == {
        1,
        4,
    }


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 40), st.integers(0, 60)), max_size=8))
def test_merging_doubles_gives_no_id_two_boxes_of_a_frame(spans: list) -> None:
    rows = [row for i, (first, length, x) in enumerate(spans) for row in walk(i + 1, range(first, first + length), x)]
    table = make_table(rows)
    out = merged(table, CONFIG.offline)
    place = out.ids * 1000 + out.frames
    assert (np.diff(place) > 0).all() and set(out.ids) <= set(table.ids)
    assert {*out.frames.tolist()} == {*table.frames.tolist()}, "where something was, something is"


@pytest.mark.parametrize(("frames", "stays"), [([30, 31, 32], False), ([30, 31, 32, 33], True), ([30, 40], True)])
def test_tracks_of_a_moment_are_left_out(frames: list, stays: bool) -> None:
    table = make_table(walk(1, range(60)) + walk(2, frames, y=600.0))
    assert set(post_processed(table, CONFIG.override({"offline": {"least_s": 0.1}})).ids) == ({1, 2} if stays else {1})


def test_tracks_that_the_videos_ends_cut_stay() -> None:
    table = make_table(walk(1, range(2)) + walk(2, [98, 99], y=600.0) + walk(3, [50, 51], y=900.0))
    assert set(post_processed(table, CONFIG).ids) == {1, 2}
    assert not len(post_processed(make_table(walk(3, [50, 51])), CONFIG))
