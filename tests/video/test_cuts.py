"""A source is read on from where its container says that a picture is, as if all before it had been read."""

import zlib

import numpy as np
import pytest
from test_bookmark import SOURCES

from tracker.errors import SourceError
from tracker.video import container
from tracker.video.recorded.cuts import SourceIndex
from tracker.video.source import open_source

CUT = ("mp4", "b-frames", "open groups", "uneven", "folder", "animation")


def read(source):
    return [(frame.number, frame.time_s, zlib.crc32(frame.image)) for frame in source]


@pytest.mark.parametrize(("stride", "fps"), [(1, None), (3, 10.0)])
@pytest.mark.parametrize("kind", CUT)
def test_one_with_an_index_is_read_from_any_of_its_frames_to_any_other(kind, stride, fps, tmp_path, monkeypatch):
    monkeypatch.setattr(container, "_FAR", 30)
    path = SOURCES[kind](tmp_path)
    with open_source(path, stride, fps=fps) as source:
        frames = read(source)
    index = SourceIndex.of(path, fps)
    assert [said[1] for said in frames] == index.times_s[::stride].tolist()
    places = np.array([0, len(frames) // 2, len(frames) - 2])
    for place, mark in zip(places, index.bookmarks(places * stride), strict=True):
        with open_source(path, stride, fps=fps) as source:
            for _ in range(2):  # who reads on changes nothing that the next one needs
                source.go_on(mark, frames[-2][0])
                assert read(source) == frames[place:-1]


@pytest.mark.parametrize("kind", ["transport stream", "avi", "joined", "truncated"])
def test_one_that_would_have_to_be_decoded_from_its_beginning_has_none(kind, tmp_path):
    assert SourceIndex.of(SOURCES[kind](tmp_path)) is None


def test_one_that_is_not_there_is_said(tmp_path):
    with pytest.raises(SourceError, match="no file"):
        SourceIndex.of(tmp_path / "none.mp4")
