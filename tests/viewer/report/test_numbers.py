"""The numbers of a report: added up from rows and events, as one would by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.datasets.annotations import Annotations
from tracker.viewer.report.numbers.histogram import Histogram, round_step
from tracker.viewer.report.numbers.objects import Objects, medians
from tracker.viewer.report.numbers.places import line_numbers, zone_numbers
from tracker.viewer.report.numbers.presence import PresenceNumbers
from tracker.viewer.report.numbers.timeline import Timeline
from tracker.viewer.report.wording import bin_width, clock, count, share, span


def annotations(rows, times_s, names=None):
    """Of rows (frame, id, class)."""
    frames, ids, classes = np.array(rows, np.int64).reshape(-1, 3).T
    seen = np.ones(len(ids), bool)
    boxes = np.tile([10.0, 10.0, 20.0, 40.0], (len(ids), 1))
    return Annotations(
        frames, ids, boxes, classes, np.ones(len(ids)), ~seen, seen, np.array(times_s, float), (64, 48),
        names or {0: "person", 2: "car"},
    )  # fmt: skip


def timeline(seconds, per_s=10):
    return Timeline.of(annotations([], np.arange(round(seconds * per_s)) / per_s))


def event(time_s, what, track=1, zone="till", name="person", direction="in", seconds=None):
    return {
        "time_s": time_s, "frame": 1, "event": what, "zone": zone, "id": track, "class": name,
        "direction": direction, "seconds": seconds,
    }  # fmt: skip


class TestBinsOfTime:
    @pytest.mark.parametrize(
        ("seconds", "step", "bins"), [(10, 0.5, 20), (60, 2, 30), (1800, 60, 30), (86400, 1800, 48), (3e7, 691200, 44)]
    )
    def test_are_of_a_round_width_and_few(self, seconds, step, bins):
        time = timeline(seconds, 10 if seconds < 1e4 else 0.01)
        assert (time.step_s, time.bins) == (step, bins)

    def test_hold_every_frame_once(self):
        time = timeline(30)
        assert np.bincount(time.bin_of(time.times_s)).sum() == 300 and time.watched_s.sum() == pytest.approx(30)

    def test_a_gap_is_not_filmed(self):
        time = Timeline.of(annotations([], [0.0, 0.1, 0.2, 100.0, 100.1]))
        assert time.watched_s.sum() == pytest.approx(0.1 + 0.1 + 0.3 + 0.1 + 0.1)

    def test_of_every_third_frame_know_where_each_is(self):
        time = Timeline.of(annotations([], np.arange(10) / 10), 3)
        assert time.times_s.tolist() == [0.0, 0.3, 0.6, 0.9] or np.allclose(time.times_s, [0, 0.3, 0.6, 0.9])
        assert time.frame_of(np.array([1, 4, 10])).tolist() == [0, 1, 3]

    def test_of_nothing_there_is_one(self):
        time = timeline(0)
        assert time.bins == 1 and time.end_s == 0


class TestObjects:
    ROWS = annotations([(1, 4, 0), (2, 4, 0), (2, 9, 2), (3, 9, 2), (5, 4, 2)], np.arange(6) / 10)

    def test_have_times_frames_and_the_class_of_the_end(self):
        found = Objects.of(self.ROWS, None, {})
        assert found.ids.tolist() == [4, 9] and found.classes.tolist() == [2, 2] and found.frames.tolist() == [3, 2]
        assert found.first_s.tolist() == [0.0, 0.1] and found.last_s.tolist() == [0.4, 0.2]
        assert np.isnan(found.path_px).all() and np.isnan(found.speed_m_s).all()

    def test_have_the_share_of_frames_in_which_they_were_not_detected(self):
        rows = replace(self.ROWS, occluded=np.array([False, True, False, False, True]))
        assert Objects.of(rows, None, {}).predicted.tolist() == [2 / 3, 0]

    def test_take_paths_from_the_summary_by_id_which_may_lack_some(self):
        found = Objects.of(self.ROWS, None, {"id": np.array([2.0, 9.0, 11.0]), "path_px": np.array([5.0, 7.0, 8.0])})
        assert np.isnan(found.path_px[0]) and found.path_px[1] == 7

    def test_have_the_median_of_their_speeds(self):
        ground = np.full((5, 4), np.nan)
        ground[:, 2] = [1.0, 2.0, 9.0, np.nan, 6.0]
        ground[:, 3] = 0.5
        found = Objects.of(self.ROWS, ground, {})
        assert found.speed_m_s.tolist() == [2.0, 9.0] and found.speed_std_m_s.tolist() == [0.5, 0.5]

    def test_there_may_be_none(self):
        none = annotations([], np.arange(3) / 10)
        found = Objects.of(none, None, {"id": np.zeros(0), "path_px": np.zeros(0)})
        there = PresenceNumbers.of(none, found, Timeline.of(none))
        assert len(found) == 0 and found.class_order == [] and there.peak == 0 and there.most.sum() == 0

    @given(st.lists(st.tuples(st.integers(1, 4), st.one_of(st.just(np.nan), st.floats(0, 100))), max_size=30))
    def test_medians_are_numpys(self, rows):
        groups, values = (np.array([row[part] for row in rows], kind) for part, kind in ((0, np.int64), (1, float)))
        for group, found in zip(range(1, 5), medians(groups, values, np.arange(1, 5)), strict=True):
            known = values[(groups == group) & np.isfinite(values)]
            assert found == pytest.approx(np.median(known)) if len(known) else np.isnan(found)


def test_presence_counts_each_object_once_and_who_is_there_at_once():
    rows = annotations([(f, 1, 0) for f in range(1, 11)] + [(f, 2, 2) for f in range(6, 9)], np.arange(20) / 10)
    objects, time = Objects.of(rows, None, {}), Timeline.of(rows)
    found = PresenceNumbers.of(rows, objects, time)
    assert [objects.name(number) for number in objects.class_order] == ["car", "person"]
    assert found.new.tolist() == [[0, 1, 0, 0], [1, 0, 0, 0]]
    assert found.most.tolist() == [1, 2, 0, 0] and (found.peak, found.peak_s) == (2, 0.5)
    assert np.allclose(found.mean, [[0, 3 / 5, 0, 0], [1, 1, 0, 0]])


def test_crossings_are_counted_by_line_direction_class_and_time():
    events = [
        event(0.2, "cross", zone="gate"),
        event(0.3, "cross", zone="gate", direction="out", name="car"),
        event(1.7, "cross", zone="gate", name="car"),
        event(0.2, "cross", zone="other"),
        event(0.2, "enter", zone="gate"),
    ]
    found = line_numbers("gate", events, timeline(2))
    assert found.ins.tolist() == [1, 0, 0, 1] and found.outs.tolist() == [1, 0, 0, 0]
    assert found.by_class == {"car": (1, 1), "person": (1, 0)}


class TestZones:
    def test_stays_are_measured_and_those_that_last_are_in_the_mean(self):
        events = [
            event(0.0, "enter"),
            event(1.0, "enter", 2),
            event(1.5, "exit", seconds=1.5, direction="out"),
            event(1.5, "dwell", seconds=1.5, direction=None),
        ]
        found = zone_numbers("till", events, timeline(2), 1.9)
        stay = found.by_class["person"]
        assert (stay.ins, stay.outs, stay.inside) == (2, 1, 1)
        assert stay.mean_dwell_s == pytest.approx((1.5 + 0.9) / 2)
        assert found.dwell_s.tolist() == [1.5] and found.from_start == 1 and found.inside == 1
        assert np.allclose(found.mean, [1, 1, 2, 1]) and found.most.tolist() == [1, 1, 2, 2]

    def test_who_leaves_as_another_comes_was_not_inside_with_it(self):
        events = [event(0.0, "enter"), event(1.0, "exit", seconds=1.0), event(1.0, "enter", 2)]
        assert zone_numbers("till", events, timeline(2), 1.9).most.tolist() == [1, 1, 1, 1]

    @given(st.lists(st.tuples(st.floats(0, 19), st.floats(0.01, 10)), max_size=20))
    def test_seconds_inside_are_the_same_summed_over_time_or_over_stays(self, stays):
        events = []
        for track, (begin, length) in enumerate(stays):
            end = min(begin + length, 20)
            events += [event(begin, "enter", track), event(end, "exit", track, seconds=end - begin)]
        time = timeline(20)
        found = zone_numbers("till", events, time, 20.0)
        assert (found.mean * np.diff(time.edges_s)).sum() == pytest.approx(found.dwell_s.sum(), abs=1e-6)
        assert (found.mean <= found.most + 1e-6).all()

    def test_of_one_that_nobody_entered_there_is_nothing(self):
        found = zone_numbers("till", [], timeline(2), 1.9)
        assert found.by_class == {} and found.entered == 0 and not found.mean.any()


class TestHistograms:
    @given(st.lists(st.floats(0, 1e5), min_size=1, max_size=50))
    def test_hold_every_value_once_in_few_bins(self, values):
        found = Histogram.of(np.array(values))
        assert found.counts.sum() == len(values) and 1 <= len(found.counts) <= 20
        assert len(found.edges) == len(found.counts) + 1

    def test_one_value_far_off_does_not_squeeze_the_others(self):
        found = Histogram.of(np.append(np.linspace(0, 10, 500), 1e4))
        assert found.beyond and found.edges[-1] <= 12

    @pytest.mark.parametrize(("end", "most", "step"), [(20, 20, 1), (21, 20, 2), (0.5, 4, 0.2), (7, 4, 2), (0, 4, 1)])
    def test_steps_are_round(self, end, most, step):
        assert round_step(end, most) == pytest.approx(step)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (clock(4.5, 100), "4.5 s"),
        (clock(65, 600), "1:05"),
        (clock(3725, 86400), "1:02:05"),
        (clock(3725, 86400, False), "1:02"),
        (span(0.82), "0.8 s"),
        (span(59.7), "1 min"),
        (span(200), "3 min 20 s"),
        (span(7500), "2 h 5 min"),
        (bin_width(0.5), "half second"),
        (bin_width(60), "minute"),
        (bin_width(1800), "30 minutes"),
        (count(1, "stay"), "1 stay"),
        (count(1200, "entry", "entries"), "1,200 entries"),
        (share(1, 1000), "less than 1 %"),
        (share(0, 10), "0 %"),
    ],
)
def test_numbers_read_as_people_say_them(said, words):
    assert said == words
