"""A frame that is not looked at is not one in which nothing was found; which ones are looked at is as configured."""

import numpy as np
import pytest

from tracker import Config, Detections, Status, Tracker
from tracker.config import OfflineConfig
from tracker.detection.looks import LONGEST_S, Looks
from tracker.errors import ConfigError, InputError
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.offline import Recorder, post_processed

FPS = 20
PICTURE = np.random.default_rng(0).integers(0, 255, (200, 640, 3), dtype=np.uint8)


def box(x, y=100.0, width=40.0, height=100.0):
    return [x, y, x + width, y + height]


def walker(step, speed=3.0, score=0.9):
    return Detections([box(speed * step)], [score])


def follow(tracker, frames, start=0):
    """Feed detections, None for a frame that is not looked at."""
    return [
        tracker.update(None, found, time_s=(start + i) / FPS, look=found is not None) for i, found in enumerate(frames)
    ]


class TestNotLookedAt:
    def test_who_was_seen_is_predicted_and_goes_on(self):
        frames = [walker(i) if i < 8 or i % 4 == 0 else None for i in range(40)]
        reported = follow(Tracker(), frames)
        for i in range(9, 40):
            (row,) = reported[i].ids.tolist()
            seen = frames[i] is not None
            assert row == 1 and reported[i].looked == seen
            assert reported[i].status[0] == (Status.CONFIRMED if seen else Status.PREDICTED)
            assert reported[i].detection_index[0] == (0 if seen else -1)
            assert reported[i].raw_classes[0] == (0 if seen else -1)
            np.testing.assert_allclose(reported[i].xyxy[0], box(3.0 * i), atol=2.0)
            np.testing.assert_allclose(reported[i].forecast(1).xyxy[0, 0], box(3.0 * (i + 1)), atol=3.0)

    def test_no_young_track_ends_by_it_as_it_does_where_nothing_was_found(self):
        for nothing, ids in ((None, [1]), (Detections.empty(), [2])):
            config = Config().override({"bank": {"confirm_hits": 3}})
            reported = follow(Tracker(config), [walker(0, 0), nothing, nothing, *[walker(0, 0)] * 3])
            assert [t.ids.tolist() for t in reported[1:3]] == [[], []], "a tentative track is not reported unseen"
            assert reported[-1].ids.tolist() == ids
            assert reported[-1].status.tolist() == [Status.CONFIRMED]

    def test_nobody_is_lost_by_it_and_who_is_lost_stays_so_for_as_many_seconds(self):
        config = Config().override({"bank": {"lost_s": 1.0, "lost_heights": 1000}, "appearance": {"enabled": False}})
        seen, lost = [walker(0, 0)] * 10, [*([walker(0, 0)] * 10), Detections.empty()]
        for before, seconds, ids in ((seen, 1.5, [1]), (lost, 0.8, [1]), (lost, 1.5, [2])):
            reported = follow(Tracker(config), [*before, *([None] * int(seconds * FPS)), walker(0, 0), walker(0, 0)])
            assert reported[-1].ids.tolist() == ids
            assert all(len(t) == (before is seen) for t in reported[len(before) : -2])

    def test_who_is_occluded_is_reported_while_predictions_cover_it(self):
        front = box(100, width=80, height=140)
        tracker = Tracker(Config().override({"bank": {"coast_s": 0.5}}))
        reported = follow(tracker, [*(Detections([front, box(20 + 4 * i)]) for i in range(20)), Detections([front])])
        lost = reported[-1].ids[reported[-1].status == Status.PREDICTED]
        reported = follow(tracker, [None] * 20, start=21)
        assert set(lost.tolist()) < set(reported[0].ids.tolist()) and len(reported[-1]) == 1

    def test_the_camera_is_followed_by_its_motion_and_by_pictures(self):
        given = Tracker()
        for step in range(6):
            given.update(None, Detections([box(100)]), time_s=step / FPS)
        tracks = given.update(None, camera_motion=[[1, 0, 30], [0, 1, 5]], time_s=6 / FPS, look=False)
        np.testing.assert_allclose(tracks.xyxy[0], box(130, 105), atol=2.0)
        seen = Tracker(Config().override({"appearance": {"enabled": False}}))
        for step in range(30):
            moved, x = np.roll(PICTURE, 4 * step, axis=1), 100 + 4 * step
            if step < 10:
                seen.update(moved, Detections([box(x, 60)]), time_s=step / FPS)
            else:
                tracks = seen.update(moved, time_s=step / FPS, look=False)
                np.testing.assert_allclose(tracks.xyxy[0], box(x, 60), atol=4.0)
        assert seen.stage_seconds["detect"] < 0.1, "no detector is loaded"

    def test_a_saved_tracker_goes_on_between_two_looks(self, tmp_path):
        frames = [walker(i) if i % 4 == 0 else None for i in range(40)]
        for at in (9, 11):
            straight, stopped = Tracker(), Tracker()
            follow(straight, frames[:at]), follow(stopped, frames[:at])
            stopped.save(tmp_path / "state")
            rest = (follow(t, frames[at:], start=at) for t in (straight, Tracker.load(tmp_path / "state")))
            for one, other in zip(*rest, strict=True):
                assert one.ids.tolist() == other.ids.tolist() and one.xyxy.tobytes() == other.xyxy.tobytes()

    def test_detections_of_it_are_an_error_and_a_picture_is_not_needed(self):
        with pytest.raises(InputError, match="look=False and detections; leave one of the two out"):
            Tracker().update(None, walker(0), look=False)
        assert len(Tracker().update(None, look=False)) == 0


