"""What is written in a format and read again is the same, as far as the format can hold it."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.annotated import annotations, videos
from tracker.columns.carried import Columns
from tracker.datasets.formats.known import FORMATS

QUICK = settings(max_examples=40, deadline=None)


def again(name, *given):
    """What comes of annotations that are written in a format and read from it."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"out{FORMATS[name].suffix}"
        FORMATS[name].write([one.compact for one in given], path)
        return [said.annotations() for said in FORMATS[name].read(path)]


def same(name, video):
    (found,) = again(name, video)
    assert found.equals(video), f"{found}\n{video}"
    np.testing.assert_allclose(found.scores, video.by_frame.scores, atol=1e-9)
    return found


@QUICK
@given(videos(lines=True, scores=False, changing=False))
def test_cvat(video):
    assert same("cvat", video).name == "a clip.mp4"


@QUICK
@given(videos(carried=["masks", "keypoints"]))
def test_coco_video(video):
    found = same("coco-video", video)
    np.testing.assert_allclose(found.times_s[:: found.step], video.times_s[:: video.step], atol=1e-9)
    assert found.name == "a clip.mp4" and found.frame_count == video.frame_count


@QUICK
@given(videos(lines=True, scores=False, occluded=False, step=False, changing=False))
def test_label_studio(video):
    """It knows a video's size and rate by its objects only."""
    if len(video):
        assert same("labelstudio", video).frames_per_s == pytest.approx(video.frames_per_s, rel=1e-6)


@QUICK
@given(videos(carried=["keypoints"], scores=False, occluded=False))
def test_yolo(video):
    found = same("yolo", video)
    assert found.frames_per_s == pytest.approx(video.frames_per_s, rel=1e-5) and found.frame_count == video.frame_count


@QUICK
@given(videos(scores=False))
def test_mot(video):
    (found,) = again("mot", video)
    assert found.equals(video.without_step)
    assert found.frames_per_s == pytest.approx(video.without_step.frames_per_s, rel=1e-6)


@QUICK
@given(videos(carried=["masks"], scores=False, occluded=False, step=False))
def test_mots(video):
    """Masks that cover no pixel of another; the boxes are those around them."""
    if video.columns.masks is None:
        return
    alone = np.concatenate([[True], np.diff(video.by_frame.frames) > 0])
    video = video.by_frame[alone & video.by_frame.columns.masks.known]
    (found,) = again("mots", video)
    assert found.columns.masks.to_coco() == video.columns.masks.to_coco()
    assert found.frames.tolist() == video.frames.tolist() and found.ids.tolist() == video.ids.tolist()


@QUICK
@given(videos(carried=["masks", "keypoints", "corners"], lines=False))
def test_parquet(video):
    pytest.importorskip("pyarrow")
    found = same("parquet", replace(video, keyframes=~video.occluded))
    np.testing.assert_allclose(found.times_s, video.times_s, atol=1e-6)


@pytest.mark.parametrize("name", ["coco-video", "labelstudio", "yolo", "mot"])
def test_several_videos_in_one(name, tmp_path):
    one = annotations([(1, 7, 0, 0, 10, 10), (2, 7, 1, 1, 11, 11)], name="clip.mp4")
    two = annotations([(1, 7, 5, 5, 9, 9, 1), (3, 9, 1, 1, 3, 3, 0)], name="clip.mp4")
    found = again(name, one, two)
    assert len(found) == 2 and found[0].equals(one) and found[1].equals(two)


class TestWhatIsTold:
    @pytest.mark.parametrize(
        ("name", "lost"),
        [
            ("cvat", ["scores", "keypoints", "a frame rate"]),
            ("coco-video", []),
            ("labelstudio", ["scores", "what is occluded", "keypoints", "frames that were left out"]),
            ("yolo", ["scores", "what is occluded", "keyframes", "boxes beyond the edges of the frame"]),
            ("mot", ["scores", "keyframes", "keypoints", "frames that were left out"]),
            ("mots", ["boxes", "scores", "what is occluded", "keyframes", "keypoints", "a frame rate",
                      "frames that were left out"]),
            ("parquet", []),
        ],
    )  # fmt: skip
    def test_is_what_a_format_cannot_hold_and_the_annotations_have(self, name, lost):
        points = Columns(keypoints=np.ones((2, 3, 3), np.float32))
        rows = [(1, 7, 0, 0, 70, 10, 0, 0.5), (4, 7, 1, 1, 11, 11, 0, 0.5, True, False)]
        assert FORMATS[name].lost(annotations(rows, columns=points, step=3)) == lost
        assert FORMATS[name].lost(annotations([(1, 7, 0, 0, 10, 10)], 1)) == (["boxes"] if name == "mots" else [])

    def test_is_in_the_docstring_of_each_format(self):
        for name, form in FORMATS.items():
            text = __import__(form.read.__module__, fromlist=["_"]).__doc__
            assert "https://" in text and ("Not in the format" in text or not form.lacks), name


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_cvat_moves_nothing_that_is_no_keyframe(data):
    """Rows without a keyframe that lie on no line are told as keyframes: else CVAT puts them on the line."""
    video = data.draw(videos(scores=False, changing=False))
    keyframes = data.draw(st.lists(st.booleans(), min_size=len(video), max_size=len(video)))
    video = replace(video, keyframes=np.array(keyframes, bool))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "out.xml"
        FORMATS["cvat"].write([video.compact], path)
        lines = path.read_text().splitlines(keepends=True)
        told = [line for line in lines if "<box" not in line or 'keyframe="1"' in line]
        path.write_text("".join(told))  # what CVAT keeps of it
        (found,) = (said.annotations() for said in FORMATS["cvat"].read(path))
    assert replace(found, keyframes=video.by_frame.keyframes).equals(video.by_frame)
