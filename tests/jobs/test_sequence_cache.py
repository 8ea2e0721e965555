"""What is seen of a sequence once is what the tracker is given each time."""

import cv2
import numpy as np
import pytest

from helpers.clips import BUS
from helpers.walkers import LENGTH, make_detected
from tracker import Config, Tracker
from tracker.datasets.mot import MotSequence
from tracker.jobs import sequence_cache as module
from tracker.jobs.sequence_cache import see
from tracker.jobs.sequences import given, track_frames, track_sequence


@pytest.fixture
def sequence(tmp_path):
    make_detected(tmp_path, "A")
    return MotSequence.read(tmp_path / "A")


def add_images(sequence):
    photo = cv2.resize(cv2.imread(str(BUS)), (800, 480))
    sequence.image_folder.mkdir()
    for frame in range(LENGTH):
        cv2.imwrite(str(sequence.image_folder / f"{frame + 1:06d}.jpg"), photo[:, 2 * frame : 2 * frame + 640])


def test_without_images_nothing_is_kept_and_the_tracks_are_the_same(sequence, tmp_path):
    tracker = Tracker()
    cached = see(tracker, sequence, tmp_path / "seen")
    track_frames(tracker, cached.frames, tmp_path / "cached.txt")
    track_sequence(tracker, sequence, tmp_path / "sequence.txt")
    assert (tmp_path / "cached.txt").read_text() == (tmp_path / "sequence.txt").read_text() != ""
    assert not (tmp_path / "seen").exists()


def test_images_are_looked_at_once_and_remembered(sequence, tmp_path, monkeypatch):
    add_images(sequence)
    tracker = Tracker(Config().override({"device": "cpu"}))
    first = see(tracker, sequence, tmp_path / "seen")
    monkeypatch.setattr(module, "given", lambda *_: pytest.fail("looked again"))
    again = see(tracker, sequence, tmp_path / "seen")
    assert len(first.frames) == len(again.frames) == LENGTH
    assert again.frames[5].camera_motion[0, 2] == pytest.approx(-2, abs=0.3)
    for a, b in zip(first.frames, again.frames, strict=True):
        assert (a.number, a.time_s, a.image.shape) == (b.number, b.time_s, (480, 640, 3))
        np.testing.assert_array_equal(a.camera_motion, b.camera_motion)
        np.testing.assert_array_equal(a.detections.xyxy, b.detections.xyxy)
        np.testing.assert_allclose(a.detections.features, b.detections.features, atol=1e-3)
    track_frames(tracker, again.frames, tmp_path / "cached.txt")
    assert len({line.split(",")[1] for line in (tmp_path / "cached.txt").read_text().splitlines()}) == 2


def test_other_detections_or_settings_are_looked_at_anew(sequence, tmp_path):
    add_images(sequence)
    small = {"detector": {"imgsz": 320}, "device": "cpu"}
    seen = see(Tracker(Config().override(small)), sequence, tmp_path / "seen", "yolo")
    assert {len(frame.detections) for frame in seen.frames} != {2}
    plain = Tracker(Config().override(small | {"appearance": {"enabled": False}}))
    for camera_motion in ("images", "none"):
        frames = see(plain, sequence, tmp_path / "seen", "det", camera_motion).frames
        assert all(frame.detections.features is None for frame in frames)
    assert len(list((tmp_path / "seen").iterdir())) == 2, "nobody looked at an image with 'none'"
    assert len(list(given(plain, sequence, "det", "none"))) == LENGTH
