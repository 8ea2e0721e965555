"""The annotated video: what plays, at which times, in which parts."""

import tracemalloc
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from test_writers import frame, frames_of, tracks

from tracker.errors import OutputError
from tracker.output.video_writer import VideoWriter
from tracker.system.snapshots.packing import packed, unpacked
from tracker.video.source import Frame


def written(path: Path, times, size=(64, 48), **options) -> list[str]:
    """Frames at these times as a video; returns the names of further parts in the order they were begun."""
    begun: list[str] = []
    writer = VideoWriter(path, fps=25, begun=begun.append, **options)
    for number, time_s in enumerate(times):
        writer.write(frame(number, time_s, size, value=50), tracks([], []))
    writer.close()
    return begun


class TestVideo:
    @pytest.mark.parametrize("size", [(64, 48), (65, 49), (641, 363)], ids=["even", "odd", "odd height"])
    def test_frames_come_back_at_their_own_times(self, tmp_path, size):
        times = [5.0, 5.04, 5.1, 5.5, 5.54]
        writer = VideoWriter(tmp_path / "v.mp4", fps=25)
        for number, time_s in enumerate(times):
            writer.write(frame(number, time_s, size, value=50 * number), tracks([], []))
        writer.close()
        found = frames_of(tmp_path / "v.mp4")
        assert [time for time, _ in found] == pytest.approx([t - 5.0 for t in times], abs=1e-4)
        assert found[0][1].shape == (size[1] + size[1] % 2, size[0] + size[0] % 2, 3)
        assert [image.mean() for _, image in found] == pytest.approx([0, 50, 100, 150, 200], abs=4)

    def test_it_is_what_browsers_play(self, tmp_path):
        writer = VideoWriter(tmp_path / "v.mp4", fps=25)
        for number in range(40):
            writer.write(frame(number, number / 25), tracks([], []))
        writer.close()
        with av.open(str(tmp_path / "v.mp4")) as container:
            stream = container.streams.video[0]
            assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
            assert "mp4" in container.format.name
            assert stream.frames == 40, "a finished file has a plain index"

    def test_another_frame_size_is_fitted_into_the_first(self, tmp_path):
        writer = VideoWriter(tmp_path / "v.mp4", fps=25)
        writer.write(frame(1, 0.0, (64, 48), 200), tracks([], []))
        writer.write(frame(2, 0.1, (64, 16), 200), tracks([], []))
        writer.write(frame(3, 0.2, (480, 480), 200), tracks([], []))
        writer.close()
        (_, first), (_, wide), (_, square) = frames_of(tmp_path / "v.mp4")
        assert first.shape == wide.shape == square.shape == (48, 64, 3)
        assert wide[:12].mean() < 12
        assert wide[36:].mean() < 12
        assert wide[20:28].mean() == pytest.approx(200, abs=4)
        assert square[:, :4].mean() < 12
        assert square[:, 12:52].mean() == pytest.approx(200, abs=4)

    def test_times_that_stand_still_lose_no_frame(self, tmp_path):
        writer = VideoWriter(tmp_path / "v.mp4", fps=25)
        for number, time_s in enumerate([0.0, 0.04, 0.04, 0.02]):
            writer.write(frame(number, time_s), tracks([], []))
        writer.close()
        assert len(frames_of(tmp_path / "v.mp4")) == 4

    def test_without_a_frame_there_is_no_file(self, tmp_path):
        VideoWriter(tmp_path / "v.mp4", fps=25).close()
        assert not (tmp_path / "v.mp4").exists()


