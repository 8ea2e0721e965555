"""Behind a cut no track goes on; behind a jerk of the camera, a gap, or a frame that shows nothing, all may."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from tracker import Config, Detections, Tracker, Tracks
from tracker.boxes import iou
from tracker.motion.adaptation.scene_cuts import SceneCuts
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.offline import Recorder, post_processed
from tracker.structures import Floats

FPS, PEOPLE, SHOT = 25, 8, 60


def scene(seed: int, people: int = PEOPLE) -> Floats:
    """Boxes (N, 4) of people who stand about."""
    rng = np.random.default_rng(seed)
    feet = np.stack([np.linspace(100, 1700, people), rng.uniform(300, 900, people)], axis=1)
    size = rng.uniform(150, 260, people)[:, None] * [0.4, 1.0]
    return np.concatenate([feet - size, feet], axis=1).astype(np.float32)


def view(seed: int, people: int = PEOPLE) -> Floats:
    """The same of another camera: others, wherever they stand."""
    rng = np.random.default_rng(seed + 1000)
    feet = rng.uniform([150, 300], [1800, 1000], (people, 2))
    size = rng.uniform(100, 300, people)[:, None] * [0.4, 1.0]
    return np.concatenate([feet - size, feet], axis=1).astype(np.float32)


def shots(*scenes: Floats, length: int = SHOT) -> Iterator[Floats]:
    """Frame after frame of scenes in which all walk a little."""
    rng = np.random.default_rng(5)
    for boxes in scenes:
        for n in range(length):
            yield boxes + n * np.array([1, 0, 1, 0]) + rng.normal(0, 0.5, boxes.shape)


def tracked(frames: Iterator[Floats], tracker: Tracker | None = None, start: int = 0) -> list[Tracks]:
    tracker = tracker or Tracker()
    return [
        tracker.update(None, Detections(boxes, np.full(len(boxes), 0.9)), None, number / FPS)
        for number, boxes in enumerate(frames, start)
    ]


def used(holds: float, looks: int = 100) -> SceneCuts:
    """After so many looks at which forecasts held so well."""
    cuts = SceneCuts()
    for n in range(looks):
        assert not cuts.behind(PEOPLE * holds, PEOPLE, PEOPLE, n / FPS)
    return cuts


def test_behind_a_cut_all_tracks_are_new_and_the_frame_says_so():
    seen = tracked(shots(scene(1), view(1)))
    assert [t.cut for t in seen] == [n == SHOT for n in range(2 * SHOT)]
    before, after = seen[SHOT - 1].ids, seen[-1].ids
    assert len(before) == len(after) == PEOPLE and not np.isin(after, before).any()


def test_a_camera_that_jerks_is_no_cut_and_all_keep_their_ids():
    seen = tracked(shots(scene(1), scene(1) + np.float32([190, 170, 190, 170])))
    assert not any(t.cut for t in seen)
    assert seen[-1].ids.tolist() == seen[SHOT - 1].ids.tolist()


@pytest.mark.parametrize("few", [1, 3])
def test_of_few_nothing_is_told(few):
    seen = tracked(shots(scene(1, few), view(1, few)))
    assert not any(t.cut for t in seen)


def test_frames_that_show_nothing_before_the_cut_hide_it_no_more_than_a_moment():
    blank = np.zeros((0, 4), np.float32)
    seen = tracked(iter([*shots(scene(1)), blank, blank, *shots(view(1))]))
    assert [n for n, t in enumerate(seen) if t.cut] == [SHOT + 2]


def test_a_detector_that_fails_for_some_frames_is_no_cut():
    frames = list(shots(scene(1), length=2 * SHOT))
    frames[SHOT : SHOT + 4] = [boxes[:3] for boxes in frames[SHOT : SHOT + 4]]
    seen = tracked(iter(frames))
    assert not any(t.cut for t in seen) and seen[-1].ids.tolist() == seen[SHOT - 1].ids.tolist()


def test_behind_a_gap_of_the_stream_nothing_is_told():
    tracker = Tracker()
    tracked(shots(scene(1)), tracker)
    assert not tracked(shots(view(1), length=1), tracker, start=SHOT + 30)[0].cut


def test_where_forecasts_often_fail_none_is_seen():
    assert used(0.9).behind(0.0, PEOPLE, PEOPLE, 100 / FPS)
    assert not used(0.45).behind(0.0, PEOPLE, PEOPLE, 100 / FPS)


def test_offline_no_track_is_joined_filled_or_smoothed_across_a_cut():
    tracker, recorder = Tracker(), Recorder()
    frames = list(shots(scene(1), view(1)))
    for boxes, tracks in zip(frames, tracked(iter(frames), tracker), strict=True):
        recorder.add(tracks, Detections(boxes, np.full(len(boxes), 0.9)), np.eye(2, 3), None)
    table = post_processed(recorder.table(), Config())
    assert not np.intersect1d(table.ids[table.frames < SHOT], table.ids[table.frames >= SHOT]).size


def test_who_is_recognised_behind_a_cut_is_neither_filled_nor_smoothed_across_it():
    """Someone seen again a moment behind the cut, elsewhere: no box lies between the two places."""
    frames = list(shots(scene(1), view(1)))
    seen = tracked(iter(frames))
    known = seen[SHOT - 1].ids[0]
    later = range(SHOT + 3, 2 * SHOT)
    for n in range(SHOT, 2 * SHOT):
        row = np.flatnonzero(seen[n].ids == seen[-1].ids[-1])
        if n in later:
            ids = seen[n].ids.copy()
            ids[row] = known
            seen[n] = replace(seen[n], ids=ids)[np.argsort(ids)]
        else:
            seen[n] = seen[n][np.delete(np.arange(len(seen[n])), row)]
    smoother: FixedLagSmoother[int] = FixedLagSmoother(0.5, Config().offline)
    settled = [out for n, tracks in enumerate(seen) for out in smoother.push(n, tracks, np.eye(2, 3))]
    settled += smoother.flush()
    for n, tracks in settled:
        own = tracks.xyxy[tracks.ids == known]
        if SHOT <= n < SHOT + 3:
            assert not len(own)
        elif len(own):
            assert iou(own, frames[n]).max() > 0.9


def test_what_is_known_of_the_stream_survives_a_save(tmp_path):
    tracker = Tracker()
    tracked(shots(scene(1)), tracker)
    tracker.save(tmp_path / "state")
    assert tracked(shots(view(1), length=1), Tracker.load(tmp_path / "state"), start=SHOT)[0].cut
