"""Who reads on from a bookmark gets the frames and times of who has read all, whatever the format makes of seeking."""

import zlib
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
import PIL.Image
import pytest

from tracker.errors import SourceError
from tracker.video import container
from tracker.video.bookmark import digest
from tracker.video.pixels.converter import Converter
from tracker.video.source import open_source

FRAMES = 130
NOISE = np.random.default_rng(0).integers(0, 256, (96, 400, 3), np.uint8)


def pictures(frames=FRAMES):
    for number in range(frames):
        yield np.ascontiguousarray(NOISE[:, 2 * number : 2 * number + 128])


def encoded(path, codec="libx264", stamps=None, frames=FRAMES, **options):
    """A clip of pictures that move, at 25 frames/s or at these times in 90,000ths of a second."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream(codec, rate=25, options={key: str(value) for key, value in options.items()})
        stream.width, stream.height, stream.pix_fmt = 128, 96, "yuv420p"
        if stamps is not None:
            stream.codec_context.time_base = Fraction(1, 90_000)
        for number, picture in enumerate(pictures(frames)):
            frame = av.VideoFrame.from_ndarray(picture, "bgr24")
            if stamps is not None:
                frame.pts, frame.time_base = int(stamps[number]), Fraction(1, 90_000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    return path


def uneven():
    """Times whose steps vary threefold."""
    return np.cumsum(np.random.default_rng(1).integers(2000, 6000, FRAMES))


def folder(path):
    path.mkdir()
    for number, picture in enumerate(pictures(20)):
        cv2.imwrite(str(path / f"{number}.png"), picture)
    return path


def animated(path):
    first, *others = (PIL.Image.fromarray(picture) for picture in pictures(12))
    durations = [40 + 10 * number for number in range(12)]
    first.save(path, save_all=True, append_images=others, duration=durations, lossless=True)
    return path


def cut(path):
    """Without its last third."""
    content = path.read_bytes()
    path.write_bytes(content[: 2 * len(content) // 3])
    return path


def spoiled(path):
    """With rubbish in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 3 : len(content) // 3 + 900] = bytes(900)
    path.write_bytes(content)
    return path


def twice(path):
    """Two recordings one after the other, the second with the times of the first."""
    first = encoded(path.with_name("first.ts"), frames=60).read_bytes()
    path.write_bytes(first + first)
    return path


SOURCES = {
    "mp4": lambda p: encoded(p / "a.mp4", g=20),
    "b-frames": lambda p: encoded(p / "a.mp4", g=30, bf=3, **{"x264-params": "b-pyramid=normal"}),
    "open groups": lambda p: encoded(p / "a.mkv", g=24, bf=3, **{"x264-params": "open-gop=1"}),
    "uneven": lambda p: encoded(p / "a.mp4", stamps=uneven(), g=15, bf=2),
    "no key frames": lambda p: encoded(p / "a.mp4", **{"x264-params": "intra-refresh=1:keyint=30"}),
    "transport stream": lambda p: encoded(p / "a.ts", g=20, bf=2),
    "avi": lambda p: encoded(p / "a.avi", "mpeg4", g=20),
    "joined": lambda p: twice(p / "a.ts"),
    "truncated": lambda p: cut(encoded(p / "a.mkv", g=20)),
    "damaged": lambda p: spoiled(encoded(p / "a.mkv", g=20, bf=2)),
    "folder": lambda p: folder(p / "images"),
    "animation": lambda p: animated(p / "a.webp"),
}


def read(source):
    """Number, time, picture and bookmark of every frame, and the error at the end."""
    frames, error = [], ""
    try:
        for frame in source:
            mark = replace(frame.bookmark, digest=digest(frame.image))
            frames.append(((frame.number, frame.time_s, zlib.crc32(frame.image)), mark))
    except SourceError as ended:
        error = str(ended)
    return frames, error


@pytest.mark.parametrize(("stride", "fps"), [(1, None), (3, None), (1, 10.0)])
@pytest.mark.parametrize("kind", SOURCES)
def test_it_goes_on_with_the_same_frames(kind, stride, fps, tmp_path, monkeypatch):
    monkeypatch.setattr(container, "_FAR", 30)
    path = SOURCES[kind](tmp_path)
    with open_source(path, stride, fps=fps) as source:
        frames, error = read(source)
    assert len(frames) > 3
    for place in sorted({1, len(frames) // 2, 3 * len(frames) // 4, len(frames) - 1}):
        with open_source(path, stride, fps=fps) as source:
            source.go_on(frames[place][1])
            rest, ended = read(source)
        # what a decoder puts where a picture is damaged is not the same each time
        told = slice(2) if kind == "damaged" else slice(None)
        assert [said[told] for said, _ in rest] == [said[told] for said, _ in frames[place:]]
        assert ended == error


def found(path, mark):
    pictures = container.sought(av.open(str(path)), str(path), mark)
    if pictures is None:
        return None
    stamp, image = next(pictures)
    assert stamp == mark.stamp_s and digest(image()) == mark.digest
    return stamp


@pytest.fixture
def marks(tmp_path, monkeypatch):
    monkeypatch.setattr(container, "_FAR", 30)
    path = encoded(tmp_path / "a.mp4", g=20, bf=2)
    with open_source(path) as source:
        return path, [mark for _, mark in read(source)[0]]


class TestSeeking:
    def test_needs_no_decoding_from_the_start(self, marks, monkeypatch):
        path, (*_, last) = marks
        decoded = []
        convert = Converter.__call__
        monkeypatch.setattr(
            Converter, "__call__", lambda self, frame: decoded.append(frame.pts) or convert(self, frame)
        )
        assert found(path, last) == last.stamp_s
        assert len(decoded) == 2, "converted alone are the one that is looked at, and it once more for this test"

    def test_is_not_believed_where_the_picture_is_another(self, marks):
        path, frames = marks
        assert found(path, frames[80]) is not None
        assert found(path, replace(frames[80], digest=1)) is None

    def test_is_by_time_alone_where_the_picture_is_not_known(self, marks):
        path, frames = marks
        _, image = next(container.sought(av.open(str(path)), str(path), replace(frames[80], digest=None)))
        assert digest(image()) == frames[80].digest

    def test_is_not_tried_where_times_have_gone_back_or_are_missing(self, marks):
        path, frames = marks
        assert found(path, replace(frames[80], in_order=False)) is None
        assert found(path, replace(frames[80], stamp_s=None)) is None
        assert found(path, replace(frames[80], stamp_s=frames[80].stamp_s + 0.001)) is None

    def test_near_the_beginning_all_is_decoded(self, marks):
        path, frames = marks
        assert found(path, frames[20]) is None
