"""All parts under ids that go on: also of who is away for the whole of one."""

from functools import partial

import numpy as np

from tracker.config import Config
from tracker.jobs.parts.cutting import VideoPart
from tracker.jobs.parts.joined import JoinedParts
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
