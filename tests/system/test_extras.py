"""What is missing on a machine is said in one sentence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest

import tracker

ROOT = Path(tracker.__file__).parents[1]


@pytest.fixture(scope="module")
def minimal_system(tmp_path_factory):
    """An environment whose OpenCV asks the dynamic linker for a library that the machine does not have."""
    package = Path(cv2.__file__).parent
    binaries = [path for path in package.glob("cv2*.so") if b"libdl.so.2\0" in path.read_bytes()]
    if not binaries:
        pytest.skip("this OpenCV is linked otherwise")
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(package, folder / "cv2", ignore=shutil.ignore_patterns("*.so", "qt", "data", "__pycache__"))
    for libraries in package.parent.glob("opencv_*.libs"):  # the wheel's own, found beside the package
        (folder / libraries.name).symlink_to(libraries)
    for path in binaries:
        (folder / "cv2" / path.name).write_bytes(path.read_bytes().replace(b"libdl.so.2\0", b"libGL.so.0\0"))
    return os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize(
    "words",
    [
        ["-m", "tracker", "video.mp4"],
        ["-m", "tracker", "eval", "sequences", "--out", "out"],
        ["-c", "from tracker import Tracker"],
    ],
)
def test_a_system_without_what_opencv_needs_is_told_what_to_install(words, minimal_system, tmp_path):
    done = subprocess.run(
        [sys.executable, *words], env=minimal_system, cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    said = done.stderr.strip().splitlines()
    assert "OpenCV needs libGL.so.0, which this system lacks; run: apt-get install libgl1" in said[-1]
    if words[0] == "-m":
        assert len(said) == 1 and said[0].startswith("error: ")
    else:
        assert said[-1].startswith("tracker.errors.MissingExtraError: ")
    assert not list(tmp_path.iterdir())


def test_help_needs_no_opencv(minimal_system):
    done = subprocess.run(
        [sys.executable, "-m", "tracker", "--help"], env=minimal_system, capture_output=True, text=True
    )
    assert done.returncode == 0 and "track demo" in done.stdout
