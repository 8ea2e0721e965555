"""`track --blur`: nobody is to be known in any picture that a run leaves, and no track is another for it."""

import cv2
import numpy as np
import pytest
import yaml

from helpers.clips import pan
from tracker import Config, Detections, Tracker, Zones, open_source
from tracker.cli import main
from tracker.errors import UsageError
from tracker.jobs import result_files
from tracker.jobs.run import Output, run

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu", "appearance": {"enabled": False}})
READABLE = 0.4  # of a picture's detail: where blocks end there is a little, by chance
HIDDEN = Output(labels=False, trails=False, crops=True, blur=("person",))


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "pan.mp4", 12, repeat_every=5)


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture(scope="module")
def found(tracker, clip):
    """The people whom the detector is sure of in each frame, and those frames."""
    with open_source(clip) as source:
        images = [frame.image for frame in source]
    people = [
        seen[(seen.classes == 0) & (seen.scores > 0.4)]
        for seen in map(tracker.detector, [[i] for i in images])
        for seen in seen
    ]
    return list(zip(images, people, strict=True))


def fine(picture):
    return picture.astype(np.float32) - cv2.GaussianBlur(picture.astype(np.float32), (0, 0), 2)


def detail_left(before, after) -> float:
    """How much of one picture's detail another has: 1 in a copy."""
    return float((fine(before) * fine(after)).sum() / (fine(before) ** 2).sum())


def details(folder, found) -> list[float]:
    """What is left of every person in the video."""
    with open_source(folder / "video.mp4") as video:
        return [
            detail_left(*(picture[top:bottom, left:right] for picture in (image, frame.image)))
            for frame, (image, people) in zip(video, found, strict=True)
            for left, top, right, bottom in people.xyxy.round().astype(int).clip(0).tolist()
        ]


@pytest.mark.parametrize(("offline", "detect_every"), [(False, "3"), (True, "1")])
def test_people_are_unreadable_in_video_and_crops_and_the_tracks_are_the_same(
    clip, tracker, found, tmp_path, offline, detect_every
):
    config = CONFIG.override({"detector": {"every": detect_every}})
    plain = Output(tmp_path / "plain", labels=False, trails=False, crops=True, offline=offline)
    (clear,) = run([clip], config, plain)
    (result,) = run([clip], config, Output(**{**vars(HIDDEN), "project": tmp_path / "runs", "offline": offline}))
    left = details(result.folder, found)
    assert len(left) > 15 and max(left) < READABLE < 0.6 < np.median(details(clear.folder, found))
    for name in ("tracks.txt", "tracks.csv"):
        assert (result.folder / name).read_bytes() == (clear.folder / name).read_bytes()
    crops = {path.name for path in (clear.folder / "crops").iterdir()}
    assert crops == {path.name for path in (result.folder / "crops").iterdir()}
    named = [line.split(",") for line in (clear.folder / "tracks.csv").read_text().splitlines()[1:]]
    for name in {f"{row[2]}.jpg" for row in named if row[4] == "person"}:
        pictures = [cv2.imread(str(folder / "crops" / name)) for folder in (clear.folder, result.folder)]
        assert detail_left(*pictures) < READABLE
    assert yaml.safe_load((result.folder / "run.yaml").read_text())["blur"] == ["person"]
    assert not list(result.folder.glob(".*")) and not list(result.folder.glob("tmp*"))


def test_who_stands_in_a_region_to_ignore_is_hidden_too(clip, tracker, found, tmp_path):
    everywhere = Zones.parsed({"units": "share", "ignore": [{"points": [[0, 0], [1, 0], [1, 1], [0, 1]]}]}, "")
    (result,) = run([clip], tracker, Output(**{**vars(HIDDEN), "project": tmp_path}), zones=everywhere)
    assert result.tracks == 0 and max(details(result.folder, found)) < READABLE, "the region is hatched"


def test_frames_that_wait_as_jpegs_are_hidden_as_well(clip, tracker, found, tmp_path, monkeypatch):
    monkeypatch.setattr(result_files, "_HELD_BYTES", 0)
    (result,) = run([clip], tracker, Output(**{**vars(HIDDEN), "project": tmp_path}))
    assert max(details(result.folder, found)) < READABLE


class Once:
    """Sees one person, too unsurely for a track, in one frame alone."""

    names = {0: "person"}  # noqa: RUF012
    box = (100, 60, 140, 160)

    def __init__(self, frame):
        self.frames, self.frame = 0, frame

    def __call__(self, frames):
        self.frames += 1
        return [Detections([self.box], [0.2], [0]) if self.frames == self.frame else Detections.empty() for _ in frames]


@pytest.mark.parametrize("offline", [False, True])
@pytest.mark.parametrize("frame", [1, 5])
def test_what_no_track_has_come_of_is_hidden_there_and_a_moment_before_and_after(clip, found, tmp_path, frame, offline):
    tracker = Tracker(CONFIG.override({"detector": {"skip_repeats": False}}))
    vars(tracker.networks)["detector"] = Once(frame)
    output = Output(**{**vars(HIDDEN), "project": tmp_path, "crops": False, "offline": offline})
    (result,) = run([clip], tracker, output)
    assert result.tracks == 0
    there = [(image, Detections([Once.box])) for image, _ in found]
    left = details(result.folder, there)
    assert max(left) < READABLE


def test_the_command_takes_classes_and_heads(clip, tmp_path, capsys):
    words = [str(clip), "--blur", "bus,heads", "--imgsz", "320", "--no-reid", "--project", str(tmp_path), "--quiet"]
    with pytest.raises(SystemExit) as end:
        main(words)
    assert not end.value.code
    assert yaml.safe_load((tmp_path / "pan" / "run.yaml").read_text())["blur"] == ["bus", "heads"]


@pytest.mark.parametrize(
    ("blur", "classes", "words"),
    [
        (("persn",), (), "did you mean 'person'"),
        (("person", "bus"), ("bus",), "person cannot be blurred without being looked for; name it in --classes, too"),
        (("heads",), ("bus",), "person cannot be blurred"),
    ],
)
def test_what_cannot_be_hidden_is_said_before_anything_is_written(clip, tmp_path, blur, classes, words):
    with pytest.raises(UsageError, match=words):
        run([clip], CONFIG.override({"detector": {"classes": classes}}), Output(tmp_path / "runs", blur=blur))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("empty", ["", " , "])
def test_an_option_without_a_class_is_an_error_never_a_clear_picture(clip, tmp_path, capsys, empty):
    """As of a variable of the shell that is not set."""
    with pytest.raises(SystemExit) as end:
        main(
            [str(clip), "--blur", empty, "--imgsz", "320", "--no-reid", "--project", str(tmp_path / "runs"), "--quiet"]
        )
    assert end.value.code
    assert "--blur names no class, and nothing would be hidden; name some, or heads" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
