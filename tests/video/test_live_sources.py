"""Several live sources at once: each tracked from the start, in a folder of its own, none waiting for another."""

import threading
import time

import pytest
import yaml

from helpers.cameras import cameras
from helpers.clips import pan
from tracker.config import Config
from tracker.errors import OutputError, SourceError
from tracker.jobs.run import Output, run
from tracker.output.writers import MotWriter
from tracker.tracker import Tracker

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu"})


@pytest.fixture(scope="module")
def tracker():
    return Tracker(CONFIG)


@pytest.fixture
def server():
    with cameras() as server:
        yield server


class Until:
    """Ends the run, as Ctrl-C does, when each of these sources has had so many frames."""

    def __init__(self, names, frames=8):
        self.frames = dict.fromkeys(names, 0)
        self._wanted = frames
        self._lock = threading.Lock()

    def __call__(self, at):
        with self._lock:
            self.frames[at.source] = at.frames
        if min(self.frames.values()) >= self._wanted:
            raise KeyboardInterrupt


def until_frame(name, frames):
    """Ends the run when this source has had so many frames."""

    def progress(at):
        if at.source == name and at.frames >= frames:
            raise KeyboardInterrupt

    return progress


def test_all_are_tracked_at_the_same_time_each_into_a_folder_of_its_own(tracker, server, tmp_path):
    sources = [f"http://bob:geheim@127.0.0.1:{server.port}/{name}" for name in ("door", "yard", "gate")]
    names = [f"127.0.0.1-{name}" for name in ("door", "yard", "gate")]
    results = run(sources, tracker, Output(tmp_path / "runs"), progress=Until(names))
    assert [result.source for result in results] == names
    assert [result.folder.name for result in results] == names
    for result in results:
        assert result.error is None and result.interrupted
        assert result.frames >= 8
        assert yaml.safe_load((result.folder / "run.yaml").read_text())["result"]["frames"] == result.frames
        assert result.tracks >= 2, "the embeddings of one are not those of another"
        assert min(int(line.split(",")[1]) for line in (result.folder / "tracks.txt").read_text().splitlines()) == 1
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"geheim" in path.read_bytes()]


def test_networks_are_loaded_once(server, tmp_path, monkeypatch):
    from tracker.appearance import embedder
    from tracker.detection import chosen

    loaded = []
    for module, name in ((chosen, "YoloDetector"), (embedder, "Embedder")):
        kind = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, kind=kind: (loaded.append(kind.__name__), kind(*given))[1])
    sources = [f"http://127.0.0.1:{server.port}/{name}" for name in ("door", "yard")]
    run(sources, CONFIG, Output(tmp_path, video=False), progress=Until(["127.0.0.1-door", "127.0.0.1-yard"], 2))
    assert sorted(loaded) == ["Embedder", "YoloDetector"]


def test_one_that_fails_does_not_end_the_others(tracker, server, tmp_path):
    sources = [
        f"http://127.0.0.1:{server.port}/door",
        "rtsp://127.0.0.1:9/dead",
        f"http://127.0.0.1:{server.port}/yard",
    ]
    until = Until(["127.0.0.1-door", "127.0.0.1-yard"])
    door, dead, yard = run(sources, tracker, Output(tmp_path, video=False), progress=until)
    assert isinstance(dead.error, SourceError) and dead.folder is None
    assert door.error is None and yard.error is None
    assert min(door.frames, yard.frames) >= 8


def test_one_that_cannot_write_does_not_end_the_others(tracker, server, tmp_path, monkeypatch):
    write = MotWriter.write

    def full(writer, frame, tracks):
        if "door" in str(writer.lines.path) and frame.number > 4:
            raise OutputError("no space left")
        write(writer, frame, tracks)

    monkeypatch.setattr(MotWriter, "write", full)
    sources = [f"http://127.0.0.1:{server.port}/{name}" for name in ("door", "yard")]
    door, yard = run(sources, tracker, Output(tmp_path, video=False), progress=until_frame("127.0.0.1-yard", 30))
    assert isinstance(door.error, OutputError)
    assert "no space left" in yaml.safe_load((door.folder / "run.yaml").read_text())["result"]["error"]
    assert yard.error is None and yard.frames >= 30


@pytest.mark.slow
def test_files_among_them_are_worked_through_in_order(tracker, server, tmp_path):
    clips = [pan(tmp_path / f"{name}.mp4", 12) for name in ("a", "b")]
    done, live = [], []

    def progress(at):
        if at.frame_count is None:
            live.append(time.monotonic())
            if len(done) == 24:
                raise KeyboardInterrupt
        else:
            done.append(at.source)

    sources = [clips[0], f"http://127.0.0.1:{server.port}/door", clips[1]]
    results = run(sources, tracker, Output(tmp_path / "runs", video=False), progress=progress)
    assert [result.source for result in results] == ["a", "127.0.0.1", "b"]
    assert done == ["a"] * 12 + ["b"] * 12
    assert [result.interrupted for result in results if result.source in "ab"] == [False, False]
    assert live


@pytest.mark.slow
def test_their_tracks_are_those_of_each_alone(server, tmp_path):
    """Networks are shared by threads that look at other frames meanwhile: nothing of one is seen by another."""
    clip = pan(tmp_path / "a.mp4", 30)
    config = CONFIG.override({"detector": {"imgsz": 256}})
    (alone,) = run([clip], config, Output(tmp_path / "alone", video=False))
    sources = [f"http://127.0.0.1:{server.port}/door", clip, f"http://127.0.0.1:{server.port}/yard"]
    results = run(sources, config, Output(tmp_path / "together", video=False), progress=until_frame("a", 30))
    assert (results[1].folder / "tracks.csv").read_bytes() == (alone.folder / "tracks.csv").read_bytes()
