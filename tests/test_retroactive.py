"""Frames wait until their tentative tracks are decided; then early rows are reported or dropped."""

from dataclasses import replace

import numpy as np

from tracker import Status, Tracks
from tracker.retroactive import Confirmation


def tracks(time_s=0.0, **status):
    ids = np.array([int(name[1:]) for name in status], np.int64)
    n = len(ids)
    return Tracks(
        ids=ids,
        xyxy=np.tile(np.array([0, 0, 1, 1], np.float32), (n, 1)),
        scores=np.ones(n, np.float32),
        classes=np.zeros(n, np.int64),
        raw_classes=np.zeros(n, np.int64),
        status=np.array(list(status.values()), np.int64),
        detection_index=np.arange(n),
        time_s=time_s,
        interval_s=0.1,
    )


T, C = Status.TENTATIVE, Status.CONFIRMED


def out(pairs):
    return [(frame, t.ids.tolist(), t.status.tolist()) for frame, t in pairs]


def test_a_frame_without_tentative_tracks_passes_at_once():
    assert out(Confirmation(1.0).push("a", tracks(t1=C))) == [("a", [1], [C])]
    assert out(Confirmation(1.0).push("a", tracks())) == [("a", [], [])]


def test_early_rows_are_reported_once_the_track_is_believed():
    wait = Confirmation(1.0)
    assert wait.push("a", tracks(t1=C, t2=T)) == []
    assert wait.push("b", tracks(t1=C, t2=T)) == []
    assert out(wait.push("c", tracks(t1=C, t2=C))) == [
        ("a", [1, 2], [C, C]),
        ("b", [1, 2], [C, C]),
        ("c", [1, 2], [C, C]),
    ]


def test_a_track_that_was_never_believed_is_dropped():
    wait = Confirmation(1.0)
    assert wait.push("a", tracks(t1=C, t2=T)) == []
    assert out(wait.push("b", tracks(t1=C))) == [("a", [1], [C]), ("b", [1], [C])]


def test_order_is_kept_while_a_later_track_is_undecided():
    wait = Confirmation(1.0)
    wait.push("a", tracks(t1=T))
    assert out(wait.push("b", tracks(t1=C, t2=T))) == [("a", [1], [C])]
    assert out(wait.push("c", tracks(t1=C))) == [("b", [1], [C]), ("c", [1], [C])]


def test_the_end_of_the_stream_releases_what_was_held():
    wait = Confirmation(1.0)
    wait.push("a", tracks(t1=C, t2=T))
    assert out(wait.flush()) == [("a", [1], [C])]
    assert wait.flush() == []


def test_a_track_that_was_recognised_gets_its_id_in_the_frames_that_wait():
    wait = Confirmation(1.0)
    wait.push("a", tracks(t1=C, t2=Status.PREDICTED, t7=T))
    recognised = replace(tracks(t1=C, t2=T), renamed={7: 2})
    wait.push("b", recognised)
    assert out(wait.push("c", tracks(t1=C, t2=C))) == [(f, [1, 2], [C, C]) for f in "abc"]


def test_no_frame_waits_longer_than_the_limit():
    wait = Confirmation(0.5)
    assert wait.push("a", tracks(0.0, t1=T)) == []
    assert wait.push("b", tracks(0.4, t1=T)) == []
    assert out(wait.push("c", tracks(0.5, t1=T))) == [("a", [], [])]
    assert out(wait.push("d", tracks(0.6, t1=C))) == [("b", [1], [C]), ("c", [1], [C]), ("d", [1], [C])]
