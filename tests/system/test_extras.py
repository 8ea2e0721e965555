"""What is missing on a machine is said in one sentence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import torch

import tracker
from tracker.detection import yolo

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
        [sys.executable, *words], env=minimal_system, cwd=tmp_path, capture_output=True, text=True, timeout=400
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


def without(module, code, folder):
    """What Python code says, and its exit code, where a package is not installed."""
    blocked = f"import sys; sys.modules[{module!r}] = None; "
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", blocked + code], env=environment, cwd=folder, capture_output=True, text=True, timeout=400
    )
    return done.returncode, done.stdout, done.stderr.splitlines()


def missing(package, extra):
    return f"{package} is not installed; run: pip install 'lstm-tracker[{extra}]'"


class TestAnExtraThatIsNotInstalled:
    """The package cannot be imported in the whole process; nothing else is changed."""

    def test_rfdetr(self, tmp_path):
        (tmp_path / "rf-detr-nano.pth").write_bytes(b"weights")
        code = "from tracker.cli import main; main(['info', 'rf-detr-nano.pth'])"
        assert without("rfdetr", code, tmp_path) == (1, "", ["error: " + missing("rfdetr", "rfdetr")])

    def test_prompt(self, tmp_path):
        network = yolo.ultralytics("nn.tasks").WorldModel("yolov8n-worldv2.yaml", nc=1, verbose=False)
        network.names = ["pallet"]
        torch.save({"model": network}, tmp_path / "world.pt")
        (tmp_path / "ViT-B-32.pt").write_bytes(b"clip")
        published = "import hashlib; from tracker.detection.downloads import published; "
        published += "published._SHA256['ViT-B-32.pt'] = hashlib.sha256(b'clip').hexdigest(); "
        code = published + "from tracker.cli import main; main(['info', 'world.pt', '--prompt', 'fish'])"
        assert without("open_clip", code, tmp_path) == (1, "", ["error: " + missing("open_clip", "prompt")])

    def test_supervision(self, tmp_path):
        """And all else works, also where its detections would have been known."""
        code = "from tracker import *; tracks = Tracker().update(None, Detections([[0, 0, 9, 9]])); "
        code += "print(len(tracks)); tracks.to_supervision()"
        ended, out, said = without("supervision", code, tmp_path)
        assert (ended, out) == (1, "1\n")
        assert said[-1] == "tracker.errors.MissingExtraError: " + missing("supervision", "supervision")
