"""Every command of the README runs as it stands, on small real input put where its names point.

Only what takes long is shortened, by options added at the end. The two marked commands (install, test) are the ones
that `.ci/run` reads from the README and runs in a fresh environment.
"""

import re
import shlex
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from ultralytics.engine.results import Results

from helpers.clips import BUS
from helpers.small_inputs import write_inputs
from tracker import Detections, GroundPlane, Tracker, Tracks
from tracker.cli import main

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = dict.fromkeys(re.findall(r"^```(\w+)\n(.*?)^```", README, re.M | re.S))
COMMANDS = [
    line.partition(" #")[0].strip()
    for language, block in BLOCKS
    if language == "bash"
    for line in block.splitlines()
    if line.startswith("track ")
]
SLOW = (  # networks are made in 8 bits, others' trackers are run: a minute each
    "track export --int8",
    "track video.mp4 --model exported",
    "track video.mp4 --config edge",
    "track bench",
)
SHORTER = {
    "track train motion": "--steps 8 --config quick.yaml --quiet",
    "track train appearance": "--steps 2 --batch 4 --quiet",
    "track train detector": "--steps 1 --imgsz 64 --batch 2 --hold-out 0.5 --quiet",
    "track tune": "--trials 2 --config small.yaml",
    "track eval MOT17/train --detections yolo": "--config small.yaml",
    "track export": "--frames 6 --config small.yaml",
    "track bench": "--rounds 1 --loops 1 --stream 1000 --detect-every 1 --config small.yaml --quiet",
}
EXPLAINED = (
    "runs/track/video"  # and looked at, corrected, ...: left by the first of the commands, where it is not left out
)
REFUSED = {  # what cannot work on the machine of a test says so in one sentence
    "track rtsp://user:password@camera/stream --no-video": "camera",
    "track video.mp4 --model yolo11x.pt --device cuda:0 --half": "yolo11x.pt"
    if torch.cuda.is_available()
    else "cuda:0",
    "track video.mp4 --camera camera.yaml": "has moved",  # it pans
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with everything that the README's commands name."""
    folder = write_inputs(tmp_path_factory.mktemp("readme"))
    (folder / "zones.yaml").write_text("units: share\nlines: {gate: {points: [[0.5, 0], [0.5, 1]]}}\n")
    GroundPlane.from_points(*np.split(np.loadtxt(folder / "points.csv", delimiter=",", skiprows=1), 2, axis=1)).save(
        folder / "camera.yaml"
    )
    (folder / "archive").mkdir()
    for name in ("night.mp4", "archive/one.mp4"):
        shutil.copy(folder / "video.mp4", folder / name)
    return folder


def run(command, capsys):
    shorter = next((extra for start, extra in SHORTER.items() if command.startswith(start)), "")
    with pytest.raises(SystemExit) as end:
        main(shlex.split(f"{command} {shorter}")[1:])
    output = capsys.readouterr()
    return end.value.code or 0, output.out, output.err


@pytest.mark.parametrize(
    "command", [pytest.param(line, marks=[pytest.mark.slow] if line.startswith(SLOW) else []) for line in COMMANDS]
)
def test_a_command_of_the_readme_runs(command, folder, request, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    if "--config edge" in command:
        cache, *_ = request.getfixturevalue("int8_cache")
        monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setattr("tracker.bench.growth.COUNTS", (10, 100))
    monkeypatch.setattr("tracker.viewer.serving.wait", lambda: None)  # pages: until they are ended
    if EXPLAINED in command and not (folder / EXPLAINED).is_dir():
        run("track video.mp4", capsys)
    code, _, errors = run(command, capsys)
    if command in REFUSED:
        assert code in (1, 2)
        assert REFUSED[command] in errors and errors.count("error:") == 1
        assert "password" not in errors and "Traceback" not in errors
    else:
        assert code == 0, errors


def test_the_files_it_names_are_left(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert run("track video.mp4 --name files", capsys)[0] == 0
    named = re.findall(r"^\| `([\w.]+)` \|", README, re.M)
    assert len(named) == 5
    assert all((folder / "runs" / "track" / "files" / name).stat().st_size for name in named)


def test_its_python_runs(folder, monkeypatch, capsys):
    """The block as it stands, with the names it takes for granted."""
    monkeypatch.chdir(folder)
    (block,) = [text for language, text in BLOCKS if language == "python"]
    box = [[10.0, 20, 50, 100]]
    found = torch.tensor([[*box[0], 0.9, 0]])
    names = {
        "images": [cv2.resize(cv2.imread(str(BUS)), (240, 320))] * 2,
        "image": cv2.resize(cv2.imread(str(BUS)), (240, 320)),
        "xyxy": box,
        "scores": [0.9],
        "classes": [0],
        "embeddings": np.eye(1, 512),
        "t": 10.0,
        "results": Results(np.zeros((320, 240, 3), np.uint8), "a.jpg", {0: "person"}, found),
        "masks": np.ones((1, 320, 240), bool),
        "keypoints": np.ones((1, 17, 3)),
        "plates": ["B 123"],
        "times": [20.0, 21.0],
    }
    exec(block, names)
    assert isinstance(names["tracker"], Tracker) and isinstance(names["tracks"], Tracks)
    assert names["tracks"].masks is not None and names["late"].time_s == 21
    assert names["ahead"].xyxy.shape[1:] == (30, 4)
    assert isinstance(Detections(box), Detections)


def test_the_two_commands_of_the_start_are_the_ones_that_are_checked():
    for mark, expected in (("install", "track demo"), ("test", "pytest")):
        block = re.search(rf"<!-- {mark} -->\n```bash\n(.*)\n```", README)
        assert block and expected in block[1]
        assert f"readme_command {mark}" in (ROOT / ".ci" / "run").read_text()


def test_its_pictures_and_pages_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
