"""Some pictures of a source, spread evenly over it."""

from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from tracker.errors import SourceError
from tracker.video.recorded.stills import stills

QUARTERS = [1 / 8, 3 / 8, 5 / 8, 7 / 8]


def shades(path, frames=100, key_every=1000):
    """A clip that turns from dark to bright, two grey levels a frame (and dark again after 128)."""
    with av.open(str(path), "w") as container:
        options = {"preset": "ultrafast", "crf": "10", "g": str(key_every)}
        stream = container.add_stream("libx264", rate=Fraction(25), options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for frame in range(frames):
            view = np.full((48, 64, 3), 2 * frame % 256, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(view, format="bgr24")))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("key_every", [1, 30, 1000])
def test_of_a_video_they_are_from_its_whole_length_wherever_its_key_frames_are(tmp_path, key_every):
    found = stills(shades(tmp_path / "a:b.mp4", key_every=key_every), QUARTERS, 4)
    assert [image.shape for image in found] == [(48, 64, 3)] * 4
    assert np.allclose([image.mean() for image in found], [25, 75, 125, 175], atol=4)


def test_of_a_folder_they_are_its_images(tmp_path):
    for number in range(7):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((4, 6, 3), number, np.uint8))
    assert [image[0, 0, 0] for image in stills(tmp_path, QUARTERS, 7)] == [0, 2, 4, 6]
    assert len(stills(tmp_path, np.linspace(0, 0.99, 20), 7)) == 7


def test_of_a_truncated_video_there_are_those_that_can_be_read(tmp_path):
    whole = shades(tmp_path / "whole.mkv", 200, 10).read_bytes()
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    assert 1 <= len(stills(tmp_path / "half.mkv", QUARTERS, 8)) <= 4


def test_what_is_no_video_is_told(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    for name in ("text.mp4", "empty"):
        with pytest.raises(SourceError, match=r"; "):
            stills(tmp_path / name, QUARTERS, 1)
