"""A sequence on disk through the tracker: what it is given, and what is written."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.walkers import LENGTH, make_detected
from tracker import Config, Tracker
from tracker.datasets.mot import MotSequence, find_sequences, results
from tracker.errors import DataError, OutputError, SourceError
from tracker.jobs.sequences import track_sequence

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture
def tracker() -> Tracker:
    """With the Kalman filter and boxes only: what is tested here is not the networks."""
    return Tracker(Config().override({"motion": {"model": "kalman"}, "appearance": {"enabled": False}}), device="cpu")


@pytest.fixture
def sequence(tmp_path: Path) -> MotSequence:
    make_detected(tmp_path, "A")
    return MotSequence.read(tmp_path / "A")


def add_images(sequence: MotSequence, shift: int = 0) -> None:
    """A textured background that moves to the left by `shift` pixels a frame."""
    sequence.image_folder.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (48, 128, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (1280, 480), interpolation=cv2.INTER_CUBIC)
    for frame in range(LENGTH):
        path = sequence.image_folder / f"{frame + 1:06d}.png"
        cv2.imwrite(str(path), wide[:, shift * frame : shift * frame + 640])


def test_both_objects_are_written_from_the_first_frame_to_the_last(
    tracker: Tracker, sequence: MotSequence, tmp_path: Path
) -> None:
    seconds = track_sequence(tracker, sequence, tmp_path / "A.txt")
    table = results(tmp_path / "A.txt")
    assert seconds > 0
    assert sorted(set(table[:, 1])) == [1, 2]
    assert [(table[:, 0] == f).sum() for f in range(1, LENGTH + 1)] == [2] * LENGTH
    np.testing.assert_allclose(np.sort(table[table[:, 0] == 5][:, 2]), [110, 210], atol=0.1)


def test_running_again_gives_the_same_bytes(tracker: Tracker, sequence: MotSequence, tmp_path: Path) -> None:
    for name in ("first", "second"):
        track_sequence(tracker, sequence, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes() != b""


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the research data in ../shared")
@pytest.mark.parametrize("name", ["mot15/KITTI-13", "mot15/TUD-Campus", "mot17/MOT17-09", "uadetrac/MVI_20032"])
def test_without_features_tracks_are_those_of_no_reid(tmp_path: Path, name: str) -> None:
    (sequence,) = find_sequences([SHARED / name])
    for enabled in (True, False):
        config = Config().override({"appearance": {"enabled": enabled}})
        track_sequence(Tracker(config, device="cpu"), sequence, tmp_path / str(enabled))
    assert (tmp_path / "True").read_bytes() == (tmp_path / "False").read_bytes() != b""


def test_progress_is_told_for_every_frame(tracker: Tracker, sequence: MotSequence, tmp_path: Path) -> None:
    frames: list[int] = []
    track_sequence(tracker, sequence, tmp_path / "A.txt", progress=lambda _: frames.append(1))
    assert len(frames) == LENGTH


def test_camera_motion_is_seen_in_the_images(
    tracker: Tracker, sequence: MotSequence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_images(sequence, shift=8)
    seen = []
    estimate = type(tracker._camera).estimate
    monkeypatch.setattr(type(tracker._camera), "estimate", lambda *a: seen.append(estimate(*a)) or seen[-1])
    track_sequence(tracker, sequence, tmp_path / "A.txt")
    assert len(seen) == LENGTH
    assert np.median([affine[0, 2] for affine in seen[1:]]) == pytest.approx(-8, abs=0.5)


def test_images_are_not_looked_at_where_nothing_needs_them(
    tracker: Tracker, sequence: MotSequence, tmp_path: Path
) -> None:
    sequence.image_folder.mkdir()
    for frame in range(LENGTH):
        (sequence.image_folder / f"{frame + 1:06d}.jpg").write_bytes(b"no image")
    track_sequence(tracker, sequence, tmp_path / "A.txt", camera_motion="none")
    with pytest.raises(SourceError, match=r"cannot read image .*000001\.jpg"):
        track_sequence(tracker, sequence, tmp_path / "A.txt", camera_motion="images")


def test_the_detector_can_look_itself(sequence: MotSequence, tracker: Tracker, tmp_path: Path) -> None:
    from ultralytics.utils import ASSETS

    photo = cv2.resize(cv2.imread(str(ASSETS / "bus.jpg")), (405, 540))
    sequence.image_folder.mkdir()
    for frame in range(LENGTH):
        cv2.imwrite(str(sequence.image_folder / f"{frame + 1:06d}.jpg"), photo)
    sequence.detection_file.unlink()
    short = MotSequence(sequence.folder, 3, sequence.fps, sequence.size, sequence.image_folder)
    track_sequence(tracker, short, tmp_path / "A.txt", detections="yolo")
    table = results(tmp_path / "A.txt")
    assert len(set(table[table[:, 0] == 3][:, 1])) >= 3  # a bus and people


def test_what_is_missing_is_said(tracker: Tracker, sequence: MotSequence, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 images for 20 frames"):
        track_sequence(tracker, sequence, tmp_path / "A.txt", detections="yolo")
    with pytest.raises(DataError, match=r"gmc\.txt does not exist.* leave out --camera-motion file"):
        track_sequence(tracker, sequence, tmp_path / "A.txt", camera_motion="file")
    with pytest.raises(OutputError, match="cannot write"):
        track_sequence(tracker, sequence, tmp_path / "no" / "folder" / "A.txt")
    sequence.detection_file.unlink()
    with pytest.raises(DataError, match=r"det\.txt does not exist.* with --detections yolo"):
        track_sequence(tracker, sequence, tmp_path / "A.txt")


def test_detections_less_sure_than_the_setting_are_dropped_from_a_file_too(
    sequence: MotSequence, tmp_path: Path
) -> None:
    settings = {"motion": {"model": "kalman"}, "appearance": {"enabled": False}, "detector": {"conf": 0.95}}
    track_sequence(Tracker(Config().override(settings), device="cpu"), sequence, tmp_path / "A.txt")
    assert (tmp_path / "A.txt").read_text() == ""
