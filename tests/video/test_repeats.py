"""Frames that show the picture before them once more are noticed; standing scenes are not taken for them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.clips import pan
from tracker.video.repeats import _Rhythm, marked
from tracker.video.source import Frame, open_source

CLIPS = Path(__file__).parents[3] / "shared" / "data" / "clips"
GREY = np.random.default_rng(0).integers(90, 110, (240, 320, 3), dtype=np.uint8)


def repeated(pictures, fps=30):
    """Numbers of the frames that are noticed, from 1."""
    frames = [Frame(picture, number, (number - 1) / fps) for number, picture in enumerate(pictures, 1)]
    return [frame.number for frame in marked(frames) if frame.repeated]


def with_object(left, brightness=255, size=12, scene=GREY):
    picture = scene.copy()
    picture[100 : 100 + size, left : left + size] = brightness
    return picture


def encoded(path, pictures, fps=30):
    """The pictures as they come out of an H.264 file of the usual quality."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"preset": "veryfast"})
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    with open_source(path) as source:
        return [frame.image for frame in source]


class TestRepeats:
    def test_of_25_frames_a_second_in_a_file_of_30_are_noticed_whatever_encoding_made_of_them(self, tmp_path):
        clip = pan(tmp_path / "clip.mp4", 48, fps=30, repeat_every=6)
        with open_source(clip) as source:
            pictures = [frame.image for frame in source]
        assert not np.array_equal(pictures[17], pictures[16]), "encoding leaves differences"
        assert repeated(pictures) == [6, 12, 18, 24, 30, 36, 42, 48]

    @pytest.mark.parametrize("shown", [2, 3])
    def test_are_noticed_where_every_picture_is_shown_several_times(self, shown):
        found = repeated([with_object(10 + 3 * (number // shown)) for number in range(60)])
        known = 6 * shown  # by then it is known that pictures move, and which did not
        assert [n for n in found if n > known] == [n for n in range(known + 1, 61) if (n - 1) % shown]

    def test_are_noticed_where_a_small_thing_alone_moves(self):
        pictures = [with_object(10 + 2 * (number - number // 6)) for number in range(1, 40)]
        assert repeated(pictures) == [6, 12, 18, 24, 30, 36]

    def test_are_not_looked_for_where_that_is_not_wanted(self):
        frames = [Frame(with_object(2 * (number - number // 6)), number, number / 30) for number in range(1, 40)]
        assert list(marked(frames, wanted=False)) == frames


class TestNoRepeat:
    def test_is_in_a_clip_where_all_frames_are_pictures_of_their_own(self, tmp_path):
        with open_source(pan(tmp_path / "clip.mp4", 48, fps=30)) as source:
            assert not any(frame.repeated for frame in marked(source))

    @pytest.mark.parametrize("noise", [0.0, 1.0, 6.0])
    def test_is_in_a_standing_scene(self, tmp_path, noise):
        draw = np.random.default_rng(1)
        pictures = [np.clip(GREY + draw.normal(0, noise, GREY.shape), 0, 255).astype(np.uint8) for _ in range(40)]
        assert repeated(pictures) == []
        assert repeated(encoded(tmp_path / "clip.mp4", pictures)) == []

    @pytest.mark.parametrize("every", [1, 2, 4])
    def test_is_where_something_dark_creeps_before_a_dark_wall(self, every):
        wall = np.full((240, 320, 3), 30, np.uint8)
        pictures = [with_object(40 + number // every, brightness=36, scene=wall) for number in range(60)]
        assert repeated(pictures) == []

    def test_is_where_what_moved_has_left_and_noise_goes_on(self):
        draw = np.random.default_rng(2)
        scenes = [np.clip(GREY + draw.normal(0, 5, GREY.shape), 0, 255).astype(np.uint8) for _ in range(50)]
        assert (
            repeated([with_object(220 + 6 * n, scene=scene) if n < 18 else scene for n, scene in enumerate(scenes)])
            == []
        )

    def test_is_the_first_frame_of_another_size(self):
        pictures = [with_object(10 + 3 * number) for number in range(10)]
        assert repeated([*pictures, *(picture[:200] for picture in pictures[-1:])]) == []

    def test_a_picture_that_stands_after_motion_is_looked_at_again_before_long(self):
        pictures = [with_object(10 + 3 * min(number, 20)) for number in range(60)]
        found = repeated(pictures)
        assert found == [22, 23, 24, 25], "for .15 s, and then it is known to stand"


class TestTimesOfCapture:
    def test_are_even_once_two_spans_between_repeats_were_alike(self):
        frames = [Frame(with_object(2 * (n - n // 6)), n, (n - 1) / 30) for n in range(1, 60)]
        seen = [frame for frame in marked(frames) if not frame.repeated]
        assert all(frame.late_s == 0 for frame in seen if frame.number < 18), "not known yet"
        steps = np.diff([frame.captured_s for frame in seen if frame.number > 18])
        assert steps == pytest.approx(1 / 25, abs=1e-6)
        assert all(frame.captured_s <= frame.time_s for frame in seen)

    def test_are_the_frames_own_where_nothing_repeats(self):
        frames = [Frame(with_object(2 * n), n, n / 30) for n in range(40)]
        assert [frame.captured_s for frame in marked(frames)] == [frame.time_s for frame in frames]

    def test_are_the_frames_own_again_where_the_rhythm_breaks(self):
        shown = [0, 1, 2, 2, 3, 4, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 13]
        frames = [Frame(with_object(10 + 3 * picture), n, n / 30) for n, picture in enumerate([-3, -2, -1, *shown])]
        late = {frame.number: frame.late_s for frame in marked(frames) if not frame.repeated}
        assert late[13] > 0
        assert [late[n] for n in range(15, 20)] == [0.0] * 5

    @given(
        st.lists(st.tuples(st.integers(1, 4), st.sampled_from([1.0, 1.0, 1.0, 1.01, 0.8, 3.0])), min_size=1),
        st.integers(1, 12),
    )
    def test_always_increase_and_are_never_later_than_the_frames(self, pattern, times):
        rhythm, time_s, last_s = _Rhythm(), 0.0, -np.inf
        for shown, step in pattern * times:
            captured_s = time_s - rhythm.late_s(time_s)
            assert last_s < captured_s <= time_s
            last_s, time_s = captured_s, time_s + step / 30
            for _ in range(shown - 1):
                rhythm.repeat()
                time_s += step / 30


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not CLIPS.is_dir(), reason="no ../shared/data")
def test_real_clips_have_the_repeats_that_they_are_known_for():
    found = {}
    for path in sorted(CLIPS.iterdir()):
        with open_source(path) as source:
            found[path.name] = sum(frame.repeated for frame in marked(source))
    assert {name: count for name, count in found.items() if count} == {"people.mp4": 50, "traffic.mp4": 56}
