"""A run that was interrupted at any moment goes on, and leaves what one that was not leaves, byte for byte."""

import os
import shutil
import signal
import zlib
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import yaml

from helpers.clips import crossing, pan
from tracker import Detections, GroundPlane, Zones
from tracker.config import Config
from tracker.errors import OutputError, ResumeError
from tracker.jobs import result_files
from tracker.jobs.passes.online import OnlinePass
from tracker.jobs.result_folder import UNFINISHED
from tracker.jobs.resume import saving
from tracker.jobs.resume.earlier import EarlierRun
from tracker.jobs.resume.unfinished import Unfinished
from tracker.jobs.run import Output, run
from tracker.output.video_writer import VideoWriter
from tracker.output.writers import MotWriter
from tracker.system import state
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})
FAST = CONFIG.override({"appearance": {"enabled": False}})
PLACES = {
    "lines": {"middle": {"points": [[160, 0], [160, 240]]}},
    "zones": {"left": {"points": [[0, 0], [150, 0], [150, 240], [0, 240]], "anchor": "centre", "dwell_s": 0.5}},
    "ignore": [{"points": [[0, 0], [5, 0], [5, 5]]}],
}
GROUND = GroundPlane.from_points([[0, 0], [320, 0], [0, 240], [320, 240]], [[0, 0], [10, 0], [0, 10], [10, 10]])


@pytest.fixture(autouse=True)
def always(monkeypatch):
    """Where a run is is saved all the time."""
    monkeypatch.setattr(saving, "EVERY_S", 0.05)
    monkeypatch.setattr(saving, "_SHARE", 1.0)


@pytest.fixture(scope="module")
def tracker():
    return Tracker(FAST)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return crossing(tmp_path_factory.mktemp("clip") / "people.mp4")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    return pan(tmp_path_factory.mktemp("clip") / "pan.mp4", 14)


