"""Frames that wait: whole where their pictures are needed, in a bounded number of bytes, without them otherwise. What
is drawn on them is what was asked for.
"""

import numpy as np
import pytest

from helpers.clips import pan
from tracker.jobs import result_files
from tracker.jobs.result_files import HeldFrames, ResultFiles
from tracker.jobs.result_folder import Output
from tracker.structures import Detections
from tracker.tracker import Tracker
from tracker.video.source import Frame, open_source


def frame(number: int) -> Frame:
    ramp = np.linspace(0, 255, 160, dtype=np.uint8)
    return Frame(np.ascontiguousarray(np.broadcast_to(ramp[None, :, None], (90, 160, 3))), number, number / 25)


def test_a_picture_comes_back_as_it_was():
    waiting, first = HeldFrames(pictures=True), frame(1)
    assert waiting.release(waiting.hold(first)) is first


def test_where_no_picture_is_needed_none_is_held():
    waiting = HeldFrames(pictures=False)
    held = waiting.hold(frame(7))
    assert held.frame.image.strides == (0, 0, 0) and not held.jpeg, "its size is known, its pixels are not held"
    then = waiting.release(held)
    assert (then.number, then.time_s) == (7, 7 / 25)


def test_beyond_the_limit_they_wait_as_jpegs_and_look_the_same(monkeypatch):
    size = frame(0).image.nbytes
    monkeypatch.setattr(result_files, "_HELD_BYTES", 5 * size)
    waiting = HeldFrames(pictures=True)
    held = [waiting.hold(frame(number)) for number in range(1, 41)]
    assert sum(wait.frame.image.nbytes + len(wait.jpeg) for wait in held) < 5 * size + 35 * size / 8
    back = [waiting.release(wait) for wait in held]
    assert [then.number for then in back] == list(range(1, 41))
    for then in back:
        assert then.image.shape == (90, 160, 3)
        assert np.abs(then.image.astype(int) - frame(1).image).max() <= 6
    assert waiting.hold(frame(41)).jpeg == b"", "and there is room again"


@pytest.mark.parametrize("pictures", [True, False])
def test_a_long_stream_holds_no_more_than_what_waits(pictures):
    waiting, queue = HeldFrames(pictures), []
    for number in range(200):
        queue.append(waiting.hold(frame(number)))
        if len(queue) > 12:
            waiting.release(queue.pop(0))
    assert waiting._bytes == (12 * frame(0).image.nbytes if pictures else 0)


def test_what_is_drawn_can_be_chosen(tmp_path):
    """Somebody walks to the right, past a text's width, so that trail, label and box lie apart."""

    def drawn(**style):
        tracker, folder = Tracker(), tmp_path / "-".join(style or ["all"])
        folder.mkdir()
        with (
            open_source(pan(tmp_path / "pan.mp4", 2)) as source,
            ResultFiles(folder, source, Output(**style), lambda _: None) as files,
        ):
            for number in range(12):
                last = Frame(np.zeros((240, 480, 3), np.uint8), number + 1, number / 12)
                walked = Detections([[40 + 20 * number, 100, 80 + 20 * number, 200]])
                files.take(last, tracker.update(None, walked, time_s=last.time_s))
        return last.image.any(axis=2)  # drawn in place

    everything, bare = drawn(), drawn(labels=False, trails=False)
    for without in (drawn(labels=False), drawn(trails=False)):
        assert bare.sum() < without.sum() < everything.sum()
    assert drawn(labels=False, trails=False, line_width=9).sum() > 2 * bare.sum()
