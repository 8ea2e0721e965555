"""A disk that is full ends a run with one sentence and all that was before; one that is slow only delays it."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest
import yaml
from processes import FAST, begin, check_complete, rows

from helpers.clips import pan


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return pan(tmp_path_factory.mktemp("clip") / "clip.mp4", 400)


@contextmanager
def disk(folder: Path, kib: int) -> Iterator[Path]:
    """A disk of so many KiB."""
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", str(folder)], check=False).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("kib", [64, *(pytest.param(kib, marks=pytest.mark.faults) for kib in (24, 256, 600))])
@pytest.mark.parametrize("more", [[], ["--no-video", "--save-crops", "--json"]], ids=["video", "crops"])
def test_a_full_disk(clip, tmp_path, kib, more):
    with disk(tmp_path / "disk", kib) as full:
        process = begin(clip, *FAST, *more, "--project", full, cwd=tmp_path, temporary=tmp_path / "tmp")
        _, err = process.communicate(timeout=120)
        if process.returncode == 0:  # it was large enough
            assert check_complete(full / "clip", interrupted=False) == 400
            return
        assert process.returncode == 1
        assert err.startswith("error: no space left to write ") and err.count("\n") == 1
        left = full / "clip"
        if not (left / "summary.csv").exists():  # not even the first files fit
            return
        text = (left / "tracks.txt").read_text()
        assert not text or text.endswith("-1,-1,-1\n")
        table = rows(left / "tracks.csv")
        assert abs(len(table) - text.count("\n")) <= 10, "what was written before is kept, up to the same frame"
        assert yaml.safe_load((left / "run.yaml").read_text())["config"]
        assert rows(left / "summary.csv") is not None
        for video in left.glob("*.mp4"):
            if video.stat().st_size > 20_000:
                with av.open(str(video)) as container:
                    assert sum(1 for _ in container.decode(video=0)) >= 12
        for picture in left.glob("crops/*.jpg"):
            assert picture.read_bytes().endswith(b"\xff\xd9")
        assert not [path for path in left.rglob("*") if path.name.startswith(".")]


@pytest.mark.faults
def test_a_disk_that_fills_up_while_a_run_lasts_and_is_cleared_serves_the_next(clip, tmp_path):
    with disk(tmp_path / "disk", 2000) as full:
        (full / "ballast").write_bytes(b"\0" * 1_900_000)
        words = [clip, *FAST, "--project", full, "--name", "x", "--exist-ok"]
        process = begin(*words, cwd=tmp_path, temporary=tmp_path / "tmp")
        _, err = process.communicate(timeout=120)
        assert process.returncode == 1 and "no space left" in err
        (full / "ballast").unlink()
        process = begin(*words, cwd=tmp_path, temporary=tmp_path / "tmp")
        _, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, "")
        assert check_complete(full / "x", interrupted=False) == 400


@pytest.mark.slow
def test_a_slow_disk_only_delays(tmp_path):
    """Every write takes 20 ms more, as on a worn memory card."""
    slowly = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:delay_exit=20000"]
    if shutil.which("strace") is None or subprocess.run([*slowly, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no strace here that may delay system calls")
    clip = pan(tmp_path / "clip.mp4", 60)
    seconds = {}
    for name, prefix in (("plain", []), ("slow", slowly)):
        start = time.monotonic()
        process = begin(clip, *FAST, "--name", name, cwd=tmp_path, temporary=tmp_path / "tmp", prefix=prefix)
        _, err = process.communicate(timeout=200)
        assert (process.returncode, err) == (0, "")
        seconds[name] = time.monotonic() - start
    plain, slow = (tmp_path / "runs" / "track" / name for name in ("plain", "slow"))
    for file in ("tracks.txt", "tracks.csv", "summary.csv", "video.mp4"):
        assert (plain / file).read_bytes() == (slow / file).read_bytes()
    assert seconds["slow"] > seconds["plain"] + 2, "it was slow"