def tables(folder: Path) -> dict[str, bytes]:
    """All that a run leaves but its video, which is encoded anew from where it goes on, and what tells of its time."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name not in ("run.yaml", "video.mp4")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def video(folder: Path) -> tuple[list[float], np.ndarray]:
    """The times of the frames, and the frames."""
    with av.open(str(folder / "video.mp4")) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        assert stream.frames == len(frames), "it has its index"
        return [frame.time for frame in frames], np.array([frame.to_ndarray(format="gray") for frame in frames])


@pytest.fixture
def drawn(monkeypatch):
    """Number of each frame -> what the pictures of all runs that were given to the encoder as it are like."""
    pictures, write = defaultdict(set), VideoWriter.write

    def noted(self, frame, tracks=None):
        pictures[frame.number].add(zlib.crc32(frame.image))
        write(self, frame, tracks)

    monkeypatch.setattr(VideoWriter, "write", noted)
    return pictures


def assert_same(folder: Path, whole: Path) -> None:
    left = tables(folder)
    assert left.keys() == tables(whole).keys()
    for name, content in tables(whole).items():
        assert left[name] == content, name
    if (whole / "video.mp4").exists():
        (times, pictures), (other, again) = video(whole), video(folder)
        assert times == other
        assert np.abs(pictures.astype(int) - again).mean(axis=(1, 2)).max() < 5, "it decodes, to the same pictures"


def killed(monkeypatch, moments: dict[int, Path], offline: bool = False) -> None:
    """Copy what a run has left by the moment at which it begins to write so-manieth frames: what a kill would leave.

    In the thread that writes everything, between two of its system calls.
    """
    write, written = MotWriter.write, [0]

    def copied(self, frame, tracks):
        written[0] += 1
        folder = self.lines.path.parent
        if written[0] in moments:
            folder = folder.parents[1] if folder.name == "offline" else folder
            shutil.copytree(folder, moments[written[0]], dirs_exist_ok=True)
        write(self, frame, tracks)

    monkeypatch.setattr(MotWriter, "write", copied)


WAYS = {
    "everything": (
        {"appearance": {"enabled": True}},
        {"json": True, "crops": True, "blur": ("person",), "forecast_s": 0.5},
    ),
    "every third frame": ({"detector": {"every": "3"}}, {"json": True}),
    "when it is needed": ({"detector": {"every": "auto"}}, {"video": False}),
    "batches": ({"detector": {"batch": 5}}, {"video": False}),
    "at once": ({"bank": {"report_delay_s": 0}}, {"crops": True}),
    "offline": ({}, {"offline": True, "crops": True, "json": True}),
    "offline, with appearance": ({"appearance": {"enabled": True}}, {"offline": True, "blur": ("heads",)}),
}
QUICK = ("every third frame", "when it is needed", "offline")


@pytest.mark.parametrize("way", [pytest.param(way, marks=[] if way in QUICK else [pytest.mark.slow]) for way in WAYS])
def test_killed_at_any_moment_it_goes_on_and_leaves_the_same(way, tracker, people, tmp_path, monkeypatch, drawn):
    settings, wanted = WAYS[way]
    same = {"zones": Zones.parsed(PLACES, "here"), "ground": GROUND}
    networks = Tracker(FAST.override(settings)) if settings else tracker
    output = Output(tmp_path / "whole", **wanted)
    chosen = np.random.default_rng(len(way)).choice(np.arange(2, 95 if output.offline else 49), 2, replace=False)
    moments = {int(n): tmp_path / f"{n}" / "people" for n in chosen}
    with monkeypatch.context() as patch:
        killed(patch, moments)
        (whole,) = run([people], networks, output, **same)
    assert not (whole.folder / UNFINISHED).exists()
    assert UNFINISHED not in yaml.safe_load((whole.folder / "run.yaml").read_text())["files"]
    assert any((folder / UNFINISHED / "state").is_file() for folder in moments.values())
    for number, folder in moments.items():
        (again,) = run([people], networks, replace(output, project=folder.parent, resume=True), **same)
        assert again.folder == folder, "not beside it"
        assert_same(folder, whole.folder)
        counts = ("frames", "frames_looked_at", "frames_repeated", "tracks", "tracks_by_class", "counts")
        assert [getattr(again, name) for name in counts] == [getattr(whole, name) for name in counts], number
        assert not (folder / UNFINISHED).exists()
    assert {len(pictures) for pictures in drawn.values()} <= {1}, "the same is drawn, bit for bit"


@pytest.mark.slow
def test_frames_that_show_a_picture_once_more(tracker, tmp_path, monkeypatch, drawn):
    clip = pan(tmp_path / "film.mp4", 42, fps=30, repeat_every=6)
    moments = {n: tmp_path / f"{n}" / "film" for n in (20, 31)}
    with monkeypatch.context() as patch:
        killed(patch, moments)
        (whole,) = run([clip], tracker, Output(tmp_path / "whole", crops=True))
    assert whole.frames_repeated
    for folder in moments.values():
        assert (folder / UNFINISHED / "state").exists()
        (again,) = run([clip], tracker, Output(folder.parent, crops=True, resume=True))
        assert again.frames_repeated == whole.frames_repeated
        assert_same(folder, whole.folder)
    assert {len(pictures) for pictures in drawn.values()} == {1}


class Segmenting:
    """The embedded detector, each box filled by a mask."""

    def __init__(self, detector):
        self._detector, self.names = detector, detector.names

    def __call__(self, frames):
        return [self._filled(found, frame) for found, frame in zip(self._detector(frames), frames, strict=True)]

    def _filled(self, found, frame):
        masks = np.zeros((len(found), *frame.shape[:2]), bool)
        for mask, (left, top, right, bottom) in zip(masks, found.xyxy.astype(int), strict=True):
            mask[top : bottom - 9, left:right] = True
        return Detections(found.xyxy, found.scores, found.classes, masks=masks, names=self.names)


@pytest.mark.slow
@pytest.mark.parametrize("offline", [False, True])
def test_masks_that_are_hidden_and_pictures_that_wait_compressed(
    tracker, people, tmp_path, monkeypatch, drawn, offline
):
    monkeypatch.setattr(result_files, "_HELD_BYTES", 3 * 320 * 240 * 3)
    segmenting = Tracker(FAST)
    vars(segmenting.networks)["detector"] = Segmenting(tracker.detector)
    output = Output(tmp_path / "whole", json=True, blur=("person",), crops=True, offline=offline)
    moments = {n: tmp_path / f"{n}" / "people" for n in (23, 41)}
    with monkeypatch.context() as patch:
        killed(patch, moments)
        (whole,) = run([people], segmenting, output)
    for folder in moments.values():
        assert (folder / UNFINISHED / "state").exists()
        run([people], segmenting, replace(output, project=folder.parent, resume=True))
        assert_same(folder, whole.folder)
    assert {len(pictures) for pictures in drawn.values()} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("offline", [False, True])
def test_ended_by_the_user_again_and_again(tracker, people, tmp_path, offline):
    """Each time it goes on where it ended, and what it had written early, since it ended, is forgotten."""

    class Ends:
        def __init__(self):
            self.frames = 0

        def __call__(self, at):
            self.frames += 1
            if self.frames == 13:
                raise KeyboardInterrupt

    wanted = {"crops": True, "json": True, "offline": offline}
    (whole,) = run([people], tracker, Output(tmp_path / "whole", **wanted))
    output, reached = Output(tmp_path / "ended", **wanted, resume=True), []
    while not reached or reached[-1].interrupted:
        reached += run([people], tracker, output, progress=Ends())
    assert [result.frames for result in reached] == [13, 26, 39, 50]
    assert_same(tmp_path / "ended" / "people", whole.folder)
    record = yaml.safe_load((tmp_path / "ended" / "people" / "run.yaml").read_text())
    assert len(record["resumed"]) == 3 and record["result"]["frames"] == 50


@pytest.mark.slow
def test_ended_while_it_reads_up_to_where_it_was_it_goes_on_the_next_time(tracker, people, tmp_path, monkeypatch):
    def ends(at):
        if at.frames == 30:
            raise KeyboardInterrupt

    (whole,) = run([people], tracker, Output(tmp_path / "whole", crops=True))
    output, read_again = Output(tmp_path / "ended", crops=True, resume=True), OnlinePass._read_again

    def ended(self, waiting):
        self._ending.stop(signal.SIGTERM)
        return read_again(self, waiting)

    run([people], tracker, output, progress=ends)
    with monkeypatch.context() as patch:
        patch.setattr(OnlinePass, "_read_again", ended)
        (result,) = run([people], tracker, output)
    assert result.interrupted and result.error is None and result.frames == 30
    (result,) = run([people], tracker, output)
    assert not result.interrupted and result.frames == 50
    assert_same(result.folder, whole.folder)


class TestWhatIsThere:
    @pytest.fixture
    def left(self, tracker, short, tmp_path):
        """A run that was ended in the middle: its folder."""

        def ends(at):
            if at.frames == 10:
                raise KeyboardInterrupt

        (result,) = run([short], tracker, Output(tmp_path / "runs", video=False), progress=ends)
        assert result.interrupted and result.signal == signal.SIGINT
        return result.folder

    def everything(self, folder):
        return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def refused(self, left, sources, tracker, says, **changes):
        """It says why it does not go on, in one sentence, and nothing is touched."""
        before = self.everything(left.parent)
        output = Output(left.parent, resume=True, **{"video": False, **changes})
        (result,) = run(sources, tracker, output)
        assert isinstance(result.error, ResumeError), result.error
        assert says in str(result.error)
        assert "--resume" in str(result.error)
        assert self.everything(left.parent) == before

    def test_a_finished_run_is_left_alone(self, tracker, short, tmp_path):
        (first,) = run([short], tracker, Output(tmp_path, video=False))
        before = self.everything(tmp_path)
        (again,) = run([short], tracker, Output(tmp_path, video=False, resume=True))
        assert again.finished_before and (again.frames, again.tracks) == (first.frames, first.tracks)
        assert self.everything(tmp_path) == before

    @pytest.mark.slow
    def test_what_was_counted_in_a_finished_run_is_told_again(self, tracker, people, tmp_path):
        output, zones = Output(tmp_path, video=False, resume=True), Zones.parsed(PLACES, "here")
        (first,), (again,) = (run([people], tracker, output, zones=zones) for _ in range(2))
        assert again.finished_before and again.tracks_by_class == first.tracks_by_class != {}
        told = [[count.to_dict() for count in result.counts] for result in (first, again)]
        assert told[0] == told[1] != []

    def test_a_damaged_source_is_not_sound_for_having_been_tried_before(self, tracker, people, tmp_path):
        torn = tmp_path / "torn.mkv"
        with av.open(str(people)) as whole, av.open(str(torn), "w") as copy:
            stream = copy.add_stream_from_template(whole.streams.video[0])
            for packet in whole.demux(video=0):
                if packet.dts is not None:
                    packet.stream = stream
                    copy.mux(packet)
        torn.write_bytes(torn.read_bytes()[: torn.stat().st_size // 2])
        output = Output(tmp_path / "runs", video=False, resume=True)
        (first,), (again,) = (run([torn], tracker, output) for _ in range(2))
        assert first.error is not None and first.frames
        assert again.finished_before and str(again.error) == str(first.error)

    def test_another_file_of_the_same_name(self, left, tracker, tmp_path):
        (tmp_path / "other").mkdir()
        other = pan(tmp_path / "other" / "pan.mp4", 5)
        self.refused(left, [other], tracker, "another source")

    def test_a_file_that_was_changed(self, left, tracker, short, tmp_path):
        bytes_, times = short.read_bytes(), short.stat()
        try:
            short.write_bytes(bytes_)
            self.refused(left, [short], tracker, "has been changed")
        finally:
            os.utime(short, ns=(times.st_atime_ns, times.st_mtime_ns))

    def test_other_settings(self, left, short, tmp_path):
        other = Tracker(FAST.override({"bank": {"memory_s": 7}}))
        self.refused(left, [short], other, "--memory (bank.memory_s) was ")

    def test_other_results(self, left, short, tracker):
        self.refused(left, [short], tracker, "--json was not given", json=True)

    def test_other_weights_or_versions(self, left, short, tracker):
        record = yaml.safe_load((left / "run.yaml").read_text())
        record["versions"]["av"] = "1.0"
        (left / "run.yaml").write_text(yaml.safe_dump(record))
        self.refused(left, [short], tracker, "av has another version")
        record["weights"]["motion"]["sha256"] = "0"
        (left / "run.yaml").write_text(yaml.safe_dump(record))
        self.refused(left, [short], tracker, "the weights of motion are others")

    def test_one_of_an_earlier_version(self, left, short, tracker):
        """Which knew no folder for what is not finished, and no fingerprint."""
        record = yaml.safe_load((left / "run.yaml").read_text())
        del record["source"]["fingerprint"], record["leaves"], record["result"]["frames_repeated"]
        record["files"].remove(UNFINISHED)
        (left / "run.yaml").write_text(yaml.safe_dump(record))
        self.refused(left, [short], tracker, "an earlier version of the tracker")

    @pytest.mark.parametrize("damage", ["torn", "edited", "version", "layout", "table", "shorter"])
    def test_damaged_by_whatever(self, left, short, tracker, damage):
        path = left / UNFINISHED / "state"
        content = path.read_bytes()
        if damage == "torn":
            path.write_bytes(content[: len(content) // 2])
        elif damage == "edited":
            path.write_bytes(content[:-9] + b"\x01" + content[-8:])
        elif damage == "version":
            path.write_bytes(content.replace(b'\\"version\\": %d' % state.VERSION, b'\\"version\\": 99'))
            assert path.read_bytes() != content
        elif damage == "layout":
            about, arrays = state.read(path, "run")
            state.write(path, "run", {**about, "layout": 99}, arrays)
        else:
            table = (left / "tracks.csv").read_text()
            (left / "tracks.csv").write_text(table.replace("person", "Person") if damage == "table" else table[:90])
        says = {"version": "of version", "layout": "another version", "table": "changed", "shorter": "changed"}
        self.refused(left, [short], tracker, says.get(damage, "damaged"))

    def test_one_that_another_process_goes_on_with(self, left, short, tracker):
        other = Unfinished(left)
        try:
            self.refused(left, [short], tracker, "in another process")
        except AssertionError as error:  # that sentence has no option to leave out
            assert "--resume" in str(error)
        finally:
            other.release()

    def test_one_that_another_process_goes_on_with_is_not_replaced_either(self, left, short, tracker):
        before = self.everything(left)
        with Unfinished(left)._lock:
            (result,) = run([short], tracker, Output(left.parent, video=False, exist_ok=True))
        assert isinstance(result.error, ResumeError) and "in another process" in str(result.error)
        assert self.everything(left) == before

    def test_of_two_that_begin_in_one_folder_at_once_one_does(self, tmp_path):
        first = Unfinished.new(tmp_path)
        for _ in range(2):  # the one that is refused leaves the lock to the other
            with pytest.raises(ResumeError, match="in another process"):
                Unfinished.new(tmp_path)
        first.remove()
        Unfinished.new(tmp_path).remove()
        assert not list(tmp_path.iterdir())

    def test_one_that_ends_meanwhile_is_finished(self, left, short, tracker, monkeypatch):
        """The other process ends between the look at its record and that at its lock."""
        require_same = EarlierRun.require_same

        def ends(self, *given, **options):
            monkeypatch.setattr(EarlierRun, "require_same", require_same)
            (other,) = run([short], tracker, Output(left.parent, video=False, resume=True))
            assert other.folder == left and not other.finished_before
            require_same(self, *given, **options)

        monkeypatch.setattr(EarlierRun, "require_same", ends)
        (result,) = run([short], tracker, Output(left.parent, video=False, resume=True))
        assert result.finished_before and result.folder == left and result.frames == 14
        assert not (left / UNFINISHED).exists()

    def test_a_window_shows_the_rest(self, left, short, tracker, tmp_path, monkeypatch):
        """Of a run that needed no pictures before."""
        shown = []

        class Window:
            closed = False

            def __init__(self, title):
                shown.append(title)

            def write(self, frame, tracks):
                shown.append((frame.number, frame.image.any()))

            def close(self):
                """Nothing is open."""

        monkeypatch.setattr(result_files, "Window", Window)
        monkeypatch.setattr("tracker.jobs.run.require_windows", lambda: None)
        (result,) = run([short], tracker, Output(left.parent, video=False, show=True, resume=True))
        assert result.folder == left and result.frames == 14
        assert shown[0] == "pan" and shown[-1] == (14, True)
        (whole,) = run([short], tracker, Output(tmp_path / "whole", video=False))
        assert_same(left, whole.folder)

    def test_a_folder_to_write_into_is_the_one_that_is_meant(self, left, short, tracker):
        """And not the newest of those beside it, which may be of a copy of the file."""
        other = shutil.copytree(left, left.with_name("pan-2"))
        before = self.everything(other)
        (result,) = run([short], tracker, Output(left.parent, video=False, resume=True, exist_ok=True))
        assert result.folder == left and result.frames == 14
        assert self.everything(other) == before

    def test_killed_before_anything_was_saved_it_begins_anew_in_its_folder(self, left, short, tracker, tmp_path):
        (left / UNFINISHED / "state").unlink()
        (left / "mine.txt").write_text("mine")
        (result,) = run([short], tracker, Output(left.parent, video=False, resume=True))
        assert result.folder == left and result.frames == 14 and (left / "mine.txt").read_text() == "mine"
        (whole,) = run([short], tracker, Output(tmp_path / "whole", video=False))
        (left / "mine.txt").unlink()
        assert_same(left, whole.folder)

    @pytest.mark.slow
    def test_of_several_sources_the_rest_is_done(self, left, short, tracker, people, tmp_path):
        run([people], tracker, Output(left.parent, video=False))
        (tmp_path / "third").mkdir()
        third = shutil.copy(short, tmp_path / "third" / "third.mp4")
        again = run([people, short, third], tracker, Output(left.parent, video=False, resume=True))
        assert [result.folder.name for result in again] == ["people", "pan", "third"]
        assert [result.finished_before for result in again] == [True, False, False]
        assert [result.frames for result in again] == [50, 14, 14]
        assert sorted(path.name for path in left.parent.iterdir()) == ["pan", "people", "third"]
        assert tables(left) == tables(again[2].folder)

    def test_the_newest_of_several_runs_is_meant(self, left, short, tracker):
        run([short], tracker, Output(left.parent, video=False))
        (result,) = run([short], tracker, Output(left.parent, video=False, resume=True))
        assert result.finished_before and result.folder.name == "pan-2"

    def test_who_replaces_it_leaves_nothing_of_it_and_all_that_is_not_its_own(self, left, short, tracker):
        (left / UNFINISHED / "mine.txt").write_text("mine")
        (result,) = run([short], tracker, Output(left.parent, video=False, exist_ok=True))
        assert result.folder == left and result.frames == 14
        assert [path.name for path in (left / UNFINISHED).iterdir()] == ["mine.txt"]

    def test_with_nothing_there_it_is_an_ordinary_run(self, short, tracker, tmp_path):
        (result,) = run([short], tracker, Output(tmp_path, "named", video=False, resume=True))
        assert result.folder == tmp_path / "named" and result.frames == 14 and not result.finished_before


@pytest.mark.slow
def test_ended_again_while_it_is_post_processed_it_tells_what_was_tracked(tracker, people, tmp_path, monkeypatch):
    output = Output(tmp_path, video=False, offline=True, resume=True)
    zones = Zones.parsed(PLACES, "here")

    def ends(*given):
        given[-1].stop(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr("tracker.jobs.run.second_pass", ends)
        told = [run([people], tracker, output, zones=zones)[0] for _ in range(2)]
    assert all(result.interrupted for result in told)
    assert told[1].tracks_by_class == told[0].tracks_by_class and sum(told[1].tracks_by_class.values()) > 1
    assert told[1].counts == told[0].counts != []
    (result,) = run([people], tracker, output, zones=zones)
    assert not result.interrupted and sum(result.tracks_by_class.values()) == result.tracks and result.counts


@pytest.mark.slow
def test_a_full_disk_ends_it_and_with_room_it_goes_on(tracker, people, tmp_path, monkeypatch):
    (whole,) = run([people], tracker, Output(tmp_path / "whole"))
    with monkeypatch.context() as patch:
        append = MotWriter.write

        def full(self, frame, tracks):
            if frame.number == 30:
                raise OutputError("no space left")
            append(self, frame, tracks)

        patch.setattr(MotWriter, "write", full)
        with pytest.raises(OutputError, match="no space"):
            run([people], tracker, Output(tmp_path / "full"))
    (again,) = run([people], tracker, Output(tmp_path / "full", resume=True))
    assert again.seconds > 0 and again.frames == 50
    assert_same(tmp_path / "full" / "people", whole.folder)


def test_a_state_that_cannot_be_written_ends_nothing(tracker, short, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OutputError("no space left")

    monkeypatch.setattr(state, "write", full)
    (result,) = run([short], tracker, Output(tmp_path, video=False))
    assert result.error is None and result.frames == 14
