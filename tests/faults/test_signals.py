"""SIGINT, SIGTERM and SIGHUP end a run at any moment as one wants it: files closed and valid, nothing left behind."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import FAST, ROOT, begin, check_complete

from helpers.cameras import cameras
from helpers.clips import pan
from helpers.forked import ForkedTrack

INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
SIGNALS = [INT, TERM, HUP]


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return pan(tmp_path_factory.mktemp("clip") / "clip.mp4", 1500)


@pytest.fixture(autouse=True)
def heard():
    """Tests that run as a shell's background job ignore SIGINT, and what they start would, too."""
    before = {number: signal.signal(number, signal.default_int_handler) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def wait_for(process: ForkedTrack, file: Path, lines: int = 20) -> None:
    deadline = time.monotonic() + 120
    while not (file.exists() and file.read_text().count("\n") >= lines):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def ended(process: ForkedTrack, code: int) -> None:
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (code, "")


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_a_run_with_the_shells_code(clip, tmp_path, number):
    process = begin(clip, *FAST, cwd=tmp_path, temporary=tmp_path / "tmp")
    wait_for(process, tmp_path / "runs/track/clip/tracks.txt")
    process.send_signal(number)
    ended(process, 128 + number)
    assert 0 < check_complete(tmp_path / "runs/track/clip") < 1500
    assert list((tmp_path / "tmp").iterdir()) == []


def test_further_signals_while_it_closes_change_nothing(clip, tmp_path):
    process = begin(clip, *FAST, cwd=tmp_path, temporary=tmp_path / "tmp")
    wait_for(process, tmp_path / "runs/track/clip/tracks.txt")
    numbers = [TERM]
    while process.poll() is None:
        process.send_signal(numbers[-1])
        numbers.append(random.choice(SIGNALS))
        time.sleep(0.002)
    # Which is the first is the system's to say: those that wait together are delivered in the order of their numbers.
    _, err = process.communicate(timeout=120)
    assert process.returncode - 128 in numbers and err == ""
    assert len(numbers) > 3
    check_complete(tmp_path / "runs/track/clip")
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("number", [TERM, HUP])
def test_a_background_job_that_hears_no_ctrl_c_hears_the_others(clip, tmp_path, number):
    signal.signal(INT, signal.SIG_IGN)  # as a shell without job control begins `track video.mp4 &`
    process = begin(clip, *FAST, cwd=tmp_path, temporary=tmp_path / "tmp")
    wait_for(process, tmp_path / "runs/track/clip/tracks.txt")
    process.send_signal(INT)
    time.sleep(0.5)
    assert process.poll() is None, "what was ignored from the start stays ignored"
    process.send_signal(number)
    ended(process, 128 + number)
    check_complete(tmp_path / "runs/track/clip")


def test_as_the_first_process_of_a_container(clip, tmp_path):
    """The kernel keeps signals from process 1 that it has no handler for."""
    apart = ["unshare", "--pid", "--fork", "--mount-proc"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no process namespaces here")
    process = subprocess.Popen(
        [*apart, sys.executable, "-m", "tracker", str(clip), *FAST],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(process, tmp_path / "runs/track/clip/tracks.txt")
    (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill(int(child), TERM)
    ended(process, 128 + TERM)
    check_complete(tmp_path / "runs/track/clip")


def test_all_live_sources_of_a_run_end(tmp_path):
    with cameras() as server:
        urls = [f"http://127.0.0.1:{server.port}/{name}" for name in ("door", "yard")]
        process = begin(*urls, *FAST, cwd=tmp_path, temporary=tmp_path / "tmp")
        folders = [tmp_path / "runs/track" / f"127.0.0.1-{name}" for name in ("door", "yard")]
        for folder in folders:
            wait_for(process, folder / "tracks.txt")
        process.send_signal(TERM)
        ended(process, 128 + TERM)
    assert all(check_complete(folder) > 0 for folder in folders)


@pytest.mark.faults
@pytest.mark.parametrize("seed", range(100))
def test_at_a_random_moment(clip, tmp_path, seed):
    """Before, while and after the networks are loaded; a second signal follows half of them soon after.

    Of two that come before Python looks, it hears the lower number first.
    """
    chance = random.Random(seed)
    number, moment = chance.choice(SIGNALS), chance.uniform(0.2, 9.0)
    words = [clip, *FAST, *chance.choice([[], ["--no-video"], ["--save-crops"], ["--offline"], ["--json"]])]
    process = begin(*words, cwd=tmp_path, temporary=tmp_path / "tmp")
    time.sleep(moment)
    process.send_signal(number)
    sent = {number}
    if chance.random() < 0.5:
        time.sleep(chance.uniform(0, 0.3))
        sent.add(second := chance.choice(SIGNALS))
        process.send_signal(second)
    _, err = process.communicate(timeout=120)
    folder = tmp_path / "runs/track/clip"
    if not folder.exists():  # Python itself may not have been ready for a signal
        assert process.returncode in {128 + n for n in sent} | {-n for n in sent}, err
        return
    assert process.returncode - 128 in sent and err == ""
    assert list((tmp_path / "tmp").iterdir()) == []
    files = {path.name: path for path in folder.iterdir()}
    crops = files.pop("crops", None)
    assert not any(name.startswith(".") for name in files)
    assert crops is None or all(path.read_bytes().endswith(b"\xff\xd9") for path in crops.iterdir())
    check_complete(folder)
