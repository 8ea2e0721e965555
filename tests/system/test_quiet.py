"""Nothing leaves the machine, and nothing is written but where it was asked for: every command, watched as it runs.

Each runs in a process of its own whose audit hook counts and refuses look-ups and connections to anything but this
machine, and counts files opened for writing elsewhere. What native code does is seen by what it leaves: an engine that
reports to its maker keeps a number for the user in the home folder.
"""

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tracker
from helpers.small_inputs import write_inputs
from tracker.cli import commands, main

ROOT = Path(tracker.__file__).parents[1]
HOOK = """
import os, sys

ROOTS = tuple(os.environ["WATCH_ROOTS"].split(os.pathsep))
REPORT = os.open(os.environ["WATCH_REPORT"], os.O_WRONLY | os.O_APPEND)
PLACE = {"socket.getaddrinfo": 0, "socket.gethostbyname": 0, "socket.gethostbyaddr": 0, "socket.connect": 1,
         "socket.sendto": 1, "urllib.Request": 0}
HERE = ("", "localhost", "127.0.0.1", "::1")

def watch(event, arguments):
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, (str, bytes, os.PathLike)) and (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            path = os.path.abspath(os.fsdecode(path))
            if not path.startswith(ROOTS):
                os.write(REPORT, f"writes {path}\\n".encode())
    elif event in PLACE:
        target = arguments[PLACE[event]]
        if event in ("socket.connect", "socket.sendto"):
            if not isinstance(target, tuple):  # a socket that is a file
                return
            target = target[0]
        target = os.fsdecode(target or "")
        if target not in HERE and not target.startswith(("http://127.0.0.1", "file:")):
            os.write(REPORT, f"asks {target}\\n".encode())
            raise OSError(f"{target}: refused by the test")

sys.addaudithook(watch)
"""
OF_ONE_S_OWN = {".cache", ".cache/matplotlib", ".cache/tracker", ".config", ".config/matplotlib"}  # caches, by rule

slow = pytest.mark.slow
COMMANDS = [
    "--help",
    "info",
    "run video.mp4",
    "calibrate video.mp4 --points points.csv",
    "zones video.mp4 --out places.yaml",
    "report seen/run",
    "serve video.mp4 --http 127.0.0.1:0 --project site",
    pytest.param("run video.mp4 --offline --no-video --save-crops", marks=slow),
    pytest.param("batch video.mp4 --project archive --jobs 1 --no-video --gallery gallery", marks=slow),
    "identities seen/gallery",
    pytest.param("explain seen/run --id 1 --frame 5", marks=slow),
    "convert MOT17/train --from mot --to coco-video --out tracks.json",
    "view seen/run",
    "apply seen/run",
    "eval MOT17/train --out results",
    pytest.param("eval MOT17/train --detections yolo --config small.yaml --out results", marks=slow),
    "eval-motion MOT17/train --horizons 1 --out motion",
    pytest.param("eval-appearance MOT17/train --stride 10 --out looks.json", marks=slow),
    pytest.param("tune MOT17/train --trials 2 --config small.yaml --out tuned", marks=slow),
    pytest.param(
        "train appearance my-images --teacher osnet.safetensors --steps 2 --batch 4 --out appearance", marks=slow
    ),
    pytest.param("train motion MOT17/train SportsMOT/train --steps 8 --config quick.yaml --out lstm", marks=slow),
    pytest.param(
        "train detector my-images --steps 1 --imgsz 64 --batch 2 --hold-out 0.5 --out detector",
        marks=slow,
    ),
    pytest.param("export --frames 2 --config small.yaml --out openvino", marks=slow),
    pytest.param("export --frames 2 --config small.yaml --format onnx --int8 --out onnx", marks=slow),
    pytest.param("run video.mp4 --config edge", marks=slow),
    pytest.param("demo", marks=slow),
    pytest.param(
        "bench video.mp4 --against ultralytics --rounds 1 --loops 1 --stream 1000 --detect-every 1 --out bench",
        marks=slow,
    ),
]
SHORTER = {  # fewer frames and objects than their options allow, and pages for a moment
    "view": ["-c", "import tracker.viewer.serving as s, tracker.cli as cli; s.wait = lambda: None; cli.main()"],
    "zones": ["-c", "import tracker.viewer.serving as s, tracker.cli as cli; s.wait = lambda: None; cli.main()"],
    "demo": ["-c", "import tracker.jobs.demo as demo, tracker.cli as cli; demo.SECONDS = 0.5; cli.main()"],
    "bench": ["-c", "import tracker.bench.growth as growth, tracker.cli as cli; growth.COUNTS = (10,); cli.main()"],
}
NEEDS = {"export --frames 2 --config small.yaml --out": "openvino", "--format onnx": "onnxruntime", "edge": "openvino"}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """What the commands name, and a finished run for those that take one."""
    folder = write_inputs(tmp_path_factory.mktemp("inputs"))
    with contextlib.chdir(folder), pytest.raises(SystemExit) as end:
        main(["video.mp4", "--no-video", "--project", "seen", "--name", "run", "--gallery", "seen/gallery", "--quiet"])
    assert not end.value.code
    return folder