def smoothed(frames, delay_s, fill_s=2.0):
    tracker, smoother = Tracker(), FixedLagSmoother(delay_s, OfflineConfig(fill_s=fill_s))
    out = []
    for i, found in enumerate(frames):
        tracks = tracker.update(None, found, time_s=i / FPS, look=found is not None)
        out.append(list(smoother.push(i, tracks, tracker.camera_motion)))
    return out, smoother.flush()


class TestReportedLater:
    @pytest.mark.parametrize(("step", "delay_s"), [(4, 0.5), (20, 0.5), (20, 0.2)])
    def test_boxes_lie_between_those_of_the_looks_however_far_these_are_apart(self, step, delay_s):
        """Also where the lag is shorter: a frame waits for the next look."""
        frames = [walker(i, 1.0) if i % step == 0 or i < 4 else None for i in range(4 * step + 1)]
        pushed, rest = smoothed(frames, delay_s, fill_s=0.0)
        rows = [pair for now in pushed for pair in now] + rest
        assert [number for number, _ in rows] == list(range(len(frames)))
        for number, tracks in rows:
            assert tracks.ids.tolist() == [1]
            np.testing.assert_allclose(tracks.xyxy[0], box(number), atol=1.5)
            assert tracks.status[0] == (Status.PREDICTED if frames[number] is None else Status.CONFIRMED)
        longest = max(delay_s, step / FPS)
        assert all(number >= i - longest * FPS - 1 for i, now in enumerate(pushed) for number, _ in now)

    @pytest.mark.parametrize("delay_s", [0.5, 5.0])
    def test_who_comes_and_leaves_between_looks_is_reported_for_the_half_nearer_to_those_that_saw_it(self, delay_s):
        """As likely as not it was there: the first look at it is frame 15, the last 30, every fifth is looked at."""
        frames = [(walker(i) if 15 <= i <= 30 else Detections.empty()) if i % 5 == 0 else None for i in range(51)]
        pushed, rest = smoothed(frames, delay_s)
        rows = [pair for now in pushed for pair in now] + rest
        there = [number for number, tracks in rows if len(tracks)]
        assert there == list(range(13, 33))
        for number, tracks in rows[13:33]:
            np.testing.assert_allclose(tracks.xyxy[0], box(3.0 * number), atol=2.5)

    def test_at_the_end_of_a_stream_frames_behind_the_last_look_are_as_predicted(self):
        _, rest = smoothed([walker(i) if i < 10 else None for i in range(14)], 0.5)
        for number, tracks in rest[-4:]:
            np.testing.assert_allclose(tracks.xyxy[0], box(3.0 * number), atol=2.0)

    def test_without_lag_they_are_reported_as_predicted(self):
        pushed, _ = smoothed([walker(i) if i % 3 == 0 else None for i in range(20)], 0.0)
        assert all(len(now) == 1 for now in pushed)
        assert [len(tracks) for ((_, tracks),) in pushed[4:]] == [1] * 16

    def test_a_finished_video_is_filled_between_looks(self):
        tracker, recorder = Tracker(), Recorder()
        for i in range(41):
            found = walker(i, 1.0) if i % 10 == 0 or i < 4 else None
            tracks = tracker.update(None, found, time_s=i / FPS, look=found is not None)
            recorder.add(tracks, found or Detections.empty(), tracker.camera_motion, tracker.features)
        table = post_processed(recorder.table(), Config().override({"offline": {"fill_s": 0.0}}))
        assert table.frames.tolist() == list(range(41))


