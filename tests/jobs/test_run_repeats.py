"""25 frames/s in a file of 30: every sixth frame shows the picture before it once more, and is not looked at."""

from contextlib import closing
from dataclasses import replace

import av
import numpy as np
import pytest
import yaml

from helpers.clips import pan
from tracker.config import Config
from tracker.errors import UsageError
from tracker.jobs.explain import explain
from tracker.jobs.replay import repetition
from tracker.jobs.run import Output, run
from tracker.output.draw import Annotator
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture
def output(tmp_path):
    return Output(project=tmp_path / "runs", video=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "repeats.mp4", 30, fps=30, repeat_every=6)


@pytest.fixture(scope="module")
def result(tracker, clip, tmp_path_factory):
    looked = []
    detector = tracker.detector

    class Counting:
        names = detector.names

        def __call__(self, images):
            looked.extend(images)
            return detector(images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(tracker), "detector", Counting())
        (result,) = run([clip], tracker, Output(project=tmp_path_factory.mktemp("runs"), json=True))
    return result, len(looked)


def rows(result):
    by_frame = {}
    for line in (result.folder / "tracks.txt").read_text().splitlines():
        frame, row = line.split(",", 1)
        by_frame.setdefault(int(frame), []).append(row)
    return by_frame


def test_repeats_are_not_looked_at_and_reported_as_the_picture_that_they_show(result):
    result, looked = result
    lines = rows(result)
    assert (looked, result.frames, result.frames_looked_at, result.frames_repeated) == (25, 30, 25, 5)
    assert list(lines) == list(range(1, 31))
    for frame in range(6, 31, 6):
        assert lines[frame] == lines[frame - 1]
        assert frame == 30 or lines[frame + 1] != lines[frame]
    record = yaml.safe_load((result.folder / "run.yaml").read_text())
    assert record["result"]["frames_repeated"] == 5
    assert len((result.folder / "tracks.jsonl").read_text().splitlines()) == 30


def test_repeats_are_a_picture_of_the_video_like_any_other(result):
    with av.open(str(result[0].folder / "video.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([i / 30 for i in range(30)], abs=1e-3)


@pytest.mark.parametrize("batch", [1, 5, 7])
def test_repeats_make_no_difference_to_what_stands_in_which_batch(clip, result, output, batch):
    (again,) = run([clip], CONFIG.override({"detector": {"batch": batch}}), output)
    assert (again.folder / "tracks.txt").read_text() == (result[0].folder / "tracks.txt").read_text()


def test_repeats_are_so_in_a_stream_too(tracker, clip, result):
    reported = [tracks.to_mot(frame.number) for frame, tracks in tracker.stream(clip, fixed_lag=True)]
    assert "".join(reported) == (result[0].folder / "tracks.txt").read_text()
    online = list(tracker.stream(clip))
    assert [frame.number for frame, _ in online] == list(range(1, 31))
    assert online[11][1] is online[10][1]


def test_repeats_are_so_after_offline_post_processing(tracker, clip, output):
    (result,) = run([clip], tracker, replace(output, offline=True))
    lines = rows(result)
    assert list(lines) == list(range(1, 31))
    assert all(lines[frame] == lines[frame - 1] for frame in range(6, 31, 6))


def test_repeats_can_be_looked_at_all_the_same(clip, output):
    (result,) = run([clip], CONFIG.override({"detector": {"skip_repeats": False}}), output)
    lines = rows(result)
    assert result.frames_repeated == 0
    assert list(lines) == list(range(1, 31))
    assert lines[18] != lines[17]


@pytest.mark.parametrize(("every", "looked_at"), [("5", 5), ("auto", None)])
def test_repeats_do_not_count_among_the_frames_from_look_to_look(clip, output, every, looked_at):
    """Of the 25 pictures every fifth is looked at; a frame that repeats one that was not is none more."""
    alone = Tracker(CONFIG.override({"detector": {"every": every}}))
    stream = list(alone.stream(clip, fixed_lag=True))
    (result,) = run([clip], alone, output)
    assert (result.folder / "tracks.txt").read_text() == "".join(t.to_mot(frame.number) for frame, t in stream)
    assert result.frames_looked_at == sum(t.looked for frame, t in stream if not frame.repeated)
    assert result.frames_repeated == 5 and result.frames_looked_at == (looked_at or result.frames_looked_at)
    lines = rows(result)
    assert list(lines) == list(range(1, 31))
    assert all(lines[frame] == lines[frame - 1] for frame in range(6, 31, 6))


def test_repeats_are_no_moment_of_rest_to_the_tracker(tracker, clip):
    """Its frames are evenly far apart, as they were captured, once that is known."""
    times = [tracks.time_s for frame, tracks in tracker.stream(clip) if frame.number > 18 and not frame.repeated]
    assert np.diff(times) == pytest.approx(1 / 25, abs=1e-6)


@pytest.mark.slow
def test_repeats_of_a_run_can_be_repeated_and_explained(clip, result):
    again = repetition(result[0].folder)
    with closing(again.frames()) as frames:
        assert [now.number for now in frames] == [n for n in range(1, 31) if n % 6]
    assert explain(result[0].folder, 1, 17).remark == ""
    with pytest.raises(UsageError, match=r"frame 18 is not in .* shows the picture before it once more"):
        explain(result[0].folder, 1, 18)


def test_the_video_shows_the_same_picture_once_more(clip, tracker, tmp_path):
    """What is drawn already is not drawn again: twice, what is half transparent would be less so."""
    drawn, draw = [], Annotator.draw
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Annotator, "draw", lambda self, image, tracks: (drawn.append(1), draw(self, image, tracks))[1])
        (result,) = run([clip], tracker, Output(project=tmp_path))
    assert result.frames == 30 and len(drawn) == 25
    with av.open(str(result.folder / "video.mp4")) as video:
        pictures = [frame.to_ndarray(format="rgb24").astype(int) for frame in video.decode(video=0)]
    assert len(pictures) == 30
    for number in range(6, 31, 6):
        before, shown, again = pictures[number - 3 : number]
        assert np.abs(again - shown).mean() < 0.2 * np.abs(shown - before).mean()
