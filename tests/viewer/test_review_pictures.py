"""Frames as pictures: the video is looked through as seldom as can be."""

from contextlib import closing

import cv2
import numpy as np
import pytest

from helpers.crowded_runs import number_in, write_video
from tracker.video.recorded.seeking import FramesByNumber
from tracker.viewer.review import pictures
from tracker.viewer.review.pictures import FramePictures

FRAMES = 40


class Counting(FramesByNumber):
    """Which frames were looked for anew."""

    def read(self, number):
        self.sought = [*getattr(self, "sought", []), number]
        return super().read(number)


@pytest.fixture
def frames(tmp_path, monkeypatch):
    monkeypatch.setattr(pictures, "_AHEAD", 0)
    return Counting(write_video(tmp_path / "video.mp4", FRAMES), np.arange(FRAMES) / 25)


def test_questions_that_come_in_another_order_than_the_frames_do_not_look_for_a_place_anew(frames):
    with closing(FramePictures(frames)) as shown:
        for number, whole in ((10, False), (15, False), (14, False), (12, False), (14, True), (16, False)):
            jpeg = np.frombuffer(shown.jpeg(number, whole), np.uint8)
            assert number_in(cv2.imdecode(jpeg, cv2.IMREAD_COLOR)) == number
    assert frames.sought == [10]


def test_what_was_passed_long_ago_is_looked_for_anew(frames):
    with closing(FramePictures(frames)) as shown:
        for number in (1, 22, 3):
            assert shown.jpeg(number) is not None
        assert len(shown._held) <= pictures._HELD
    assert frames.sought == [1, 3]


def test_a_look_back_at_what_is_held_does_not_read_all_that_lies_between(frames):
    with closing(FramePictures(frames)) as shown:
        for number, whole in ((30, False), (2, False), (30, True)):
            assert shown.jpeg(number, whole) is not None
        assert shown._ahead == 2
    assert frames.sought == [30, 2]