def crowd(frames, restless=(), count=6):
    """People who walk at 30 frames/s; in the frames `restless` each steps aside at random, and goes on from there."""
    rng = np.random.default_rng(0)
    x, found = 300.0 * np.arange(count), []
    for i in range(frames):
        x = x + 2.0 + (i in restless) * rng.normal(0, 8, count)
        y = 100 + rng.normal(0, 0.5, count)
        found.append(Detections(np.stack([x, y, x + 40, y + 100], axis=1), np.full(count, 0.9)))
    return found


def automatic(frames, camera=None, tracker=None, start=0, fps=30):
    """Which of these frames a tracker looks at, and what it reports."""
    tracker = tracker or Tracker(Config().override({"detector": {"every": "auto"}}))
    looks, reported = [], []
    for i, found in enumerate(frames, start):
        look = tracker.due(i / fps)
        looks += [i] if look else []
        motion = None if camera is None else [[1, 0, camera * (i > 0)], [0, 1, 0]]
        reported.append(tracker.update(None, found if look else None, motion, i / fps, look))
    return looks, reported


def dancers(frames, meetings, count=4):
    """Dancers who look alike, at 30 frames/s: in `meetings` two come together for 20 frames, turn round and part."""
    rng, found = np.random.default_rng(1), []
    for i in range(frames):
        x = 300.0 * np.arange(count)
        near = max((np.interp(i - begin, [-15, 0, 20, 35], [0, 1, 1, 0]) for begin in meetings), default=0)
        x[:2] += np.array([130, -130]) * near
        box = np.stack([x, np.full(count, 100.0), x + 100, np.full(count, 400.0)], axis=1)
        found.append(Detections(box + rng.normal(0, 1, (count, 4)), np.full(count, 0.9)))
    return found


