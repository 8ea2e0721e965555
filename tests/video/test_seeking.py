"""Frames by number are the frames that `Source` counts, wherever one begins."""

import cv2
import numpy as np
import pytest

from helpers.crowded_runs import number_in, write_video
from tracker.errors import SourceError
from tracker.video.recorded.seeking import FramesByNumber

FRAMES = 130


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return write_video(tmp_path_factory.mktemp("video") / "numbers.mp4", FRAMES)


def said(frames, number):
    """The number that the picture of a frame says."""
    image = next(image for found, image in frames.read(number) if found == number)
    return number_in(image())


@pytest.mark.parametrize("number", [1, 2, 11, 12, 13, 64, FRAMES])
def test_a_frame_of_a_video_is_found_by_its_time(video, number):
    frames = FramesByNumber(video, np.arange(FRAMES) / 25)
    assert said(frames, number) == number


def test_it_is_read_from_a_key_frame_near_it_not_from_the_first(video):
    frames = FramesByNumber(video, np.arange(FRAMES) / 25)
    assert next(frames.read(100))[0] > 80
    assert [found for found, _ in frames.read(100)][-1] == FRAMES


def test_times_that_are_not_the_file_s_are_not_believed(video):
    """As of a video whose stamps were corrected, or that was read with --fps."""
    frames = FramesByNumber(video, np.arange(FRAMES) / 10)
    assert [said(frames, number) for number in (1, 64, FRAMES, 7)] == [1, 64, FRAMES, 7]


def test_frames_after_the_end_of_the_run_are_there(video):
    frames = FramesByNumber(video, np.arange(40) / 25)
    assert said(frames, 90) == 90


def test_a_frame_beyond_the_end_is_not(video):
    frames = FramesByNumber(video, np.arange(FRAMES) / 25)
    assert FRAMES + 1 not in [found for found, _ in frames.read(FRAMES + 1)]


def test_images_are_counted_in_natural_order(tmp_path):
    for number in range(1, 13):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((40, 640, 3), number, np.uint8))
    frames = FramesByNumber(tmp_path, np.arange(12) / 30)
    assert not frames.is_video
    some = FramesByNumber([tmp_path / "3.png", tmp_path / "11.png"], np.arange(2) / 30)
    assert [int(image()[0, 0, 0]) for _, image in some.read(2)] == [11]
    assert [int(image()[0, 0, 0]) for _, image in frames.read(9)] == [9, 10, 11, 12]


def test_an_image_that_has_gone_is_named(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.zeros((40, 640, 3), np.uint8))
    frames = FramesByNumber(tmp_path, np.arange(1) / 30)
    (tmp_path / "1.png").unlink()
    with pytest.raises(SourceError, match=r"1\.png is not there any more"):
        next(frames.read(1))[1]()


def test_what_is_no_video_is_refused(tmp_path):
    (tmp_path / "secret.txt").write_text("root:x:0:0\n" * 50)
    with pytest.raises(SourceError):
        FramesByNumber(tmp_path / "secret.txt", np.arange(3) / 30)