class TestParts:
    def test_a_long_one_goes_on_in_further_files_that_each_begin_at_zero(self, tmp_path):
        begun = written(tmp_path / "v.mp4", [i / 25 for i in range(70)], part_frames=30)
        assert begun == ["v-0002.mp4", "v-0003.mp4"]
        parts = [frames_of(path) for path in (tmp_path / "v.mp4", *(tmp_path / name for name in begun))]
        assert [len(part) for part in parts] == [30, 30, 10]
        for part in parts:
            assert [time for time, _ in part] == pytest.approx([i / 25 for i in range(len(part))], abs=1e-4)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["v-0002.mp4", "v-0003.mp4", "v.mp4"]

    def test_each_is_finished_when_the_next_begins(self, tmp_path):
        writer = VideoWriter(tmp_path / "v.mp4", fps=25, part_frames=30)
        for number in range(31):
            writer.write(frame(number, number / 25), tracks([], []))
        with av.open(str(tmp_path / "v.mp4")) as container:
            assert container.streams.video[0].frames == 30, "a plain index"
        writer.close()

    def test_another_frame_size_is_the_size_of_the_next_part(self, tmp_path):
        writer = VideoWriter(tmp_path / "v.mp4", fps=25, part_frames=2)
        for number, size in enumerate([(64, 48), (64, 48), (96, 64)]):
            writer.write(frame(number, number / 25, size), tracks([], []))
        writer.close()
        assert frames_of(tmp_path / "v-0002.mp4")[0][1].shape == (64, 96, 3)

    @pytest.mark.parametrize(("gap_h", "parts"), [(5.9, 1), (7, 2), (30, 2)])
    def test_a_gap_of_hours_keeps_the_times(self, tmp_path, gap_h, parts):
        gap = 3600 * gap_h
        begun = written(tmp_path / "v.mp4", [0, 0.04, 0.08 + gap, 0.12 + gap])
        assert len(begun) == parts - 1
        times = [[time for time, _ in frames_of(tmp_path / name)] for name in ["v.mp4", *begun]]
        if parts == 1:
            assert times == [pytest.approx([0, 0.04, 0.08 + gap, 0.12 + gap], abs=1e-3)]
        else:
            assert times == [pytest.approx([0, 0.04], abs=1e-3)] * 2