class TestAsTheTrackerNeedsIt:
    def test_all_frames_at_first_and_few_where_forecasts_hold(self):
        looks, reported = automatic(crowd(300))
        assert looks[:8] == list(range(8)) and looks[-1] >= 295
        late = [i for i in looks if i >= 150]
        assert 0.2 <= len(late) / 150 <= 0.35 and np.diff(late).max() <= 5
        for i in range(150, 300):
            assert reported[i].ids.tolist() == [1, 2, 3, 4, 5, 6]
            np.testing.assert_allclose(reported[i].xyxy[:, 0], 300 * np.arange(6) + 2.0 * (i + 1), atol=4.0)

    def test_all_frames_where_forecasts_do_not_hold(self):
        looks, _ = automatic(crowd(150, range(150)))
        assert len(looks) > 135

    def test_all_frames_again_where_they_hold_no_more(self):
        looks, _ = automatic(crowd(500, range(200, 500)))
        assert sum(150 <= i < 200 for i in looks) < 20 and sum(i >= 400 for i in looks) > 90

    def test_often_while_two_who_look_alike_meet_and_turn_round_and_seldom_between(self):
        meetings = [200, 300, 400, 500]
        looks = np.array(automatic(dancers(550, meetings))[0])
        together, between = (
            sum(((looks >= begin + start) & (looks < begin + start + 20)).sum() for begin in meetings[:3])
            for start in (0, 50)
        )
        assert together > 0.6 * 60 and between < 0.3 * 60

    def test_seldom_where_somebody_always_meets_somebody(self):
        looks, _ = automatic(dancers(400, range(0, 400, 10)))
        assert sum(i >= 200 for i in looks) < 0.3 * 200

    @pytest.mark.parametrize("fps", [10, 14, 20, 25, 30, 60])
    def test_looks_at_steady_walkers_are_as_far_apart_at_every_frame_rate(self, fps):
        """On average: where frames do not divide it, some come a frame later; never by more than a third."""
        looks, _ = automatic([walker(i, 60 / fps) for i in range(12 * fps)], fps=fps)
        apart_s = np.diff([i for i in looks if i >= 4 * fps]) / fps
        assert apart_s.max() <= 4 / 3 * LONGEST_S + 1e-6
        assert 0.9 * LONGEST_S <= apart_s.mean() <= LONGEST_S + 1e-3

    def test_a_camera_that_moves_takes_the_forecasts_along(self):
        pan = np.array([11.0, 0, 11.0, 0])
        frames = [Detections(found.xyxy + i * pan, found.scores) for i, found in enumerate(crowd(200))]
        looks, _ = automatic(frames, camera=11.0)
        assert sum(i >= 150 for i in looks) <= 18

    def test_a_newcomer_is_reported_within_half_a_second(self):
        for begin in range(60, 75):
            frames = [Detections.empty()] * begin + crowd(16, count=1)
            looks, reported = automatic(frames)
            assert sum(i < 60 for i in looks) <= 7, "nothing is there for long"
            assert any((t.status == Status.CONFIRMED).any() for t in reported[begin : begin + 16])

    def test_behind_a_gap_it_looks(self):
        tracker = Tracker(Config().override({"detector": {"every": "auto"}}))
        automatic(crowd(202), tracker=tracker)
        assert tracker.due(9.0)

    def test_frames_that_come_in_bursts_are_looked_at_as_often_as_even_ones(self):
        tracker = Tracker(Config().override({"detector": {"every": "auto"}}))
        times_s = [i // 2 * 0.066 + i % 2 * 0.001 for i in range(400)]
        looks_s = []
        for time_s in times_s:
            look = tracker.due(time_s)
            looks_s += [time_s] if look else []
            tracker.update(None, walker(time_s * FPS) if look else None, time_s=time_s, look=look)
        assert np.diff(looks_s).max() <= LONGEST_S + 0.066

    def test_times_may_begin_long_before_zero(self):
        tracker = Tracker(Config().override({"detector": {"every": "auto"}}))
        looks, _ = automatic(crowd(20), tracker=tracker, start=-600_000)
        assert len(looks) == 20

    def test_a_saved_tracker_looks_at_the_same_frames(self, tmp_path):
        frames = crowd(200, range(110, 130))
        for at in (3, 101, 102):
            tracker = Tracker(Config().override({"detector": {"every": "auto"}}))
            automatic(frames[:at], tracker=tracker)
            tracker.save(tmp_path / "state")
            loaded = Tracker.load(tmp_path / "state")
            (looks, one), (again, other) = (
                automatic(frames[at:], tracker=each, start=at) for each in (tracker, loaded)
            )
            assert looks == again
            assert [t.xyxy.tobytes() for t in one] == [t.xyxy.tobytes() for t in other]


def looked_at(every, times_s):
    looks, frames = Looks(every, 0.5), []
    for i, time_s in enumerate(times_s):
        look = looks.due(time_s)
        looks.looked(time_s) if look else looks.passed()
        frames += [i] if look else []
    return frames


class TestWhichFrames:
    def test_every_nth(self):
        assert looked_at("1", np.arange(5) / FPS) == [0, 1, 2, 3, 4]
        assert looked_at("3", np.arange(8) / FPS) == [0, 3, 6]

    def test_every_so_many_seconds_whatever_the_frame_rate(self):
        assert looked_at("0.15s", np.arange(10) / 20) == [0, 3, 6, 9]
        assert looked_at(".15s", np.round(np.arange(16) / 30, 3)) == [0, 5, 10, 15]
        assert looked_at("0.5s", [0, 0.1, 0.45, 9.0, 9.1, 9.4, 9.6]) == [0, 3, 6], "no look is made up for"

    def test_the_tracker_follows_its_configuration_where_it_is_not_told(self):
        tracker = Tracker(Config().override({"detector": {"every": 3}}))
        due = []
        for _ in range(7):
            due.append(tracker.due())
            tracker.update(None, Detections.empty() if due[-1] else None, look=due[-1])
        assert due == [True, False, False, True, False, False, True]
        tracker.update(None, walker(0))
        assert not tracker.due(), "with detections it has looked"

    @pytest.mark.parametrize("every", ["0", "0s", "-1", "1001", "11s", "often", "s", "", "5 s", "0.5", 0.15])
    def test_nonsense_is_refused(self, every):
        with pytest.raises(ConfigError, match=r"detector.every is .*; give a number of frames up to 1000 \(5\)"):
            Config().override({"detector": {"every": every}})