class Watched:
    """A current folder, home, and temporary folder, and what a process did beyond them."""

    def __init__(self, folder: Path, inputs: Path) -> None:
        self.home, self.here, self.temporary = (folder / name for name in ("home", "here", "temporary"))
        for path in (self.home, self.temporary, folder / "hook"):
            path.mkdir()
        shutil.copytree(inputs, self.here)
        (folder / "hook" / "sitecustomize.py").write_text(HOOK)
        self.report = folder / "report.txt"
        self.report.touch()
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("YOLO_", "ORT_", "NNCF_", "XDG_", "MPL"))}
        kept.pop("CI", None)  # where OpenVINO keeps quiet of itself
        self.environment = kept | {
            "PYTHONPATH": f"{folder / 'hook'}{os.pathsep}{ROOT}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "WATCH_ROOTS": os.pathsep.join([*map(str, (self.home, self.here, self.temporary)), "/dev/"]),
            "WATCH_REPORT": str(self.report),
        }

    def track(self, words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *SHORTER.get(words.split()[0], ["-m", "tracker"]), *shlex.split(words)],
            cwd=self.here,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=400,
        )

    def left(self, folder: Path) -> set[str]:
        return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.fixture
def watched(inputs, tmp_path):
    return Watched(tmp_path, inputs)


def test_every_command_is_watched():
    named = {(case if isinstance(case, str) else case.values[0]).split()[0] for case in COMMANDS}
    assert named == set(commands()) | {"--help"}


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_asks_nobody_and_writes_only_where_it_is_told_to(words, watched, request):
    for part, package in NEEDS.items():
        if part in words:
            pytest.importorskip(package)
    environment = {}
    if "edge" in words:
        environment["XDG_CACHE_HOME"] = str(request.getfixturevalue("int8_cache")[0])
    done = watched.track(words, **environment)
    assert done.returncode == 0, done.stderr
    assert watched.report.read_text() == ""
    assert {path for path in watched.left(watched.home) if "matplotlib/" not in path} <= OF_ONE_S_OWN
    assert {path for path in watched.left(watched.temporary) if not path.startswith("torchinductor_")} == set()


@pytest.fixture(scope="module")
def nowhere_else(tmp_path_factory):
    """Words that run a command where nothing can be written but below `$1`: a container with a read-only root."""
    mounts = """
        set -e
        mount --make-rprivate /
        mount --bind "$1" "$1"
        cut -d' ' -f5 /proc/self/mountinfo | grep -vE '^/(proc|sys|dev$|dev/pts)' | while read -r place; do
            [ "$place" = "$1" ] || mount -o remount,bind,ro "$place"
        done
        if (: > /tmp/probe) 2>/dev/null; then echo "still writable"; exit 9; fi
        shift
        exec "$@"
    """
    words = ["unshare", "--mount", "--map-root-user", "bash", "-c", mounts, "bash"]
    done = subprocess.run([*words, tmp_path_factory.mktemp("out"), "true"], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no namespace with a read-only root here: {done.stderr or done.stdout}")
    return words


@pytest.mark.parametrize("home", [pytest.param("/root", marks=slow), None])
def test_a_run_needs_no_place_to_write_but_its_output(home, nowhere_else, inputs, tmp_path):
    environment = {k: v for k, v in os.environ.items() if k not in ("TMPDIR", "HOME")} | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tracker", "video.mp4", "--project", str(tmp_path)]
    done = subprocess.run(
        [*nowhere_else, str(tmp_path), *command],
        cwd=inputs,
        env=environment | ({"HOME": home} if home else {}),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert {path.name for path in (tmp_path / "video").iterdir()} >= {"video.mp4", "tracks.txt", "run.yaml"}


def test_the_watch_sees_what_it_is_there_for(watched):
    """Were it blind, everything above would pass."""
    subprocess.run(
        [sys.executable, "-c", "import socket; socket.getaddrinfo('example.org', 80)"],
        env=watched.environment,
        capture_output=True,
    )
    subprocess.run([sys.executable, "-c", "open('/nowhere/file', 'w')"], env=watched.environment, capture_output=True)
    assert watched.report.read_text().splitlines() == ["asks example.org", "writes /nowhere/file"]