class TestUnusualSizes:
    @pytest.mark.parametrize(
        ("size", "shown"),
        [((17_000, 100), (16_384, 98)), ((100, 17_001), (98, 16_384)), ((4, 6000), (4, 6000)), ((1, 1), (2, 2))],
    )
    def test_what_h264_does_not_allow_is_scaled_down(self, tmp_path, size, shown):
        assert written(tmp_path / "v.mp4", [0.0, 0.04], size) == []
        found = frames_of(tmp_path / "v.mp4")
        assert len(found) == 2
        assert found[0][1].shape == (shown[1], shown[0], 3)
        assert found[0][1].mean() == pytest.approx(50, abs=4)

    def test_a_path_like_a_protocols(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        Path("cam:1").mkdir()
        written(Path("cam:1/v.mp4"), [0.0])
        assert len(frames_of(tmp_path / "cam:1" / "v.mp4")) == 1


class TestEncoding:
    """What is quick to encode, and good enough for a street."""

    def encoded(self, tmp_path, pictures):
        with closing(VideoWriter(tmp_path / "video.mp4", 25)) as writer:
            for number, picture in enumerate(pictures, 1):
                writer.write(Frame(picture, number, number / 25), tracks([], []))
        return tmp_path / "video.mp4"

    def test_the_encoder_is_told_to_be_quick(self, tmp_path):
        data = self.encoded(tmp_path, [np.zeros((96, 160, 3), np.uint8)]).read_bytes()
        settings = data[data.index(b"options: ") :].split(b"\0")[0].decode(errors="replace").split()  # x264's own note
        assert {"cabac=0", "subme=1", "deblock=1:0:0", "rc=cqp", "qp=28"} <= set(settings)

    def test_a_picture_takes_the_memory_of_the_one_before_it(self, tmp_path):
        pictures = [np.full((480, 640, 3), 40 * number, np.uint8) for number in range(3)]
        with closing(VideoWriter(tmp_path / "video.mp4", 25)) as writer:
            writer.write(Frame(pictures[0], 1, 0.0), tracks([], []))
            tracemalloc.start()
            for number, picture in enumerate(pictures[1:], 2):
                writer.write(Frame(picture, number, number / 25), tracks([], []))
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 480 * 640
        assert [image.mean() for _, image in frames_of(tmp_path / "video.mp4")] == pytest.approx([0, 40, 80], abs=2)

    def test_lines_and_letters_are_legible(self, tmp_path):
        picture = np.full((240, 320, 3), 96, np.uint8)
        cv2.putText(picture, "12 person 0.87", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (240, 240, 240), 1, cv2.LINE_AA)
        cv2.rectangle(picture, (60, 90), (180, 220), (180, 75, 255), 2)
        path = self.encoded(tmp_path, [np.roll(picture, 2 * step, axis=1) for step in range(20)])
        with av.open(str(path)) as video:
            last = [frame.to_ndarray(format="gray") for frame in video.decode(video=0)][-1]
        wanted = cv2.cvtColor(np.roll(picture, 38, axis=1), cv2.COLOR_BGR2GRAY)
        assert np.abs(last.astype(int) - wanted).mean() < 3


FADE = 6  # grey levels by which a picture lags, where each is two levels brighter than the one before
UNEVEN = [n / 25 + 0.01 * (n % 3) for n in range(90)]


class TestGoingOn:
    """A writer that takes over what another, killed one has left behind some frames."""

    def write(self, writer, numbers, size=(64, 48)):
        for number in numbers:
            writer.write(frame(number, UNEVEN[number], size, value=2 * number), tracks([], []))

    @pytest.mark.parametrize("frames", [0, 1, 24, 25, 26, 60, 89])
    @pytest.mark.parametrize("then", [0, 7])
    def test_nothing_of_what_was_encoded_is_lost_or_encoded_anew(self, tmp_path, frames, then):
        first = VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path)
        self.write(first, range(frames))
        known = unpacked(packed(first.snapshot()), ())
        self.write(first, range(frames, min(frames + then, 90)))  # it is killed later: nothing is closed
        (tmp_path / "unfinished").mkdir()
        second = VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path / "unfinished")
        second.take_over(known)
        self.write(second, range(frames, 90))
        second.close()
        found = frames_of(tmp_path / "v.mp4")
        assert [time for time, _ in found] == pytest.approx(UNEVEN, abs=1e-4)
        assert [image.mean() for _, image in found] == pytest.approx([2 * n for n in range(90)], abs=FADE)
        with av.open(str(tmp_path / "v.mp4")) as container:
            assert container.streams.video[0].frames == 90
        assert not list((tmp_path / "unfinished").iterdir())

    def test_parts_that_are_complete_stay_and_what_was_begun_later_is_written_anew(self, tmp_path):
        begun: list[str] = []
        settings = {"fps": 25, "part_frames": 30, "begun": begun.append, "aside": tmp_path / "unfinished"}
        (tmp_path / "unfinished").mkdir()
        first = VideoWriter(tmp_path / "v.mp4", **settings)
        self.write(first, range(45))
        known = unpacked(packed(first.snapshot()), ())
        self.write(first, range(45, 70))
        whole = (tmp_path / "v.mp4").read_bytes()
        second = VideoWriter(tmp_path / "v.mp4", **settings)
        second.take_over(known)
        self.write(second, range(45, 90))
        second.close()
        assert begun == ["v-0002.mp4", "v-0003.mp4", "v-0003.mp4"]
        assert (tmp_path / "v.mp4").read_bytes() == whole
        for number, name in enumerate(["v.mp4", "v-0002.mp4", "v-0003.mp4"]):
            grey = [image.mean() for _, image in frames_of(tmp_path / name)]
            assert grey == pytest.approx([2 * n for n in range(30 * number, 30 * number + 30)], abs=FADE)

    def test_killed_while_it_copies_it_copies_again(self, tmp_path, monkeypatch):
        (tmp_path / "unfinished").mkdir()
        first = VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path)
        self.write(first, range(60))
        known = unpacked(packed(first.snapshot()), ())
        with monkeypatch.context() as patch:
            patch.setattr(VideoWriter, "_mux_file", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path / "unfinished").take_over(known)
        second = VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path / "unfinished")
        second.take_over(known)
        self.write(second, range(60, 90))
        second.close()
        assert len(frames_of(tmp_path / "v.mp4")) == 90

    def test_a_video_that_was_replaced_is_said_to_be(self, tmp_path):
        (tmp_path / "unfinished").mkdir()
        first = VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path)
        self.write(first, range(60))
        known = unpacked(packed(first.snapshot()), ())
        written(tmp_path / "v.mp4", [0.0, 0.04])
        with pytest.raises(OutputError, match="has been changed since"):
            VideoWriter(tmp_path / "v.mp4", fps=25, aside=tmp_path / "unfinished").take_over(known)
