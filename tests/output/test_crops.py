"""The best picture of every track: which one it is, and that it is whole at any moment."""

import errno
from pathlib import Path

import cv2
import numpy as np
import pytest

from tracker.errors import OutputError
from tracker.output.crops import CropWriter
from tracker.structures import Status, Tracks
from tracker.video.source import Frame

PERSON = [10, 10, 30, 50]


def tracks(*boxes, scores=None, status=Status.CONFIRMED) -> Tracks:
    n = len(boxes)
    numbers, score = np.zeros(n, np.int64), np.full(n, 0.8) if scores is None else np.array(scores)
    state = np.full(n, status, np.int64)
    xyxy = np.array(boxes, np.float32).reshape(n, 4)
    return Tracks(np.arange(1, n + 1), xyxy, score.astype(np.float32), numbers, numbers, state, numbers, 0.0, 0.1)


def frame(grey: int) -> Frame:
    return Frame(np.full((60, 100, 3), grey, np.uint8), 1, 0.0)


def kept(folder: Path, track=1) -> tuple[int, tuple[int, ...]]:
    image = cv2.imread(str(folder / "crops" / f"{track}.jpg"))
    return round(float(image.mean())), image.shape[:2]


@pytest.fixture
def writer(tmp_path):
    return CropWriter(tmp_path / "crops")


def test_it_is_the_box_cut_out_of_the_frame(writer, tmp_path):
    writer.write(frame(40), tracks(PERSON, [50.2, 5.5, 70.9, 44.1]))
    assert sorted(path.name for path in (tmp_path / "crops").iterdir()) == ["1.jpg", "2.jpg"]
    assert kept(tmp_path, 1) == (40, (40, 20)) and kept(tmp_path, 2) == (40, (40, 21))


BETTER = [
    ("larger", tracks([10, 5, 40, 55])),
    ("surer", tracks(PERSON, scores=[0.95])),
]
WORSE = [
    ("as good", tracks(PERSON)),
    ("smaller", tracks([10, 10, 20, 30])),
    ("less sure", tracks(PERSON, scores=[0.4])),
    ("behind somebody", tracks(PERSON, [5, 15, 35, 55])),
    ("half out of the frame", tracks([-10, 10, 10, 50])),
    ("only expected to be there", tracks([10, 5, 40, 55], status=Status.PREDICTED)),
    ("not believed", tracks([10, 5, 40, 55], status=Status.TENTATIVE)),
]


@pytest.mark.parametrize("later", [row[1] for row in BETTER], ids=[row[0] for row in BETTER])
def test_a_better_picture_takes_the_place(writer, tmp_path, later):
    writer.write(frame(40), tracks(PERSON))
    writer.write(frame(90), later)
    assert kept(tmp_path)[0] == 90


@pytest.mark.parametrize("later", [row[1] for row in WORSE], ids=[row[0] for row in WORSE])
def test_a_worse_one_does_not(writer, tmp_path, later):
    writer.write(frame(40), tracks(PERSON))
    writer.write(frame(90), later)
    assert kept(tmp_path)[0] == 40


def test_few_pictures_are_written_of_somebody_who_comes_slowly_nearer(writer, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr("tracker.output.crops.replace_file", lambda path, content: written.append(path))
    for step in range(400):
        writer.write(frame(40), tracks([10, 10, 20, 20 + step / 10]))
    assert 5 < len(written) < 30


def test_a_full_disk_leaves_the_old_picture(writer, tmp_path, monkeypatch):
    writer.write(frame(40), tracks(PERSON))

    def full(path, mode):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as meanwhile, pytest.raises(OutputError, match="no space left"):
        meanwhile.setattr(Path, "open", full)
        writer.write(frame(90), tracks([10, 5, 40, 55]))
    assert kept(tmp_path)[0] == 40
    assert [path.name for path in (tmp_path / "crops").iterdir()] == ["1.jpg"]


def test_an_empty_frame_gives_nothing(writer, tmp_path):
    writer.write(frame(40), tracks())
    assert list((tmp_path / "crops").iterdir()) == []


class TestGoingBack:
    """To the last state that was saved, whatever was written since: a run goes on from there."""

    def pictures(self, tmp_path):
        return {path.name: path.read_bytes() for path in (tmp_path / "crops").glob("*.jpg")}

    def test_the_pictures_are_those_of_the_state(self, tmp_path):
        (tmp_path / "unfinished").mkdir()
        writer = CropWriter(tmp_path / "crops", tmp_path / "unfinished")
        writer.write(frame(50), tracks(PERSON))
        writer.committed()
        writer.write(frame(60), tracks(PERSON, [30, 10, 50, 50], scores=[0.95, 0.5]))
        known, then = writer.snapshot() | {"best": dict(writer.snapshot()["best"])}, self.pictures(tmp_path)
        writer.committed()
        writer.write(frame(70), tracks([10, 10, 40, 59], [30, 10, 50, 50], [60, 10, 80, 50]))
        writer.write(frame(80), tracks([5, 5, 50, 59], [30, 10, 50, 50], [60, 10, 90, 59]))
        assert len(self.pictures(tmp_path)) == 3
        again = CropWriter(tmp_path / "crops", tmp_path / "unfinished")
        again.take_over(known)
        assert self.pictures(tmp_path) == then
        assert not list((tmp_path / "unfinished").iterdir())
        again.write(frame(90), tracks([10, 10, 40, 59], scores=[0.95]))
        assert kept(tmp_path) == (90, (49, 30))

    def test_a_picture_that_no_run_has_written_stays(self, tmp_path):
        writer = CropWriter(tmp_path / "crops", tmp_path)
        known = {"best": {}, "states": 0}
        writer.write(frame(50), tracks(PERSON))
        (tmp_path / "crops" / "7.jpg").write_bytes(b"mine")
        CropWriter(tmp_path / "crops", tmp_path).take_over(known)
        assert self.pictures(tmp_path) == {"7.jpg": b"mine"}

    def test_who_does_not_go_back_keeps_nothing_aside(self, writer, tmp_path):
        writer.write(frame(50), tracks(PERSON))
        writer.write(frame(60), tracks([10, 10, 60, 59]))
        assert [path.name for path in tmp_path.iterdir()] == ["crops"]
