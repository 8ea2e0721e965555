"""Real processes, ended by SIGKILL, Ctrl-C or a full disk at moments that nobody chose, and gone on with `--resume`."""

import random
import signal
import subprocess
import time
from pathlib import Path

import av
import pytest
from processes import FAST

from helpers.clips import pan
from helpers.forked import ForkedTrack

FRAMES = 150
OFTEN = {"tracker.jobs.resume.saving.EVERY_S": 0.3, "tracker.jobs.resume.saving._SHARE": 1}  # clips are short here


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return pan(tmp_path_factory.mktemp("clip") / "clip.mp4", FRAMES)


@pytest.fixture(autouse=True)
def heard():
    """Tests that run as a shell's background job ignore SIGINT, and what they start would, too."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def track(*words: object) -> ForkedTrack:
    return ForkedTrack(*words, *FAST, settings=OFTEN)


def ended(process: ForkedTrack, code: int = 0) -> str:
    _, err = process.communicate(timeout=200)
    assert process.returncode == code, err
    return err


def left(folder: Path) -> tuple[dict[str, bytes], list[float]]:
    """All files but the video and the record of the run, and the times of the video's frames."""
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in ("run.yaml", "video.mp4")
    }
    with av.open(str(folder / "video.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert container.streams.video[0].frames == len(times)
    return files, times


@pytest.fixture(scope="module")
def whole(clip, tmp_path_factory):
    """Of each way: what an uninterrupted run leaves."""
    known: dict[tuple[str, ...], tuple[dict[str, bytes], list[float]]] = {}

    def of(*way: str) -> tuple[dict[str, bytes], list[float]]:
        if way not in known:
            project = tmp_path_factory.mktemp("whole")
            ended(track(clip, "--project", project, *way))
            known[way] = left(project / "clip")
        return known[way]

    return of


def interrupted(words: list[object], folder: Path, number: int, chance: random.Random) -> bool:
    """Begin, or go on, and send the signal some time after the first frame was written; was it in time?"""
    process = track(*words, "--resume")
    begun, deadline = folder / "tracks.txt", time.monotonic() + 120
    size = begun.stat().st_size if begun.exists() else -1
    while process.poll() is None and not (begun.exists() and begun.stat().st_size not in (size, 0)):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 2))
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode in (0, -number, 128 + number)
    return process.returncode != 0


@pytest.mark.parametrize(
    ("number", "seed", "way"),
    [
        (signal.SIGKILL, 1, ("--save-crops", "--json")),
        *(
            pytest.param(number, seed, way, marks=pytest.mark.faults)
            for number in (signal.SIGKILL, signal.SIGINT)
            for seed in range(2, 9)
            for way in (("--save-crops", "--json"), ("--offline",))
        ),
    ],
)
@pytest.mark.slow
def test_twice_interrupted_it_leaves_what_it_would_have_left(clip, tmp_path, whole, number, seed, way):
    words, chance = [clip, "--project", tmp_path, *way], random.Random(seed)
    folder = tmp_path / "clip"
    if interrupted(words, folder, number, chance):
        interrupted(words, folder, number, chance)
    ended(track(*words, "--resume"))
    assert left(folder) == whole(*way)
    assert not list(folder.glob("unfinished"))
    assert [path.name for path in tmp_path.iterdir()] == ["clip"]


@pytest.mark.faults
def test_with_a_full_disk_made_larger_it_goes_on(clip, tmp_path, whole):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        words = [clip, "--project", disk]
        assert "no space left" in ended(track(*words), 1)
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        assert (disk / "clip" / "unfinished" / "state").is_file(), "it was further than the beginning"
        ended(track(*words, "--resume"))
        assert left(disk / "clip") == whole()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)
