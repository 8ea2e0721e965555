"""Where a stream ends: whoever only waits to be re-identified is in what is written, under the right id."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.clips import BUS
from tracker import Config, Detections, Tracker, Tracks
from tracker.datasets.mot import MotSequence, results
from tracker.jobs.run import Output, run
from tracker.jobs.sequences import track_sequence
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.offline import Recorder

FPS = 30
SLOW_TO_TELL = Config().override(  # whoever is new waits half a second, as in a crowd where many have left
    {"detector": {"imgsz": 320}, "association": {"reid_doubt": -50}, "device": "cpu"}
)


def person(number: int, like: int | None = None, share: float = 0.5) -> Detections:
    """A detection with an embedding of its own, of which a share is another one's."""
    embedding = np.sqrt(1 - share) * np.eye(1, 512, number)
    if like is not None:
        embedding = embedding + np.sqrt(share) * np.eye(1, 512, like)
    return Detections([[100 * number, 0, 100 * number + 40, 100]], [0.95], features=embedding)


class Ends:
    """What is told of a stream of detections when it ends there: at once, half a second late, afterwards."""

    def __init__(self, frames: list[Detections]) -> None:
        tracker, self.recorder = Tracker(), Recorder()
        smoother: FixedLagSmoother[int] = FixedLagSmoother(0.5, tracker.config.offline)
        self.late: list[tuple[int, Tracks]] = []
        for number, found in enumerate(frames):
            self.now = tracker.update(None, found, time_s=number / FPS)
            self.recorder.add(self.now, found, tracker.camera_motion, found.features)
            self.late += smoother.push(number, self.now, tracker.camera_motion)
        self.late += smoother.flush()

    def written(self) -> dict[int, list[int]]:
        """Id -> the frames that it is in."""
        ids = sorted({i for _, tracks in self.late for i in tracks.ids.tolist()})
        return {i: [number for number, tracks in self.late if i in tracks.ids] for i in ids}

    def afterwards(self) -> dict[int, list[int]]:
        table = self.recorder.table()
        return {int(i): table.frames[table.ids == i].tolist() for i in np.unique(table.ids)}


LEFT = [person(1)] * 20 + [Detections.empty()] * 60


def test_a_stranger_who_might_be_someone_gets_an_id_of_its_own() -> None:
    ends = Ends(LEFT + [person(2, like=1)] * 6)
    assert ends.now.pending.tolist() == [2] and not len(ends.now.confirmed), "not sure while the stream goes on"
    assert ends.written() == ends.afterwards() == {1: [*range(20)], 2: [*range(80, 86)]}


def test_who_is_known_again_in_the_last_frame_has_the_old_id() -> None:
    ends = Ends([*LEFT, person(2, like=1), person(2, like=1, share=1.0)])
    assert ends.now.renamed == {2: 1} and ends.now.pending.tolist() == [1]
    assert ends.written() == ends.afterwards() == {1: [*range(20), 80, 81]}


def test_who_was_seen_once_or_never_surely_does_not_wait_for_that_alone() -> None:
    assert set(Ends([*LEFT, person(2, like=1)]).written()) == {1}
    weak = person(2, like=1)
    weak = Detections(weak.xyxy, [0.6], features=weak.features)
    assert set(Ends(LEFT + [weak] * 6).written()) == {1}


def test_who_waits_still_does_in_frames_that_are_not_looked_at(tmp_path: Path) -> None:
    """Also where the tracker is saved between two of them."""
    tracker, recorder = Tracker(), Recorder()
    smoother: FixedLagSmoother[int] = FixedLagSmoother(0.5, tracker.config.offline)
    late: list[tuple[int, Tracks]] = []
    for number, found in enumerate([*LEFT, *[person(2, like=1)] * 6, None, None]):
        tracks = tracker.update(None, found, time_s=number / FPS, look=found is not None)
        recorder.add(tracks, found or Detections.empty(), tracker.camera_motion, tracker.features)
        late += smoother.push(number, tracks, tracker.camera_motion)
        if number >= 85:
            tracker.save(tmp_path / "state")
            tracker = Tracker.load(tmp_path / "state")
    assert tracks.pending.tolist() == [2] and not tracks.looked
    late += smoother.flush()
    assert [number for number, tracks in late if 2 in tracks.ids] == [*range(80, 86)]
    table = recorder.table()
    assert table.frames[table.ids == 2].tolist() == [*range(80, 86)]


def test_in_the_middle_of_a_stream_nobody_is_told_before_it_is_clear() -> None:
    ends = Ends([*LEFT, *[person(2, like=1)] * 6, *[Detections.empty()] * 30])
    assert set(ends.written()) == set(ends.afterwards()) == {1}


@pytest.fixture(scope="module")
def sequence(tmp_path_factory: pytest.TempPathFactory) -> MotSequence:
    """Pictures of one person, then of nobody, then for a sixth of a second of another one."""
    folder = tmp_path_factory.mktemp("street")
    (folder / "img1").mkdir()
    photo = cv2.imread(str(BUS))
    parts = [slice(0, 230)] * 6 + [slice(0, 0)] * 6 + [slice(230, 400)] * 5
    for number, part in enumerate(parts, 1):
        picture = np.full_like(photo, 114)
        picture[:, part] = photo[:, part]
        cv2.imwrite(str(folder / "img1" / f"{number:06d}.png"), picture)
    height, width = photo.shape[:2]
    about = f"name=street\nframeRate={FPS}\nseqLength={len(parts)}\nimWidth={width}\nimHeight={height}\n"
    (folder / "seqinfo.ini").write_text(f"[Sequence]\n{about}")
    return MotSequence.read(folder)


@pytest.fixture(scope="module")
def tracker() -> Tracker:
    return Tracker(SLOW_TO_TELL)


def by_command(tracker: Tracker, sequence: MotSequence, out: Path, offline: bool) -> Path:
    (result,) = run([sequence.image_folder], tracker, Output(out, offline=offline))
    assert result.folder is not None
    return result.folder / "tracks.txt"


def by_stream(tracker: Tracker, sequence: MotSequence, out: Path, offline: bool) -> Path:
    lines = [t.to_mot(frame.number) for frame, t in tracker.stream(sequence.image_folder, fixed_lag=True)]
    (out / "tracks.txt").write_text("".join(lines))
    return out / "tracks.txt"


def by_sequence(tracker: Tracker, sequence: MotSequence, out: Path, offline: bool) -> Path:
    track_sequence(tracker, sequence, out / "tracks.txt", detections="yolo", offline=offline)
    return out / "tracks.txt"


@pytest.mark.parametrize(
    ("way", "offline"),
    [(by_command, False), (by_command, True), (by_stream, False), (by_sequence, False), (by_sequence, True)],
    ids=["track", "track --offline", "Tracker.stream", "track eval", "track eval --offline"],
)
def test_a_real_person_of_the_last_moment_is_written(
    tracker: Tracker, sequence: MotSequence, tmp_path: Path, way: Callable[..., Path], offline: bool
) -> None:
    table = results(way(tracker, sequence, tmp_path, offline))
    assert {int(i): table[table[:, 1] == i, 0].tolist() for i in np.unique(table[:, 1])} == {
        1: [*range(1, 7)],
        2: [*range(13, 18)],
    }
