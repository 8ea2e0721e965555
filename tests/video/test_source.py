"""Sources: what every kind delivers, and what a user reads when it cannot be had. All files and servers are real."""

from __future__ import annotations

import base64
import gc
import http.server
import math
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import SourceError, UsageError
from tracker.provenance import command_line
from tracker.structures import Image
from tracker.system.images import quiet
from tracker.video import live, url
from tracker.video.clock import Clock
from tracker.video.source import Frame, Source, open_source, separate
from tracker.video.truncated import is_truncated
from tracker.video.url import fetch, host, is_url, redacted

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "clips"
FASTSTART = {"movflags": "faststart"}  # the index before the pictures


# What the tests are made of


def grey(index: int) -> int:
    return 32 + 5 * index


def picture(index: int, width: int = 64, height: int = 48) -> Image:
    """A grey whose level tells the index (up to 40), with noise at the left so that a file has some size."""
    image = np.full((height, width, 3), grey(index), np.uint8)
    noise = np.random.default_rng(index).integers(0, 255, (height, width // 2, 3), np.uint8)
    image[:, : width // 2] = noise
    return image


def index_of(frame: Frame) -> int:
    """Which `picture` a frame shows."""
    return round(float(frame.image[:, frame.image.shape[1] * 3 // 4 :].mean() - 30) / 5)  # swscale rounds down


def write_video(
    path: Path,
    pictures: Sequence[Image],
    times_s: Sequence[float] | None = None,
    codec: str = "libx264",
    rotation: int = 0,
    options: dict[str, str] | None = None,
    rate: int = 10,
) -> Path:
    """A video at `rate` frames/s, or with the given times; with B-frames where the codec has them."""
    with av.open(str(path), "w", options=options or {}) as container:
        b_frames = {"libx264": {"bf": "3", "x264-params": "b-adapt=0"}, "mpeg2video": {"bf": "2"}, "mpeg4": {"bf": "2"}}
        stream = container.add_stream(codec, rate=rate, options=b_frames.get(codec, {}))
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 4_000_000  # enough to keep every level
        if rotation:
            stream.set_display_rotation(rotation)
        if times_s is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for index, image in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            if times_s is not None:
                frame.pts, frame.time_base = round(times_s[index] * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_images(folder: Path, names: Sequence[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(names):
        cv2.imwrite(str(folder / name), np.full((48, 64, 3), grey(index), np.uint8))
    return folder


def readable_frames(path: Path) -> int:
    """How many frames libav gets out of a file, one packet at a time and without threads."""
    count = 0
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "NONE"
        for packet in container.demux(video=0):
            with suppress(av.error.InvalidDataError):
                count += len(packet.decode())
    return count


def until_error(source: Source) -> tuple[list[Frame], str]:
    """All frames before the error that ends the source, and its message."""
    frames = []
    with pytest.raises(SourceError) as error, source:
        for frame in source:
            frames.append(frame)  # noqa: PERF402 - what came before the error is wanted
    return frames, str(error.value)


def decode_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("decode")]


@pytest.fixture(autouse=True)
def tidy(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """No test leaves a thread behind, and no source prints: libav and OpenCV write straight to stderr."""
    yield
    assert decode_threads() == []
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_video(tmp_path / "clip.mp4", [picture(i) for i in range(40)])


# A video file


def test_a_video_gives_every_frame_in_order(clip: Path) -> None:
    with open_source(clip) as source:
        frames = list(source)
    assert (source.name, source.fps, source.frame_count, source.size, source.live) == ("clip", 10, 40, (64, 48), False)
    assert [frame.number for frame in frames] == list(range(1, 41))
    assert [index_of(frame) for frame in frames] == list(range(40))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(40)])


@pytest.mark.parametrize("size", [(64, 48), (322, 242), (318, 198)], ids=["aligned", "odd rows", "padded rows"])
def test_frames_are_those_of_an_independent_decoder(tmp_path: Path, size: tuple[int, int]) -> None:
    path = write_video(tmp_path / "clip.mp4", [picture(i, *size) for i in range(5)])
    capture = cv2.VideoCapture(str(path))
    for frame in open_source(path):
        assert frame.image.dtype == np.uint8
        assert frame.image.flags.c_contiguous
        np.testing.assert_array_equal(frame.image, capture.read()[1])
    assert not capture.grab()


def test_colours_are_blue_green_red(tmp_path: Path) -> None:
    colours = [(250, 10, 20), (20, 240, 30), (10, 30, 230)]
    path = write_video(tmp_path / "c.mp4", [np.full((48, 64, 3), colour, np.uint8) for colour in colours])
    for frame, colour in zip(open_source(path), colours, strict=True):
        assert np.abs(frame.image.reshape(-1, 3).mean(0) - colour).max() < 6


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_time_is_the_containers_and_starts_at_zero(tmp_path: Path, suffix: str) -> None:
    times_s = [0, 0.04, 0.08, 0.3, 1.0, 1.01, 2.5]  # a phone in the dark: the frame rate varies
    path = write_video(tmp_path / f"c{suffix}", [picture(i) for i in range(7)], [5 + time_s for time_s in times_s])
    assert [frame.time_s for frame in open_source(path)] == pytest.approx(times_s, abs=1e-3)


@pytest.mark.parametrize("kind", ["images", "a sequence", "a video"])
def test_a_given_rate_takes_the_place_of_the_sources_own_times(tmp_path: Path, kind: str) -> None:
    """As of ffmpeg's -r before -i: of a time-lapse, say, or of images that nobody told the rate of."""
    if kind == "a video":
        path = write_video(tmp_path / "c.mp4", [picture(i) for i in range(6)], [0, 0.04, 0.08, 0.3, 1.0, 2.5])
    else:
        path = write_images(tmp_path / "S" / "img1", [f"{i}.png" for i in range(6)])
    if kind == "a sequence":
        (tmp_path / "S" / "seqinfo.ini").write_text("[Sequence]\nframeRate=14\n")
    with open_source(path, vid_stride=2, fps=4) as source:
        assert source.fps == 2
        assert [frame.time_s for frame in source] == pytest.approx([0, 0.5, 1.0])


def test_a_rate_is_a_positive_number_and_of_something_recorded(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for fps in (0, -1, math.nan, math.inf):
        with pytest.raises(UsageError, match=f"fps is {fps}; it must be a number above 0"):
            open_source(clip, fps=fps)
    capture = cv2.VideoCapture
    monkeypatch.setattr(cv2, "VideoCapture", lambda _: capture(str(clip)))  # OpenCV's real capture reads a file
    with pytest.raises(UsageError, match="camera 7 is live, its frames come at their own times; leave out --fps"):
        open_source("7", fps=25)


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_rotation_metadata_turns_the_frames(tmp_path: Path, rotation: int) -> None:
    image = np.zeros((48, 96, 3), np.uint8)
    image[:20, :40] = (0, 0, 255)
    path = write_video(tmp_path / "c.mp4", [image] * 3, rotation=rotation)
    expected = np.rot90(image, rotation // 90)  # both count to the left
    with open_source(path) as source:
        assert source.size == expected.shape[1::-1]
        for frame in source:
            assert frame.image.flags.c_contiguous
            np.testing.assert_allclose(frame.image, expected, atol=40)  # H.264 at an edge
            np.testing.assert_allclose(frame.image[::47, ::47], expected[::47, ::47], atol=10)


def test_stride_takes_every_kth_frame_with_its_own_number_and_time(clip: Path) -> None:
    with open_source(clip, vid_stride=3) as source:
        frames = list(source)
    assert source.fps == pytest.approx(10 / 3)
    assert source.frame_count == len(frames) == 14
    assert [frame.number for frame in frames] == list(range(1, 41, 3))
    assert [index_of(frame) for frame in frames] == list(range(0, 40, 3))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 10 for i in range(0, 40, 3)])


def test_stride_below_one_is_a_usage_error(clip: Path) -> None:
    with pytest.raises(UsageError, match="vid_stride is 0; it must be at least 1"):
        open_source(clip, vid_stride=0)


@pytest.mark.parametrize("name", ["cam:1.mp4", "größe 100%.mp4", "a[1].mp4", "-.mp4"])
def test_file_names_are_only_names(clip: Path, name: str) -> None:
    path = clip.rename(clip.with_name(name))
    with open_source(str(path)) as source:
        assert (source.name, len(list(source))) == (name.removesuffix(".mp4"), 40)


def test_files_whose_names_look_like_addresses_are_files(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cam:22", "bob:pw@cam.mp4"):
        (tmp_path / name).write_bytes(clip.read_bytes())
        assert open_source(name).name == Path(name).stem
        assert command_line([name]) == name
    write_images(tmp_path / "cam:80", ["1.jpg", "2.jpg"])
    assert open_source("cam:80/*.jpg").frame_count == 2


def test_a_source_can_be_read_again(clip: Path) -> None:
    with open_source(str(clip)) as source:
        assert [len([*source]), len([*source])] == [40, 40]


def test_sound_beside_the_video_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    with av.open(str(path), "w") as container:
        video_stream = container.add_stream("libx264", rate=10)
        video_stream.width, video_stream.height, video_stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream("aac", rate=8000)
        for index in range(10):
            container.mux(video_stream.encode(av.VideoFrame.from_ndarray(picture(index), format="bgr24")))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.float32), format="fltp", layout="mono")
            silence.sample_rate, silence.pts = 8000, index * 800
            container.mux(sound.encode(silence))
        container.mux(video_stream.encode())
        container.mux(sound.encode())
    assert [index_of(frame) for frame in open_source(path)] == list(range(10))


# The decoding thread


def test_a_consumer_that_stops_early_leaves_no_thread(clip: Path) -> None:
    for frame in open_source(clip):
        if frame.number == 3:
            break
    assert decode_threads() == []


def test_an_exception_in_the_consumer_leaves_no_thread(clip: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_source(clip) as source:
        for frame in source:
            frame.number // 0
    assert decode_threads() == []


def test_a_source_never_read_leaves_no_thread(clip: Path) -> None:
    source = open_source(clip)
    assert len(decode_threads()) == 1
    source.close()
    assert decode_threads() == []
    source = open_source(clip)
    del source
    gc.collect()
    assert decode_threads() == []


def test_closing_in_another_thread_ends_the_iteration(clip: Path) -> None:
    source = open_source(clip)
    frames = iter(source)
    next(frames)
    source.close()
    assert len(list(frames)) == 0


def test_a_source_that_is_closed_before_it_is_read_has_no_frames(clip: Path) -> None:
    """As where a run is stopped from another thread between opening and reading."""
    source = open_source(clip)
    begun = iter(source)
    closer = threading.Thread(target=source.close)
    closer.start()
    closer.join()
    assert list(begun) == []
    assert decode_threads() == []
    source = open_source(clip)
    source.close()
    assert list(source) == []
    assert decode_threads() == []


def test_a_source_that_was_read_and_closed_is_opened_again_not_iterated(clip: Path) -> None:
    with open_source(clip) as source:
        assert len(list(source)) == 40
        later = iter(source)
    assert list(later) == [], "it belongs to the time before"
    with pytest.raises(UsageError, match=r"clip\.mp4 is closed; open it again"):
        iter(source)
    assert decode_threads() == []


def test_whenever_it_is_closed_everything_ends(clip: Path) -> None:
    moments_s = np.random.default_rng(0).uniform(0, 0.03, 40)
    for moment_s in moments_s:
        source = open_source(clip)
        ended: list[str] = []

        def read_on(source: Source = source, ended: list[str] = ended) -> None:
            with suppress(UsageError):
                while True:
                    for _ in source:
                        pass
            ended.append("reader")

        reader = threading.Thread(target=read_on, daemon=True)
        reader.start()
        time.sleep(moment_s)
        source.close()
        reader.join(60)
        assert ended == ["reader"]
        assert decode_threads() == []


def test_few_frames_are_decoded_ahead_and_an_error_comes_in_its_turn(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "frames", [f"{i}.png" for i in range(30)])
    source = open_source(folder)
    time.sleep(0.2)  # long enough to read all thirty, if it did
    (folder / "20.png").unlink()
    frames, message = until_error(source)
    assert [frame.number for frame in frames] == list(range(1, 21))
    assert "20.png" in message


def test_the_clock_always_advances() -> None:
    clock = Clock(interval_s=0.1)
    stamps = [None, 7.0, 7.1, 7.1, 7.2, None, 7.5, 0.0, 0.1]  # missing, repeated, started over
    assert [clock(stamp) for stamp in stamps] == pytest.approx([0, 0.1, 0.2, 0.25, 0.3, 0.4, 0.6, 0.7, 0.8])


@pytest.mark.parametrize("back_s", [0.3, 0.5, 0.9, 5.0], ids="{} s".format)
def test_segments_whose_stamps_begin_anew_run_at_their_own_speed(back_s: float) -> None:
    clock = Clock(0.1)
    count = round(back_s / 0.1) + 1
    times_s = [clock(100 + 0.1 * (i % count)) for i in range(4 * count)]
    assert times_s == pytest.approx([0.1 * i for i in range(4 * count)])


@pytest.mark.parametrize("wrong_s", [0.0, 6.5, 1e9, math.nan, -math.inf], ids="{}".format)
def test_one_wrong_stamp_costs_only_its_own_time(wrong_s: float) -> None:
    clock = Clock(0.1)
    stamps = [7.0, 7.1, 7.2, wrong_s, 7.4, 7.5, 7.6]
    assert [clock(stamp) for stamp in stamps] == pytest.approx([0.1 * i for i in range(7)])


def test_a_gap_of_hours_is_kept_but_not_where_the_wall_clock_says_that_none_was() -> None:
    clock = Clock(0.1)
    assert [clock(stamp) for stamp in (0, 0.1, 25200, 25200.1)] == pytest.approx([0, 0.1, 25200, 25200.1])
    clock = Clock(0.1)
    assert [clock(stamp, latest_s=20) for stamp in (0, 0.1, 25200, 25200.1)] == pytest.approx([0, 0.1, 0.2, 0.3])


@given(
    st.lists(st.none() | st.floats(), max_size=60),
    st.floats(1e-3, 1.0),
    st.lists(st.floats(0, 1e6) | st.just(math.inf), min_size=60, max_size=60),
)
def test_time_advances_and_is_finite_whatever_the_stamps(
    stamps: list[float | None], interval_s: float, latest_s: list[float]
) -> None:
    clock = Clock(interval_s)
    times_s = [clock(stamp, latest) for stamp, latest in zip(stamps, latest_s, strict=False)]
    assert np.isfinite(times_s).all()
    assert (np.diff(times_s) > 0).all()


@given(
    st.sampled_from([1 / 60, 0.04, 0.1, 0.5]),
    st.lists(st.tuples(st.integers(3, 40), st.floats(0, 1e6)), min_size=1, max_size=8),
)
def test_the_rate_is_the_streams_however_often_its_stamps_begin_anew(
    interval_s: float, segments: list[tuple[int, float]]
) -> None:
    clock, end_s, times_s = Clock(interval_s), 0.0, []
    for count, start_s in segments:
        start_s = min(start_s, end_s - 3 * interval_s)  # later would be jitter, or a gap
        times_s += [clock(start_s + i * interval_s) for i in range(count)]
        end_s = start_s + count * interval_s
    assert times_s[-1] == pytest.approx((len(times_s) - 1) * interval_s, rel=1e-6, abs=1e-6)


# Files that are not what they should be

CUT = {  # container: codec, options
    ".mp4": ("libx264", FASTSTART),
    ".mov": ("mpeg4", FASTSTART),
    ".mkv": ("libx264", {}),
    ".webm": ("libvpx", {}),
    ".avi": ("mpeg4", {}),
}


@pytest.mark.parametrize("suffix", CUT)
def test_a_truncated_file_gives_what_can_be_read_then_says_how_much(tmp_path: Path, suffix: str) -> None:
    codec, options = CUT[suffix]
    whole = write_video(tmp_path / f"whole{suffix}", [picture(i) for i in range(40)], codec=codec, options=options)
    assert len(list(open_source(whole))) == 40  # and no error
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    readable = readable_frames(cut)
    frames, message = until_error(open_source(cut))
    assert 15 < len(frames) == readable < 35
    assert f"{cut} is truncated: {readable} frames could be read; copy or download it again" == message


def test_a_truncated_file_is_reported_under_a_stride_too(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "a.mp4", [picture(i) for i in range(40)], options=FASTSTART)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    frames, message = until_error(open_source(whole, vid_stride=2))
    assert f"{2 * len(frames)} frames could be read" in message or f"{2 * len(frames) - 1} frames" in message


def test_a_truncated_file_whose_index_was_at_its_end_is_lost(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"clip\.mp4 is truncated and its index lost: 0 frames could be read"):
        open_source(clip)


@pytest.mark.parametrize(
    "suffix, options", [(".mp4", {"movflags": "frag_keyframe+empty_moov"}), (".mkv", {"live": "1"})]
)
def test_a_recording_without_length_is_whole(tmp_path: Path, suffix: str, options: dict[str, str]) -> None:
    path = write_video(tmp_path / f"recording{suffix}", [picture(i) for i in range(20)], options=options)
    assert len(list(open_source(path))) == 20


def test_rubbish_after_the_last_box_is_not_missing_data(clip: Path) -> None:
    clip.write_bytes(clip.read_bytes() + b"\xff" * 100)
    assert not is_truncated(clip)
    assert len(list(open_source(clip))) == 40


def test_damage_in_the_middle_costs_only_what_it_hit(clip: Path) -> None:
    data = bytearray(clip.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 200] = bytes(200)
    clip.write_bytes(data)
    frames = list(open_source(clip))
    assert 30 < len(frames) == readable_frames(clip)
    assert [index_of(frame) for frame in frames[:15]] == list(range(15))


def bad_inputs(folder: Path) -> dict[str, tuple[str | int | Path, str]]:
    """Case -> what the user gave, and what he must read."""
    clip = write_video(folder / "people.mp4", [picture(0)])
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("this is no video\n" * 100)
    (folder / "notes.txt").write_text("this is no video\n" * 100)
    (folder / "random.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    (folder / "image.jpg").write_text("no image")
    (folder / "bare").mkdir()
    (folder / "clips").mkdir()
    clip.rename(folder / "clips" / "a.mp4")
    (folder / "people.mp4").write_bytes((folder / "clips" / "a.mp4").read_bytes())
    (folder / "clips" / "b.mp4").write_bytes((folder / "clips" / "a.mp4").read_bytes())
    with wave.open(str(folder / "sound.wav"), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(16000))
    return {
        "missing": (folder / "peeple.mp4", f"did you mean {folder / 'people.mp4'}?"),
        "missing, nothing near": (folder / "zzz.mp4", "check the path"),
        "missing folder": (folder / "nowhere" / "a.mp4", f"there is no folder {folder / 'nowhere'}"),
        "impossible name": ("a\0b.mp4", "no file"),
        "nothing": ("", "empty text"),
        "empty": (folder / "empty.mp4", "is empty (0 bytes); copy or download it again"),
        "text named .mp4": (folder / "text.mp4", "is no video that can be read; give a video file"),
        "text": (folder / "notes.txt", "is text or data and no video"),
        "random bytes": (folder / "random.mp4", "is no video that can be read; give a video file"),
        "sound": (folder / "sound.wav", "has no video stream (only sound)"),
        "text named .jpg": (folder / "image.jpg", "is damaged or no image"),
        "folder without images": (folder / "bare", "holds no images (.bmp"),
        "folder of videos": (folder / "clips", "holds no images"),
        "glob of nothing": (str(folder / "*.xyz"), "no file matches"),
        "glob of videos": (str(folder / "clips" / "*.mp4"), "give several videos as several sources"),
        "camera": (97, "camera 97 cannot be opened; check its number"),
        "camera as text": ("98", "camera 98 cannot be opened"),
        "device": ("/dev/video99", "camera 99 cannot be opened"),
        "unknown protocol": ("gopher://bob:hunter2@host/a.mp4", "gopher://bob:***@host/a.mp4: unknown protocol"),
        "no host": ("rtsp:///live", "names no host"),
        "no protocol": ("bob:hunter2@host/live", "bob:***@host/live is no file; a stream begins with its protocol"),
        "no protocol, but slashes": ("//bob:hunter2@host:554/live", "//bob:***@host:554/live is no file; a stream"),
        "no protocol, a token": ("//ghp_16C7e42F@host/live", "//***@host/live is no file; a stream"),
        "no protocol, no password": ("host:554/live", "host:554/live is no file; a stream begins with its protocol"),
    }


def test_bad_input_is_one_sentence_that_says_what_to_do(tmp_path: Path) -> None:
    for case, (source, expected) in bad_inputs(tmp_path).items():
        with pytest.raises(SourceError) as error:
            open_source(source)
        message = str(error.value)
        assert expected in message, case
        assert "hunter2" not in message and "16C7" not in message, case
        assert "\n" not in message, case
        assert ";" in message or "?" in message or "there is no folder" in message, case


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no POSIX permissions here")
@pytest.mark.parametrize("kind", ["file", "folder"])
def test_no_permission_is_said(kind: str) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folder is closed to others already
        folder = Path(name)
        path = folder / "secret.mp4" if kind == "file" else write_images(folder / "secret", ["1.png"])
        if kind == "file":
            write_video(path, [picture(0)])
        folder.chmod(0o755)
        path.chmod(0)
        root = os.geteuid() == 0
        if root:  # who may read everything
            os.seteuid(65534)
        try:
            with pytest.raises(SourceError, match=f"no permission to read .*{path.name}; change it"):
                open_source(path)
        finally:
            if root:
                os.seteuid(0)
            path.chmod(0o700)


# Images


def test_images_come_in_natural_order_whatever_their_kind(tmp_path: Path) -> None:
    names = ["1.jpg", "2.png", "03.bmp", "10.webp", "a2.tif", "a10.jpeg"]
    folder = write_images(tmp_path / "holiday", names)
    (folder / "notes.txt").write_text("not an image")
    (folder / "._1.jpg").write_text("what macOS leaves")
    with open_source(folder) as source:
        frames = list(source)
    assert (source.name, source.fps, source.frame_count, source.size) == ("holiday", 30, 6, (64, 48))
    assert [index_of(frame) for frame in frames] == list(range(6))
    assert [frame.time_s for frame in frames] == pytest.approx([i / 30 for i in range(6)])


def test_images_may_differ_in_size(tmp_path: Path) -> None:
    for index, shape in enumerate([(48, 64), (100, 30), (20, 200)]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), np.zeros((*shape, 3), np.uint8))
    with open_source(tmp_path) as source:
        assert [frame.image.shape for frame in source] == [(48, 64, 3), (100, 30, 3), (20, 200, 3)]
        assert source.size == (64, 48)


def test_grey_and_transparent_and_16_bit_images_become_bgr(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.full((48, 64), 100, np.uint8))
    cv2.imwrite(str(tmp_path / "2.png"), np.full((48, 64, 4), 100, np.uint8))
    cv2.imwrite(str(tmp_path / "3.png"), np.full((48, 64, 3), 100 * 257, np.uint16))
    for frame in open_source(tmp_path):
        np.testing.assert_array_equal(frame.image, np.full((48, 64, 3), 100, np.uint8))


@pytest.mark.parametrize("given", ["NAME", "NAME/img1", "NAME/img1/*.jpg"])
def test_a_mot_sequence_has_its_name_and_frame_rate(tmp_path: Path, given: str) -> None:
    write_images(tmp_path / "ETH-07" / "img1", [f"{i:06}.jpg" for i in range(1, 4)])
    (tmp_path / "ETH-07" / "seqinfo.ini").write_text("[Sequence]\nname=ETH-07\nframeRate=14\nseqLength=3\n")
    with open_source(str(tmp_path / given.replace("NAME", "ETH-07"))) as source:
        assert (source.name, source.fps, source.frame_count) == ("ETH-07", 14, 3)
        assert [frame.time_s for frame in source] == pytest.approx([0, 1 / 14, 2 / 14])


@pytest.mark.parametrize("text", ["[Sequence]\nframeRate=fast\n", "frameRate=25\n", "[Sequence]\nframeRate=0\n"])
def test_a_broken_seqinfo_is_named(tmp_path: Path, text: str) -> None:
    folder = write_images(tmp_path / "S" / "img1", ["1.jpg"])
    (tmp_path / "S" / "seqinfo.ini").write_text(text)
    with pytest.raises(SourceError, match=r"seqinfo\.ini"):
        open_source(folder)


@pytest.mark.parametrize("damage", ["text", "cut", "empty"])
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_an_unreadable_image_is_named_after_those_before_it(tmp_path: Path, damage: str, suffix: str) -> None:
    write_images(tmp_path, [f"{i}{suffix}" for i in range(5)])
    bad = tmp_path / f"3{suffix}"
    cv2.imwrite(str(bad), picture(3))
    data = bad.read_bytes()
    bad.write_bytes({"text": b"no image at all", "cut": data[: len(data) // 2], "empty": b""}[damage])
    frames, message = until_error(open_source(tmp_path))
    assert [index_of(frame) for frame in frames] == [0, 1, 2]
    assert message == f"cannot read image {bad}: it is damaged or no image; replace or remove it"


def test_a_list_of_images_and_a_single_image_are_sources(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f", ["a.jpg", "b.jpg"])
    assert [index_of(frame) for frame in open_source([folder / "b.jpg", folder / "a.jpg"])] == [1, 0]
    with open_source(folder / "b.jpg") as source:
        assert [index_of(frame) for frame in source] == [1]
        assert source.frame_count == 1


def test_a_folder_named_like_a_camera_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "0001", ["1.jpg"])
    monkeypatch.chdir(tmp_path)
    with open_source("0001") as source:
        assert source.name == "0001"


def test_arguments_are_separated_into_sources(tmp_path: Path, clip: Path) -> None:
    a = write_images(tmp_path / "a", ["2.jpg", "10.jpg"])
    b = write_images(tmp_path / "b", ["1.jpg"])
    loose = sorted(a.glob("*.jpg")) + sorted(b.glob("*.jpg"))  # as a shell expands */*.jpg
    assert separate([*loose, clip, 0, "rtsp://h/x", a]) == [
        [a / "2.jpg", a / "10.jpg"],
        [b / "1.jpg"],
        clip,
        0,
        "rtsp://h/x",
        a,
    ]
    assert separate([str(tmp_path / "*.mp4"), str(a / "*.jpg"), "none*.mp4"]) == [
        clip,
        [a / "2.jpg", a / "10.jpg"],
        "none*.mp4",
    ]


def test_every_picture_of_an_image_file_is_a_frame(tmp_path: Path) -> None:
    pages = [PIL.Image.fromarray(np.full((48, 64, 3), 40 * page, np.uint8)) for page in range(5)]
    for name, own in (("a.webp", {"lossless": True, "duration": 100}), ("b.png", {"duration": 100}), ("c.tif", {})):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:], **own)
        source = open_source(tmp_path / name)
        assert source.frame_count == 5
        frames = list(source)
        assert [round(float(frame.image.mean()) / 40) for frame in frames] == list(range(5)), name
        assert np.diff([frame.time_s for frame in frames]) == pytest.approx(0.1 if own else 1 / 30)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tiff"])
def test_animations_and_pages_give_all_their_pictures(tmp_path: Path, name: str) -> None:
    pictures = [PIL.Image.fromarray(np.full((48, 64, 3), grey(i), np.uint8)) for i in range(6)]
    durations = {} if name == "a.tiff" else {"duration": [100, 100, 300, 100, 100, 100]}
    lossless = {"lossless": True} if name == "a.webp" else {}
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], **durations, **lossless)
    times_s = np.arange(6) / 30 if name == "a.tiff" else [0, 0.1, 0.2, 0.5, 0.6, 0.7]
    for place in (tmp_path / name, tmp_path):
        with open_source(place) as source:
            frames = list(source)
        assert [index_of(frame) for frame in frames] == list(range(6))
        assert [frame.time_s for frame in frames] == pytest.approx(times_s)
    with open_source(tmp_path / name, vid_stride=4) as source:
        assert source.frame_count == 2
        assert [index_of(frame) for frame in source] == [0, 4]


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_damaged_animations_are_named(tmp_path: Path, name: str) -> None:
    pictures = [PIL.Image.fromarray(picture(i)) for i in range(6)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:])
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=f"cannot read image .*{name}: it is damaged or no image"):
        list(open_source(tmp_path / name))


def test_pages_of_16_bits_become_8_as_single_ones_do(tmp_path: Path) -> None:
    pages = [np.full((48, 64), 257 * grey(i), np.uint16) for i in range(3)]
    cv2.imwritemulti(str(tmp_path / "stack.tif"), pages)
    assert [index_of(frame) for frame in open_source(tmp_path / "stack.tif")] == [0, 1, 2]


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_an_animation_is_decoded_once_and_has_its_own_rate(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [PIL.Image.fromarray(picture(i)) for i in range(12)]
    pictures[0].save(tmp_path / name, save_all=True, append_images=pictures[1:], duration=40)
    pillow, opened = PIL.Image.open, []
    monkeypatch.setattr(PIL.Image, "open", lambda path: (opened.append(path), pillow(path))[1])
    with open_source(tmp_path / name) as source:
        assert source.fps == pytest.approx(25)
        assert len(list(source)) == 12
    assert len(opened) == 3, "its times, when it is opened and when it is read, and its pictures"


@pytest.mark.parametrize("ahead, calls", [(1 << 20, 1), (4 * 48 * 64 * 3, 3), (1, 12)])
def test_pages_are_read_several_at_a_time(
    tmp_path: Path, ahead: int, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenCV goes through a TIFF from its first page each time: 1000 pages took 40 s."""
    shapes = [(48, 64), (24, 32), (48, 64)]
    pages = [np.full((*shapes[i % 3], 3), grey(i), np.uint8) for i in range(12)]
    cv2.imwritemulti(str(tmp_path / "stack.tif"), pages)
    opencv, made = cv2.imreadmulti, []
    monkeypatch.setattr(cv2, "imreadmulti", lambda *given, **flags: (made.append(given), opencv(*given, **flags))[1])
    monkeypatch.setattr("tracker.video.animation._AHEAD_BYTES", ahead)
    with open_source(tmp_path / "stack.tif") as source:
        frames = list(source)
        assert len(made) == calls
    assert [index_of(frame) for frame in frames] == list(range(12))
    assert [frame.image.shape[:2] for frame in frames] == 4 * shapes
    with open_source(tmp_path / "stack.tif", vid_stride=5) as source:
        assert [index_of(frame) for frame in source] == [0, 5, 10]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif", ".jpg"])
def test_plain_images_are_looked_at_by_opencv_alone(
    tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path, [f"{i}{suffix}" for i in range(3)])
    pillow, opened = PIL.Image.open, []
    monkeypatch.setattr(PIL.Image, "open", lambda path: (opened.append(path), pillow(path))[1])
    assert [index_of(frame) for frame in open_source(tmp_path)] == [0, 1, 2]
    assert opened == []


def test_hidden_images_are_no_frames(tmp_path: Path) -> None:
    write_images(tmp_path, ["1.png", "2.png", "._1.png"])
    assert len(list(open_source(tmp_path))) == 2


def test_pictures_of_any_shape_are_read(tmp_path: Path) -> None:
    for name, shape in (("panorama.png", (64, 17_000, 3)), ("column.png", (6000, 4, 3))):
        cv2.imwrite(str(tmp_path / name), np.zeros(shape, np.uint8))
        assert next(iter(open_source(tmp_path / name))).image.shape == shape


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="is a pipe or a device, no file; give a file"):
        open_source(tmp_path / "pipe.mp4")


def test_a_name_that_is_too_long_is_one_sentence() -> None:
    with pytest.raises(SourceError, match=r"cannot be read .*name too long.*check the path"):
        open_source("n" * 300 + ".mp4")


def test_anamorphic_video_keeps_its_shape(tmp_path: Path) -> None:
    path = tmp_path / "wide.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 72, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for index in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture(index, 72, 48), format="bgr24")))
        container.mux(stream.encode())
    source = open_source(path)
    assert source.size == (96, 48)
    assert [index_of(frame) for frame in source] == [0, 1, 2]


def test_opencv_is_quiet_in_several_threads_and_loud_again_afterwards() -> None:
    logging = cv2.utils.logging
    before = logging.getLogLevel()
    both = threading.Barrier(2)

    def first() -> None:
        with quiet():
            both.wait()  # the other is inside
            both.wait()  # and has left
            assert logging.getLogLevel() == logging.LOG_LEVEL_SILENT

    thread = threading.Thread(target=first)
    thread.start()
    with quiet():
        both.wait()
    both.wait()
    thread.join()
    assert logging.getLogLevel() == before


def test_a_pattern_in_a_folder_without_permission_finds_nothing() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = write_images(Path(name) / "secret", ["1.png"])
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        folder.chmod(0)
        if root:
            os.seteuid(65534)
        try:
            assert separate([folder / "1.png", f"{folder}/*.png"]) == [folder / "1.png", f"{folder}/*.png"]
            with pytest.raises(SourceError, match="no permission to read"):
                open_source(f"{folder}/*.png")
        finally:
            if root:
                os.seteuid(0)
            folder.chmod(0o700)


def test_a_pipe_among_images_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "1.jpg")
    with pytest.raises(SourceError, match=r"cannot read image .*1\.jpg: it is no file; remove it"):
        open_source(tmp_path)


# Cameras: none is attached here, so OpenCV's real capture reads a file in its place


def test_a_camera_is_taken_up_again_and_its_loss_is_an_error(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture = cv2.VideoCapture
    opened: list[int] = []

    def on_file(number: int) -> cv2.VideoCapture:
        opened.append(number)
        return capture(str(clip) if len(opened) < 3 else "unplugged")

    monkeypatch.setattr(cv2, "VideoCapture", on_file)
    monkeypatch.setattr(live, "PAUSE_S", 0.01)
    source = open_source("0", reconnect_s=0.1)
    assert (source.name, source.fps, source.frame_count, source.live) == ("camera0", 10, None, True)
    frames, message = until_error(source)
    assert 4 <= len(opened) < 10, "with growing pauses"
    assert (frames[0].number, frames[0].time_s) == (1, 0)
    assert np.all(np.diff([frame.time_s for frame in frames]) > 0)
    assert message == (
        "camera 0 dropped after 80 frames and did not come back within 0.1 s; check that it is on and reachable"
    )


# HTTP: Python's own server, which cannot seek, and servers that misbehave

Handler = type[http.server.BaseHTTPRequestHandler] | Callable[..., http.server.BaseHTTPRequestHandler]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        pass


class Misbehaving(http.server.BaseHTTPRequestHandler):
    """`/broken` sends half of what it promised, `/endless` promises nothing, `/camera` sends JPEGs twice."""

    data: bytes = b""
    sessions = 2

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        if self.path.startswith("/camera"):
            Misbehaving.sessions -= 1
            if Misbehaving.sessions < 0:
                return
        self.send_response(200)
        if self.path.startswith("/broken"):
            self.send_header("Content-Length", str(len(self.data)))
        if self.path.startswith("/camera"):
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        if self.path.startswith("/camera"):
            for index in range(20):
                jpeg = cv2.imencode(".jpg", picture(index))[1].tobytes()
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg))
                self.wfile.write(jpeg + b"\r\n")
                time.sleep(0.02)
        else:
            self.wfile.write(self.data[: len(self.data) // 2] if self.path.startswith("/broken") else self.data)


class Locked(Quiet):
    """Answers only those who know bob's password."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") == f"Basic {base64.b64encode(b'bob:hunter2').decode()}":
            super().do_GET()
        else:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="cameras"')
            self.send_header("Content-Length", "0")
            self.end_headers()


@pytest.fixture
def serve() -> Iterator[Callable[[Handler], str]]:
    servers: list[http.server.ThreadingHTTPServer] = []

    def start(handler: Handler) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    "name, options",
    [("end.mp4", {}), ("start.mp4", FASTSTART), ("a.mkv", {}), ("a.ts", {}), ("a.mpg", {})],
    ids=["index at the end", "index first", "Matroska", "MPEG-TS", "MPEG-PS"],
)
def test_a_video_on_a_web_server_is_read_whole(
    tmp_path: Path, serve: Callable[[Handler], str], name: str, options: dict[str, str]
) -> None:
    codec, rate = ("mpeg2video", 25) if name.endswith("mpg") else ("libx264", 10)
    write_video(tmp_path / name, [picture(i) for i in range(40)], codec=codec, options=options, rate=rate)
    with open_source(f"{serve(partial(Quiet, directory=tmp_path))}/{name}") as source:
        frames = list(source)
    assert (source.name, source.live) == ("127.0.0.1", False)
    assert [index_of(frame) for frame in frames] == list(range(40))


def test_a_web_server_may_ask_for_a_password(tmp_path: Path, clip: Path, serve: Callable[[Handler], str]) -> None:
    address = serve(partial(Locked, directory=tmp_path)).replace("http://", "http://bob:hunter2@")
    assert len(list(open_source(f"{address}/clip.mp4"))) == 40
    with pytest.raises(SourceError) as error:
        open_source(f"{address.replace('hunter2', 'letmein')}/clip.mp4")
    assert "the user or password is refused; write them as user:password@" in str(error.value)
    assert "letmein" not in str(error.value)


def test_a_password_does_not_follow_a_redirect_to_another_server(clip: Path, serve: Callable[[Handler], str]) -> None:
    """The index is at the end of the clip and Python's server cannot seek, so it is downloaded, too."""
    asked: list[str | None] = []

    class Other(Quiet):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization"))
            super().do_GET()

    other = serve(partial(Other, directory=str(clip.parent)))

    class Redirecting(Quiet):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization"))
            self.send_response(302)
            self.send_header("Location", f"{other}/{clip.name}")
            self.end_headers()

    address = serve(Redirecting).replace("http://", "http://bob:hunter2@")
    with fetch(f"{address}/{clip.name}", threading.Event()) as file:
        assert file.read() == clip.read_bytes()
    assert asked[0] is not None and asked[1] is None
    assert len(list(open_source(f"{address}/{clip.name}"))) == 40
    assert [heard for heard in asked if heard] and not any(asked[1::2][:1])


def test_a_download_is_bounded(clip: Path, serve: Callable[[Handler], str], monkeypatch: pytest.MonkeyPatch) -> None:
    class LeftAlone(Quiet):
        def do_GET(self) -> None:
            with suppress(OSError):  # the viewer leaves
                super().do_GET()

    monkeypatch.setattr(url, "LARGEST_DOWNLOAD", 1000)
    address = serve(partial(LeftAlone, directory=str(clip.parent)))
    with pytest.raises(SourceError, match=r"larger than the .* that may be downloaded .*download it yourself"):
        fetch(f"{address}/{clip.name}", threading.Event())


class Endless(Quiet):
    """Says that it sends `length` bytes, and sends `step` at a time for ever."""

    length, step, pause_s = "", 1 << 20, 0.0

    def do_GET(self) -> None:
        self.send_response(200)
        if self.length:
            self.send_header("Content-Length", self.length)
        self.end_headers()
        with suppress(OSError):
            while not time.sleep(self.pause_s):
                self.wfile.write(bytes(self.step))


def test_a_download_that_drips_is_given_up(serve: Callable[[Handler], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.video.url.PATIENCE_S", 0.5)
    address = serve(type("Dripping", (Endless,), {"step": 1, "pause_s": 0.05}))
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        fetch(f"{address}/a.mp4", threading.Event())
    assert time.monotonic() - begun < 60


@given(
    user=st.text(st.characters(codec="ascii", exclude_characters=":/?#@ ", min_codepoint=33), min_size=1, max_size=8)
)
def test_no_secret_is_shown(user: str) -> None:
    secret = "hunter2"
    for text in (f"rtsp://{user}:{secret}@cam/live", f"https://{secret}@cam/a", f"rtsp:/{user}:{secret}@cam",
                 f"http://cam/a?x={secret}", f"rtsp://cam/password={secret}&channel=1"):  # fmt: skip
        assert is_url(text)
        assert secret not in redacted(text)
        assert secret not in command_line(["track", text, f"--publish={text}"])


def test_a_video_missing_on_a_web_server_is_said(tmp_path: Path, serve: Callable[[Handler], str]) -> None:
    with pytest.raises(SourceError, match=r"the server has no such video \(404\); check the path"):
        open_source(f"{serve(partial(Quiet, directory=tmp_path))}/nothing.mp4")


def test_a_download_that_breaks_off_says_so_after_its_frames(
    tmp_path: Path, serve: Callable[[Handler], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.mp4", [picture(i) for i in range(40)], options=FASTSTART)
    monkeypatch.setattr(Misbehaving, "data", path.read_bytes())
    frames, message = until_error(open_source(f"{serve(Misbehaving)}/broken.mp4"))
    assert 10 < len(frames) < 30
    assert f"/broken.mp4 broke off after {len(frames)} frames" in message


def test_a_stream_without_length_ends_where_it_ends(
    tmp_path: Path, serve: Callable[[Handler], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "a.ts", [picture(i) for i in range(40)])
    monkeypatch.setattr(Misbehaving, "data", path.read_bytes())
    with open_source(f"{serve(Misbehaving)}/endless.ts") as source:
        assert (source.live, source.frame_count) == (True, None)
        frames = list(source)
    assert [index_of(frame) for frame in frames] == [frame.number - 1 for frame in frames]  # dropped ones count
    assert 35 < frames[-1].number <= 40


def test_an_http_camera_has_the_clocks_time_and_its_loss_is_an_error(
    serve: Callable[[Handler], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "PAUSE_S", 0.01)
    monkeypatch.setattr(Misbehaving, "sessions", 2)
    address = serve(Misbehaving)
    started = time.monotonic()
    source = open_source(f"{address}/camera?user=bob&pwd=hunter2", reconnect_s=0.3)
    assert source.live
    frames, message = until_error(source)
    elapsed_s = time.monotonic() - started
    assert len(frames) > 20  # it was reconnected to
    second_s = 18 * 0.02  # the second connection lasts longer than that
    assert second_s < frames[-1].time_s < elapsed_s  # 25 frames/s, as libav counts, would be twice as much
    assert message.startswith(f"{address}/camera?... dropped after 4")
    assert "hunter2" not in message


# RTSP: GStreamer's server, in a process of its own

SYSTEM_PYTHON = Path("/usr/bin/python3")
FIND_SERVER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


def has_rtsp_server() -> bool:
    if not SYSTEM_PYTHON.exists():
        return False
    return subprocess.run([SYSTEM_PYTHON, "-c", FIND_SERVER], capture_output=True, check=False).returncode == 0


needs_rtsp = pytest.mark.skipif(
    not has_rtsp_server(), reason="no GStreamer RTSP server (Debian: gir1.2-gst-rtsp-server-1.0 python3-gi)"
)


def camera(width: int = 320, height: int = 240) -> str:
    """A GStreamer pipeline that looks like an IP camera of 25 frames/s."""
    return (
        f"( videotestsrc is-live=true ! video/x-raw,width={width},height={height},framerate=25/1 ! x264enc "
        "tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 )"
    )


class RtspServer:
    def __init__(self, launch: str, port: int = 0, login: Sequence[str] = ()) -> None:
        script = Path(__file__).parents[1] / "helpers" / "rtsp_server.py"
        command = [str(SYSTEM_PYTHON), str(script), str(port), launch, *login]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(self.process.stdout.readline())
        self.url = f"rtsp://127.0.0.1:{self.port}/live"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self) -> RtspServer:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()


@needs_rtsp
def test_a_camera_stream_is_read_in_its_own_time() -> None:
    with RtspServer(camera()) as server, open_source(server.url) as source:
        assert (source.name, source.fps, source.frame_count, source.size) == ("127.0.0.1", 25, None, (320, 240))
        assert source.live
        frames = [frame for frame, _ in zip(source, range(50), strict=False)]
    assert (frames[0].number, frames[0].time_s) == (1, 0)
    assert [frame.time_s * 25 + 1 for frame in frames] == pytest.approx([frame.number for frame in frames], abs=0.1)


@needs_rtsp
def test_a_slow_consumer_of_a_stream_misses_frames_and_does_not_lag() -> None:
    with RtspServer(camera()) as server, open_source(server.url) as source:
        frames = iter(source)
        next(frames)
        time.sleep(1.5)
        late = [next(frames) for _ in range(3)]
    assert late[0].number > 15  # of about 37 that came meanwhile
    assert late[2].number - late[0].number < 10


@needs_rtsp
def test_a_stream_that_drops_delivers_its_frames_then_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE_S", 0.1)
    frames: list[Frame] = []
    with RtspServer(camera(), login=("bob", "hunter2")) as server:
        url = server.url.replace("rtsp://", "rtsp://bob:hunter2@")
        with pytest.raises(SourceError) as error, open_source(url, reconnect_s=1) as source:
            for frame in source:
                frames.append(frame)
                if len(frames) == 20:
                    server.kill()
    message = str(error.value)
    assert len(frames) >= 20
    assert f"dropped after {frames[-1].number} frames and did not come back within 1 s" in message
    assert message.startswith(f"rtsp://bob:***@127.0.0.1:{server.port}/live")
    assert "hunter2" not in message + source.name


@needs_rtsp
def test_a_stream_that_comes_back_goes_on_even_with_another_size() -> None:
    with ExitStack() as stack:
        server = stack.enter_context(RtspServer(camera()))
        source = stack.enter_context(open_source(server.url))
        before, after = [], []
        for frame in source:
            (before if frame.image.shape == (240, 320, 3) else after).append(frame)
            if len(before) == 10 and not after:
                server.kill()
                stack.enter_context(RtspServer(camera(640, 480), server.port))
            if len(after) == 5:
                break
    assert after[0].image.shape == (480, 640, 3)
    assert after[0].number > before[-1].number
    assert 0.5 < after[0].time_s - before[-1].time_s < 10  # the gap counts
    assert after[4].time_s - after[0].time_s < 2


@needs_rtsp
def test_a_video_served_by_rtsp_ends_without_error(clip: Path) -> None:
    launch = f"( filesrc location={clip} ! qtdemux ! h264parse ! rtph264pay name=pay0 pt=96 )"
    with RtspServer(launch) as server, open_source(server.url) as source:
        assert [index_of(frame) for frame in source] == list(range(40))


@needs_rtsp
def test_a_wrong_stream_password_is_refused_and_not_shown() -> None:
    with RtspServer(camera(), login=("bob", "hunter2")) as server, pytest.raises(SourceError) as error:
        open_source(server.url.replace("rtsp://", "rtsp://bob:letmein@"))
    assert "the user or password is refused" in str(error.value)
    assert "letmein" not in str(error.value)


@pytest.mark.parametrize("password", ["hunter2", "hun/ter2", "hun@ter2", "hun?ter2"])
def test_a_dead_stream_fails_fast_without_its_password(password: str) -> None:
    with pytest.raises(SourceError) as error:
        open_source(f"rtsp://bob:{password}@127.0.0.1:9/live")
    shown: BaseException | None = error.value
    assert "rtsp://bob:***@127.0.0.1:9/live" in str(shown)
    assert "ter2" not in str(shown)
    assert shown.__cause__ is None and shown.__suppress_context__  # libav's message, which has it, is not printed


def test_a_server_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracker.video.container.SILENCE_S", 0.5)
    listener = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)  # accepts, and is never run
    started = time.monotonic()
    with pytest.raises(SourceError, match="no video answers there; check the address and that it is on"):
        open_source(f"rtsp://127.0.0.1:{listener.server_port}/live")
    assert time.monotonic() - started < 60
    listener.server_close()


@pytest.mark.parametrize(
    "url, shown, name",
    [
        ("rtsp://10.0.0.7/live", "rtsp://10.0.0.7/live", "10.0.0.7"),
        ("rtsp://bob:pw@cam.home:554/live", "rtsp://bob:***@cam.home:554/live", "cam.home"),
        ("RTSP://bob@cam/live", "rtsp://***@cam/live", "cam"),  # a name alone may be a token
        ("https://ghp_16C7e42F@cam/a.mp4", "https://***@cam/a.mp4", "cam"),
        ("https://ghp_16C7e42F:@cam/a.mp4", "https://***@cam/a.mp4", "cam"),
        ("rtsp:/bob:pw@cam/live", "rtsp:/bob:***@cam/live", "cam"),
        (" rtsp://bob:pw@cam/live", "rtsp://bob:***@cam/live", "cam"),
        ("rtsp://bob:1?2@cam/live", "rtsp://bob:***@cam/live", "cam"),
        ("rtsp://bob:p@w@cam/live", "rtsp://bob:***@cam/live", "cam"),
        ("rtsp://bob:1/2@cam/live", "rtsp://bob:***@cam/live", "cam"),
        ("http://cam:80/v.cgi?user=bob&pwd=pw", "http://cam:80/v.cgi?...", "cam"),
        ("rtsp://cam/user=bob&password=pw&channel=1", "rtsp://cam/user=bob&password=***&channel=1", "cam"),
        ("http://[::1]:80/a@b.mp4", "http://[::1]:80/a@b.mp4", "::1"),
        ("http://cam/@home/a.mp4", "http://cam/@home/a.mp4", "cam"),
    ],
)
def test_what_is_shown_of_a_url(url: str, shown: str, name: str) -> None:
    assert (redacted(url), host(url)) == (shown, name)


@given(
    scheme=st.sampled_from(["rtsp://", "https://", "rtsp:/", "http:/", " RTSP://", "gopher://", "", "//", " //"]),
    user=st.sampled_from(["", "bob", "a.b"]),
    password=st.text(st.characters(codec="ascii", categories=["L", "N", "P", "S"]), min_size=6),
    place=st.sampled_from(["cam", "cam:554/live", "[::1]:554/a/b.mp4", "10.0.0.7/a?b=c"]),
)
def test_no_password_survives(scheme: str, user: str, password: str, place: str) -> None:
    password = f"Zq{password}"  # digits and a slash alone would be a port and a path
    shown = redacted(f"{scheme}{user}:{password}@{place}")
    assert password not in shown
    assert "Zq" not in shown
    assert "Zq" not in command_line(["track", f"{scheme}{user}:{password}@{place}"])
    token = re.sub("[/?#:]", "", password)  # with a slash or a colon it would be something else
    assert "Zq" not in redacted(f"{scheme}{token}@{place}")
    assert "Zq" not in redacted(f"{scheme}{place.partition('?')[0]}?key={password}")


# Real clips


@pytest.mark.shared
@pytest.mark.skipif(not CLIPS.exists(), reason="no ../shared/data/clips")
@pytest.mark.parametrize(
    "name, fps, count, size",
    [
        ("people", 30, 302, (1920, 1080)),
        ("traffic", 30000 / 1001, 335, (1280, 720)),
        ("intel-car-detection", 12.5, 377, (768, 432)),
        ("intel-one-by-one-person", 10, 1394, (768, 432)),
    ],
)
def test_real_clips_are_read_whole_and_as_opencv_reads_them(
    name: str, fps: float, count: int, size: tuple[int, int]
) -> None:
    capture = cv2.VideoCapture(str(CLIPS / f"{name}.mp4"))
    with open_source(CLIPS / f"{name}.mp4") as source:
        assert (source.name, source.frame_count, source.size) == (name, count, size)
        assert source.fps == pytest.approx(fps)
        for frame in source:
            if frame.number <= 40:
                np.testing.assert_allclose(frame.image, capture.read()[1], atol=1)
    assert frame.number == count
    assert frame.time_s == pytest.approx((count - 1) / fps, abs=0.01)


@pytest.mark.parametrize("module", ["tracker.video.source"])
def test_import_changes_nothing(module: str) -> None:
    code = f"import cv2, av; a = (cv2.utils.logging.getLogLevel(), av.logging.get_level()); import {module}; " + (
        "assert a == (cv2.utils.logging.getLogLevel(), av.logging.get_level())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
