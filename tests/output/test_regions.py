"""What is ignored is hatched: faintly, inside its region, on any picture."""

import numpy as np
import pytest

from tracker.output.regions import IgnoredRegions

LEFT_HALF = [np.array([[0.0, 0.0], [160.0, 0.0], [160.0, 240.0], [0.0, 240.0]])]


def drawn(shade, outlines=LEFT_HALF, size=(240, 320)):
    image = np.full((*size, 3), shade, np.uint8)
    IgnoredRegions(lambda _: outlines).draw(image)
    return image


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_a_region_is_seen_on_any_picture_and_what_is_in_it_too(shade):
    change = np.abs(drawn(shade)[:, :158].astype(int) - shade).max(-1)
    assert (change > 25).mean() > 0.02
    assert change.mean() < 20


def test_nothing_outside_of_it_is_touched():
    assert (drawn(128)[:, 164:] == 128).all()


def test_it_says_what_it_is_where_there_is_room():
    small = [np.array([[10.0, 10.0], [30.0, 10.0], [30.0, 30.0], [10.0, 30.0]])]
    bright = [(image.astype(int) - 128).max() for image in (drawn(128), drawn(128, small))]
    assert bright[0] > bright[1] > 0, "the text is brighter than a border"


def test_it_follows_the_size_of_the_frames():
    asked = []
    regions = IgnoredRegions(lambda size: asked.append(size) or [LEFT_HALF[0] * (size[0] / 320)])
    pictures = [np.full((height, width, 3), 128, np.uint8) for width, height in ((320, 240), (320, 240), (640, 480))]
    for picture in pictures:
        regions.draw(picture)
    assert asked == [(320, 240), (640, 480)]
    assert (pictures[2][:, 328:] == 128).all()
    assert (pictures[2][:, 170:310] != 128).any()
