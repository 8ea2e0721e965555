"""All parts under ids that go on: also of who is away for the whole of one."""

from functools import partial

import numpy as np

from tracker.config import Config
from tracker.jobs.parts import joined
from tracker.jobs.parts.cutting import VideoPart
from tracker.jobs.parts.joined import JoinedParts
from tracker.jobs.parts.remembered import RememberedLooks
from tracker.jobs.parts.tracked_part import PartFiles
from tracker.structures import Detections, Status, Tracks
from tracker.video.bookmark import Bookmark
from tracker.video.clock import Clock
from tracker.video.source import Frame

IMAGE = np.zeros((0, 0, 3), np.uint8)
AWAY = range(15, 40)  # frames; the second part is from 17 to 36


def tracked(folder, number, first, last, begin, end, shift):
    """A part in which one object stays and another is away for a while; its ids are `shift` more than their places."""
    folder.mkdir()
    with PartFiles(folder) as files:
        for frame in range(begin, end + 1):
            boxes = np.array([[10, 10, 40, 90], [200, 10, 240, 90]], np.float32)[: 1 if frame in AWAY else 2]
            count, time_s = len(boxes), frame / 4
            rows = np.arange(count)
            told = (rows + shift, boxes, np.full(count, 0.9, np.float32), rows * 0, rows * 0)
            tracks = Tracks(*told, np.full(count, Status.CONFIRMED), rows, time_s, 0.25)
            files.first.add(tracks, Detections(boxes, told[2], told[3]), None, np.eye(2, 3), None)
            files.take(Frame(IMAGE, frame, time_s), tracks)
        state = files.state
    part = VideoPart(number, first, last, end, Bookmark(begin - 1, None, Clock(0.25), True))
    return part, partial(PartFiles, folder, state, {0: "person"})


def test_who_is_away_for_a_whole_part_comes_back_as_the_same(tmp_path):
    made = [
        tracked(tmp_path / "1", 1, 1, 16, 1, 24, 1),
        tracked(tmp_path / "2", 2, 17, 36, 1, 44, 5),
        tracked(tmp_path / "3", 3, 37, 60, 1, 60, 9),
    ]
    parts, files = zip(*made, strict=True)
    joined = JoinedParts(parts, files, Config())
    ids = {frame.number: tracks.ids.tolist() for frame, tracks in joined.frames()}
    assert ids == {number: [1] if number in AWAY else [1, 2] for number in range(1, 61)}
    assert [(joint.frame, joint.continued, joint.new) for joint in joined.joints] == [(17, 1, 0), (37, 2, 0)]


def part(folder, number, own, around, walks, renamed=()):
    """A part whose own frames are `own`, tracked from `around[0]` to `around[1]`.

    Args:
        walks: id, frames, left edge, and which unit vector is its embedding. renamed: frame, id, and who that was.
    """
    folder.mkdir()
    with PartFiles(folder) as files:
        for frame in range(around[0], around[1] + 1):
            here = sorted((track, x, look) for track, frames, x, look in walks if frame in frames)
            ids = np.array([track for track, *_ in here], np.int64)
            boxes = np.array([(x, 10, x + 40, 90) for _, x, _ in here], np.float32).reshape(-1, 4)
            embeddings = np.eye(8, dtype=np.float32)[[look for *_, look in here]]
            scores, rows = np.full(len(here), 0.9, np.float32), np.arange(len(here))
            given_up = {young: known for at, young, known in renamed if at == frame}
            told = ids, boxes, scores, rows * 0, rows * 0, np.full(len(here), Status.CONFIRMED), rows
            tracks = Tracks(*told, frame / 4, 0.25, renamed=given_up)
            files.first.add(tracks, Detections(boxes, scores, rows * 0), None, np.eye(2, 3), embeddings)
            files.take(Frame(IMAGE, frame, frame / 4), tracks)
        state = files.state
    about = VideoPart(number, *own, around[1], Bookmark(around[0] - 1, None, Clock(0.25), True))
    return about, partial(PartFiles, folder, state, {0: "person"})


