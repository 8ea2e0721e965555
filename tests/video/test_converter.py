"""Decoded frames become the pictures that swscale makes of them, in memory that is used again."""

from fractions import Fraction

import av
import numpy as np
import pytest

from tracker.video.pixels.converter import Converter

KINDS = [
    ("ffv1", "yuv420p", {}),
    ("ffv1", "yuv420p10le", {}),
    ("ffv1", "gray", {}),
    ("mjpeg", "yuvj420p", {}),
    ("rawvideo", "bgr24", {}),
    ("mpeg2video", "yuv420p", {"flags": "+ildct+ilme"}),  # interlaced: field by field
]


def frames(path, codec="ffv1", pixels="yuv420p", options=None, count=3, size=(64, 48), colours=(None,) * 2, shape=None):
    """The stream of a file of noise, and its decoded frames."""
    rng = np.random.default_rng(0)
    with av.open(str(path), "w", format="nut") as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        if shape is not None:
            stream.codec_context.sample_aspect_ratio = shape
        for _ in range(count):
            image = rng.integers(0, 256, (size[1], size[0], 3), np.uint8)
            frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format=pixels)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    container = av.open(str(path))
    stream = container.streams.video[0]
    decoded = list(container.decode(stream))
    for frame in decoded:
        if colours[0] is not None:
            frame.colorspace, frame.color_range = colours
    return stream, decoded


@pytest.mark.parametrize(("codec", "pixels", "options"), KINDS, ids=lambda value: str(value))
def test_the_pixels_are_those_of_swscale(tmp_path, codec, pixels, options):
    stream, decoded = frames(tmp_path / "clip.nut", codec, pixels, options, size=(94, 70))
    convert = Converter(stream)
    pictures = [convert(frame) for frame in decoded]  # all are kept: none may be written to again
    assert len(pictures) == 3
    for picture, frame in zip(pictures, decoded, strict=True):
        np.testing.assert_array_equal(picture, frame.to_ndarray(format="bgr24"))


@pytest.mark.parametrize(
    ("codec", "pixels", "size", "shape"),
    [
        ("libx264", "yuv420p10le", (94, 70), None),
        ("libx264", "yuv420p", (94, 70), Fraction(4, 3)),
        ("mpeg4", "yuv420p", (94, 71), None),
    ],
    ids=["10 bits", "anamorphic", "odd height"],
)
def test_colours_are_where_the_file_says(tmp_path, codec, pixels, size, shape):
    stream, decoded = frames(tmp_path / "clip.nut", codec, pixels, size=size, shape=shape)
    width = round(size[0] * (stream.sample_aspect_ratio or 1))
    for frame in decoded:
        np.testing.assert_array_equal(Converter(stream)(frame), frame.to_ndarray(format="bgr24", width=width))


@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("full", [1, 2])
def test_the_matrix_and_range_are_those_of_the_frame(tmp_path, matrix, full):
    stream, decoded = frames(tmp_path / "clip.nut", colours=(matrix, full))
    picture = Converter(stream)(decoded[0])
    np.testing.assert_array_equal(picture, decoded[0].to_ndarray(format="bgr24"))


def test_a_stream_may_change_its_size(tmp_path):
    stream, small = frames(tmp_path / "small.nut")
    large = frames(tmp_path / "large.nut", size=(128, 96))[1]
    convert = Converter(stream)
    assert [convert(frame).shape for frame in (small[0], large[0], small[1])] == [
        (48, 64, 3),
        (96, 128, 3),
        (48, 64, 3),
    ]


def test_the_memory_of_a_picture_that_is_gone_is_used_again_and_that_of_one_that_is_kept_is_not(tmp_path):
    stream, decoded = frames(tmp_path / "clip.nut", count=20, size=(320, 240))
    convert = Converter(stream)
    kept = convert(decoded[0])
    part, there = kept[:10, :10], kept.copy()
    del kept  # a part of it is still in use
    places, newest, others = set(), None, []
    for frame in decoded[1:]:
        newest = convert(frame)
        places.add(newest.ctypes.data)
        others.append(np.ones(newest.size, np.uint8))  # what else a process allocates meanwhile
    assert len(places) == 2, "the newest picture, and the one that is made"
    np.testing.assert_array_equal(part, there[:10, :10])


def test_who_draws_on_a_picture_does_not_draw_on_those_that_the_decoder_makes_of_it(tmp_path):
    path, image = tmp_path / "screen.flv", np.full((96, 128, 3), 100, np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flashsv", rate=10)  # decoded as BGR, and told by what has changed
        stream.width, stream.height, stream.pix_fmt = 128, 96, "bgr24"
        for number in range(3):
            image[:8, :8] = number
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")))
        container.mux(stream.encode(None))
    with av.open(str(path)) as container:
        convert = Converter(container.streams.video[0])
        for frame in container.decode(video=0):
            picture = convert(frame)
            assert (picture[40:, 40:] == 100).all()
            picture[:] = 255
