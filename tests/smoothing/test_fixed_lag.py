"""Frames wait, and are reported as later frames have shown them to be."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Status, Tracks
from tracker.boxes import xyxy_to_cxcywh
from tracker.config import OfflineConfig
from tracker.smoothing import fixed_lag
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.track_table import _FURTHEST, _LARGEST, TrackTable, filled, smoothed

T, C, P = Status.TENTATIVE, Status.CONFIRMED, Status.PREDICTED
STILL = np.eye(2, 3)
PLAIN = OfflineConfig(fill_s=0.0, smooth_s=0.0)
FILL = OfflineConfig(fill_s=2.0, smooth_s=0.0)


def tracks(time_s=0.0, x=0.0, **status):
    """Tracks t1, t2, ...: boxes of 10 x 20 at `x`; those that are predicted have no detection."""
    ids = np.array([int(name[1:]) for name in status], np.int64)
    n = len(ids)
    kinds = np.array(list(status.values()), np.int64)
    return Tracks(
        ids=ids,
        xyxy=np.tile(np.array([x, 0, x + 10, 20], np.float32), (n, 1)),
        scores=np.ones(n, np.float32),
        classes=np.zeros(n, np.int64),
        raw_classes=np.where(kinds == P, -1, 0),
        status=kinds,
        detection_index=np.where(kinds == P, -1, np.arange(n)),
        time_s=time_s,
        interval_s=0.1,
        forecaster=lambda seconds: (np.zeros((n, len(seconds), 4), np.float32),) * 2,
    )


def reported(stream, delay_s=1.0, settings=PLAIN, camera=STILL):
    """All frames of a stream of tracks, numbered from 0."""
    smoother = FixedLagSmoother(delay_s, settings)
    out = [pair for number, frame in enumerate(stream) for pair in smoother.push(number, frame, camera)]
    return out + smoother.flush()


def short(pairs):
    return [(frame, t.ids.tolist(), t.status.tolist()) for frame, t in pairs]


def lefts(pairs, identity):
    return {frame: float(t.xyxy[t.ids == identity][0, 0]) for frame, t in pairs if identity in t.ids}


class TestWaiting:
    def test_every_frame_waits_as_long_and_in_order(self):
        smoother = FixedLagSmoother(0.2, PLAIN)
        assert smoother.push("a", tracks(0.0, t1=C), STILL) == []
        assert smoother.push("b", tracks(0.1, t1=C), STILL) == []
        assert short(smoother.push("c", tracks(0.2, t1=C), STILL)) == [("a", [1], [C])]
        assert short(smoother.push("d", tracks(0.9, t1=C), STILL)) == [("b", [1], [C]), ("c", [1], [C])]
        assert short(smoother.flush()) == [("d", [1], [C])]
        assert smoother.flush() == []

    def test_without_delay_a_frame_is_reported_at_once_as_it_was_tracked(self):
        frame = tracks(x=3.0, t1=C, t2=T, t3=P)
        ((_, now),) = FixedLagSmoother(0.0, OfflineConfig()).push("a", frame, STILL)
        assert now.ids.tolist() == [1, 3]
        np.testing.assert_array_equal(now.xyxy, frame.xyxy[[0, 2]])

    def test_frames_without_tracks_pass_too(self):
        assert short(reported([tracks(0.1 * i) for i in range(20)])) == [(i, [], []) for i in range(20)]

    def test_memory_does_not_grow_with_the_stream(self):
        smoother = FixedLagSmoother(0.5, OfflineConfig())
        sizes = []
        for i in range(600):
            name = {f"t{i // 40 + 1}": C}  # somebody new every four seconds
            smoother.push(i, tracks(0.1 * i, x=float(i), **name), STILL)
            sizes.append((len(smoother._seen), len(smoother._seen.times_s), len(smoother._held), len(smoother._motion)))
        assert (np.max(sizes[300:], axis=0) <= np.max(sizes[:300], axis=0)).all()
        assert np.max(sizes, axis=0)[0] < 20

    @pytest.mark.parametrize("before", [0, 1])
    def test_nor_where_nobody_looks_any_more(self, before, monkeypatch):
        """Frames wait for the next look, but not for one that never comes: they are reported as they were tracked."""
        monkeypatch.setattr(fixed_lag, "_WAITING", 50)
        smoother, sizes, out = FixedLagSmoother(0.5, OfflineConfig()), [], []
        for i in range(500):
            looked = i < before
            now = replace(tracks(0.1 * i, x=float(i), t1=C if looked else P), looked=looked)
            out += smoother.push(i, now, STILL)
            sizes.append((len(smoother._seen), len(smoother._seen.times_s), len(smoother._held), len(smoother._motion)))
        assert (np.max(sizes[300:], axis=0) <= np.max(sizes[:300], axis=0)).all() and 100 < len(smoother._held) < 104
        out += smoother.flush()
        assert [frame for frame, _ in out] == list(range(500))
        assert lefts(out[200:210], 1) == {frame: frame for frame in range(200, 210)}


class TestRepeats:
    """Frames that show the picture before them once more."""

    def stream(self, delay_s):
        smoother = FixedLagSmoother(delay_s, FILL)
        shown = [
            (0.0, 0, False),
            (0.1, 10, False),
            (0.1, 10, True),
            (0.2, 20, False),
            (0.3, 30, False),
            (0.3, 30, True),
        ]
        for frame, (time_s, x, repeated) in enumerate(shown):
            yield from smoother.push(frame, tracks(time_s, x, t1=C), STILL, repeated)
        yield from smoother.flush()

    @pytest.mark.parametrize("delay_s", [0.0, 0.15, 1.0])
    def test_are_reported_in_their_turn_as_that_picture_is(self, delay_s):
        assert lefts(self.stream(delay_s), 1) == {0: 0, 1: 10, 2: 10, 3: 20, 4: 30, 5: 30}

    def test_get_the_boxes_that_are_known_of_it_later(self):
        smoother = FixedLagSmoother(1.0, FILL)
        out = smoother.push("a", tracks(0.0, 0, t1=C), STILL) + smoother.push("b", tracks(0.1), STILL)
        out += smoother.push("b again", tracks(0.1), STILL, repeated=True)
        out += smoother.push("c", tracks(0.2, 20, t1=C), STILL) + smoother.flush()
        assert lefts(out, 1) == {"a": 0, "b": 10, "b again": 10, "c": 20}


class TestConfirmation:
    def test_early_rows_are_reported_once_the_track_is_confirmed(self):
        assert short(reported([tracks(0.0, t1=C, t2=T), tracks(0.1, t1=C, t2=T), tracks(0.2, t1=C, t2=C)])) == [
            (0, [1, 2], [C, C]),
            (1, [1, 2], [C, C]),
            (2, [1, 2], [C, C]),
        ]

    def test_a_track_that_was_never_confirmed_is_dropped(self):
        assert short(reported([tracks(0.0, t1=C, t2=T), tracks(0.1, t1=C)])) == [(0, [1], [C]), (1, [1], [C])]

    def test_rows_too_early_for_the_delay_are_left_out(self):
        stream = [tracks(0.0, t1=T), tracks(0.4, t1=T), tracks(0.5, t1=T), tracks(0.6, t1=C)]
        assert short(reported(stream, 0.5)) == [(0, [], []), (1, [1], [C]), (2, [1], [C]), (3, [1], [C])]

    def test_a_reidentified_track_gets_its_id_in_the_pending_frames(self):
        stream = [
            tracks(0.0, t1=C, t2=P, t7=T),
            replace(tracks(0.1, t1=C, t2=T), renamed={7: 2}),
            tracks(0.2, t1=C, t2=C),
        ]
        assert short(reported(stream)) == [(i, [1, 2], [C, C]) for i in range(3)]

    def test_and_no_frame_has_it_twice_where_something_else_was_taken_for_it_before(self):
        stream = [
            tracks(0.0, t2=C),
            tracks(0.1, t2=C, t7=T),
            replace(tracks(0.2, t2=T), renamed={7: 2}),
            tracks(0.3, t2=C),
        ]
        assert short(reported(stream, settings=OfflineConfig())) == [(i, [2], [C]) for i in range(4)]


class TestOccludedObjects:
    def test_who_is_seen_again_in_time_was_there_all_along(self):
        stream = [tracks(0.0, x=0, t1=C), tracks(0.1), tracks(0.2), tracks(0.3, x=30, t1=C)]
        out = reported(stream, settings=FILL)
        assert short(out) == [(0, [1], [C]), (1, [1], [P]), (2, [1], [P]), (3, [1], [C])]
        assert lefts(out, 1) == pytest.approx({0: 0, 1: 10, 2: 20, 3: 30})
        assert out[1][1].detection_index.tolist() == [-1] and out[1][1].raw_classes.tolist() == [-1]

    def test_a_predicted_row_of_the_tracker_gives_way_to_what_was_seen_later(self):
        stream = [tracks(0.0, x=0, t1=C), tracks(0.1, x=50, t1=P), tracks(0.2, x=20, t1=C)]
        assert lefts(reported(stream, settings=FILL), 1) == pytest.approx({0: 0, 1: 10, 2: 20})

    def test_and_is_left_out_where_nothing_was_seen_later(self):
        stream = [tracks(0.0, t1=C), tracks(0.1, t1=P), tracks(0.2), tracks(0.3)]
        assert short(reported(stream, settings=FILL)) == [(0, [1], [C]), (1, [], []), (2, [], []), (3, [], [])]

    def test_frames_that_could_not_wait_so_long_stay_without_it(self):
        stream = [tracks(0.0, x=0, t1=C), *(tracks(0.1 * i) for i in range(1, 10)), tracks(1.0, x=100, t1=C)]
        out = reported(stream, delay_s=0.3, settings=FILL)
        assert lefts(out, 1) == pytest.approx({0: 0, 7: 70, 8: 80, 9: 90, 10: 100})

    def test_gaps_longer_than_the_limit_stay_open(self):
        stream = [tracks(0.0, t1=C), tracks(1.0), tracks(2.1, t1=C)]
        assert [ids for _, ids, _ in short(reported(stream, delay_s=5.0, settings=FILL))] == [[1], [], [1]]

    def test_the_way_between_is_straight_on_the_ground_not_in_the_picture(self):
        """Something stands still while the camera pans 5 pixels a frame to the left."""
        camera = np.array([[1, 0, 5.0], [0, 1, 0]])
        stream = [tracks(0.1 * i, x=5.0 * i, **({} if i in (2, 3) else {"t1": C})) for i in range(6)]
        assert lefts(reported(stream, settings=FILL, camera=camera), 1) == pytest.approx({i: 5 * i for i in range(6)})

    def test_nothing_is_forecast_of_who_was_not_known_of_then(self):
        stream = [tracks(0.0, t1=C, t2=C), tracks(0.1, t2=C), tracks(0.2, t1=C, t2=C)]
        occluded = reported(stream, settings=FILL)[1][1]
        assert occluded.ids.tolist() == [1, 2]
        assert np.isnan(occluded.forecast(3).xyxy).all(axis=(1, 2)).tolist() == [True, False]
        nobody = reported([tracks(0.0, t1=C), tracks(0.1), tracks(0.2, t1=C)], settings=FILL)[1][1]
        assert np.isnan(nobody.forecast(3).xyxy).all()


def test_boxes_are_smoothed_and_gaps_filled_across_a_change_of_the_frame_size():
    """Something stands still; in frame 4 the stream turns from 640 x 480 to 1280 x 720."""
    scaling = np.array([[2.0, 0, 0], [0, 1.5, 0]])
    small, large = np.array([100, 40, 110, 60], np.float32), np.array([200, 60, 220, 90], np.float32)
    smoother = FixedLagSmoother(1.0, OfflineConfig())
    out = []
    for number in range(9):
        frame = tracks(0.1 * number, **({} if number == 5 else {"t1": C}))
        frame = replace(frame, xyxy=np.tile(small if number < 4 else large, (len(frame.ids), 1)))
        out += smoother.push(number, frame, scaling if number == 4 else STILL)
    for number, now in out + smoother.flush():
        assert now.ids.tolist() == [1], number
        np.testing.assert_allclose(now.xyxy[0], small if number < 4 else large, atol=1e-3)


def test_a_cut_takes_no_box_away_from_where_it_was_seen():
    """From one picture to the next everything is elsewhere, and goes on from there."""
    lefts = [100.0 + 2 * n + (250 if n >= 6 else 0) for n in range(12)]
    smoother = FixedLagSmoother(1.0, OfflineConfig())
    out = [p for n, x in enumerate(lefts) for p in smoother.push(n, tracks(0.1 * n, x=x, t1=C), STILL)]
    for number, now in out + smoother.flush():
        assert now.xyxy[0, 0] == pytest.approx(lefts[number], abs=5), number


moves = st.tuples(st.floats(-9, 9), st.floats(-9, 9), st.floats(-0.05, 0.05), st.floats(0.95, 1.05))


@given(
    st.lists(st.tuples(st.sets(st.integers(1, 4)), moves), min_size=1, max_size=25),
    st.integers(0, 2**32 - 1),
)
def test_with_all_the_time_it_tells_what_a_finished_video_shows(frames, seed):
    """The same gaps and boxes, whatever the camera did, as the functions that `--offline` uses on a whole table."""
    rng = np.random.default_rng(seed)
    stream, cameras, rows = [], [], []
    start = rng.uniform(0, 500, (5, 2))
    for number, (ids, (right, down, turn, zoom)) in enumerate(frames):
        frame = tracks(0.1 * number, **{f"t{i}": C for i in sorted(ids)})
        corner = (start[sorted(ids)] + rng.normal(0, 9, (len(ids), 2))).astype(np.float32)
        box = np.concatenate([corner, corner + rng.uniform(20, 90, (len(ids), 2)).astype(np.float32)], axis=1)
        stream.append(replace(frame, xyxy=box))
        cameras.append(zoom * np.array([[np.cos(turn), -np.sin(turn), right], [np.sin(turn), np.cos(turn), down]]))
        rows.append(replace(TrackTable.empty(), frames=np.full(len(ids), number), ids=frame.ids, xyxy=box,
                            scores=frame.scores, classes=frame.classes, raw_classes=frame.raw_classes,
                            status=frame.status, detection_index=frame.detection_index))  # fmt: skip
    table = replace(
        rows[0],
        times_s=np.array([t.time_s for t in stream]),
        camera=np.array(cameras),
        looked=np.ones(len(stream), bool),
        cuts=np.zeros(len(stream), bool),
    )
    for more in rows[1:]:
        table = table.stacked(more)
    settings = OfflineConfig(fill_s=0.55, smooth_s=0.1)
    whole = smoothed(filled(table.ordered, settings.fill_s), settings.smooth_s)
    whole = whole[np.lexsort((whole.ids, whole.frames))]
    smoother = FixedLagSmoother(100.0, settings)
    for number, frame in enumerate(stream):
        assert smoother.push(number, frame, cameras[number]) == []
    for number, now in smoother.flush():
        then = whole.at(number, {})
        assert now.ids.tolist() == then.ids.tolist() and now.status.tolist() == then.status.tolist()
        for row in np.flatnonzero(~np.isclose(now.xyxy, then.xyxy, atol=0.05, rtol=1e-4).all(axis=1)):
            # moved exactly as far as smoothing moves a box at most: a rounding error says whether it is, or stays
            seen = xyxy_to_cxcywh(stream[number].xyxy[stream[number].ids == now.ids[row]][0])
            found = [xyxy_to_cxcywh(boxes[row]) for boxes in (now.xyxy, then.xyxy)]
            stays, moved = sorted(found, key=lambda box: float(np.abs(box - seen).max()))
            np.testing.assert_allclose(stays, seen, atol=0.05)
            far = np.hypot(*(moved - seen)[:2]) / seen[2:].min() / _FURTHEST
            grown = np.abs(np.log(moved[2:] / seen[2:])).max() / np.log(_LARGEST)
            assert max(far, grown) == pytest.approx(1, abs=0.01)


def test_the_first_frame_that_shows_a_track_by_its_known_id_says_so():
    smoother = FixedLagSmoother(0.25, OfflineConfig())
    written = []
    for frame in (
        tracks(0.0, t7=C),
        tracks(0.1, t7=C),
        tracks(0.2, t7=C),
        tracks(0.3, t7=C),
        replace(tracks(0.4, t2=C), renamed={7: 2}),
        tracks(0.5, t2=C),
    ):
        written += [known for _, known in smoother.push(None, frame, np.eye(2, 3))]
    written += [known for _, known in smoother.flush()]
    assert [(t.ids.tolist(), dict(t.renamed)) for t in written] == [
        ([7], {}),
        ([2], {7: 2}),
        *[([2], {})] * 4,
    ]