def ids_of(made, config=None):
    """Joined, and frame -> left edge of each box -> its id."""
    parts, files = zip(*made, strict=True)
    joined = JoinedParts(parts, files, config or Config())
    return joined, {
        frame.number: dict(zip(tracks.xyxy[:, 0].tolist(), tracks.ids.tolist(), strict=True))
        for frame, tracks in joined.frames()
    }


def gone_and_back(tmp_path, between=()):
    """Object 1 goes long before the second part begins, and comes back elsewhere in the third; another one is new."""
    stays = range(1, 300)
    return [
        part(tmp_path / "1", 1, (1, 80), (1, 88), [(1, range(1, 20), 10, 0), (2, stays, 200, 1)]),
        part(tmp_path / "2", 2, (81, 160), (41, 168), [(1, stays, 200, 1), *between]),
        part(
            tmp_path / "3",
            3,
            (161, 240),
            (121, 240),
            [(1, stays, 200, 1), (2, range(180, 200), 400, 0), (3, range(200, 220), 600, 2)],
        ),
    ]


def test_who_had_gone_before_a_part_began_is_known_by_looks(tmp_path):
    joined, ids = ids_of(gone_and_back(tmp_path))
    assert ids[10] == {10: 1, 200: 2} and ids[190] == {200: 2, 400: 1}
    assert ids[210][600] not in (1, 2), "nobody looked like that before"
    assert [(joint.returned, joint.new) for joint in joined.joints] == [(0, 0), (1, 1)]


def test_nobody_is_known_without_looks_or_longer_than_a_run_remembers(tmp_path):
    made = gone_and_back(tmp_path)
    for settings in ({"appearance": {"enabled": False}}, {"bank": {"memory_s": 5.0}}):
        _, ids = ids_of(made, Config().override(settings))
        assert ids[190][200] == 2 and ids[190][400] not in (1, 2)


def test_who_is_forgotten_takes_no_memory(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(joined, "RememberedLooks", lambda config: made.append(RememberedLooks(config)) or made[0])
    ids_of(gone_and_back(tmp_path), Config().override({"bank": {"memory_s": 5.0}}))
    (looks,) = made
    assert looks._sums.keys() == looks._last_s.keys() == {2, 3, 4}, "those of the last part"


def test_nobody_is_who_was_there_at_the_same_time(tmp_path):
    """Somebody who looks as object 1 does is already back."""
    _, ids = ids_of(gone_and_back(tmp_path, [(7, range(150, 169), 700, 0)]))
    assert ids[155] == {200: 2, 700: 1} and ids[190][400] == 1
    twins = [(1, range(1, 20), 10, 0), (2, range(1, 300), 200, 1), (3, range(60, 300), 300, 0)]
    made = [part(tmp_path / "4", 1, (1, 80), (1, 88), twins)]
    after = [(1, range(1, 300), 200, 1), (2, range(1, 300), 300, 0), (3, range(90, 120), 400, 0)]
    made.append(part(tmp_path / "5", 2, (81, 160), (41, 160), after))
    _, ids = ids_of(made)
    assert ids[100][300] == 3 and ids[100][400] not in (2, 3)


def test_who_is_recognised_just_behind_the_cut_has_its_known_id_on_both_sides(tmp_path):
    """One part knows a moment before the cut who it is, the other one a moment behind it."""
    away, back = range(1, 20), range(76, 300)
    late = [(1, away, 10, 0), (2, range(76, 84), 10, 0), (1, range(84, 300), 10, 0)]
    soon = [(1, away, 10, 0), (2, range(76, 78), 10, 0), (1, range(78, 300), 10, 0)]
    for name, (one, when), (two, at) in (("a", (late, 84), (soon, 78)), ("b", (soon, 78), (late, 84))):
        made = [
            part(tmp_path / f"{name}1", 1, (1, 80), (1, 88), one, [(when, 2, 1)]),
            part(tmp_path / f"{name}2", 2, (81, 160), (1, 160), two, [(at, 2, 1)]),
        ]
        _, ids = ids_of(made)
        assert {ids[frame][10] for frame in back if 79 <= frame <= 160} == {1}
