"""Every command with --out: what it did not make stays as it is, and its own is replaced."""

import importlib.util
import os
import re
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.clips import pan
from helpers.walkers import LENGTH, make_detected
from tracker.bench.growth import Stretch
from tracker.bench.runs import Cost
from tracker.cli import main
from tracker.cli.run import _print_summary, prepare
from tracker.config import Config
from tracker.jobs.outcome import SourceResult
from tracker.output.writers import MotWriter


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with sequences in `data` (two people each, detected perfectly) and a clip."""
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B"):
        make_detected(tmp_path / "data", name)
        (tmp_path / "data" / name / "img1").mkdir()
        for frame in range(1, LENGTH + 1):
            picture = np.random.default_rng(frame).integers(0, 256, (480, 640, 3), np.uint8)
            cv2.imwrite(str(tmp_path / "data" / name / "img1" / f"{frame:06}.jpg"), picture)
    pan(tmp_path / "pan.mp4", 6)
    (tmp_path / "small.yaml").write_text("detector: {imgsz: 64}\n")
    return tmp_path


COMMANDS = {
    "eval": ("eval data --no-preproc --out out", ["run.yaml", "A.txt", "metrics.json", "report.html"], ""),
    "eval-motion": ("eval-motion data --models last --horizons 1 --out out", ["metrics.json", "details.json"], ""),
    "eval-appearance": ("eval-appearance data/A --gaps 0.2 --out out/a.json", ["a.json", "a.png"], "matplotlib"),
    "tune": ("tune data --trials 1 --out out", ["config.yaml", "trials.csv", "journal.log"], "optuna"),
    "bench": (
        "bench pan.mp4 --against none --rounds 1 --loops 1 --stream 1000 --out out",
        ["bench.json", "bench.png"],
        "matplotlib",
    ),
    "export": (
        "export --frames 2 --config small.yaml --out out",
        [*(f"{net}.{end}" for net in ("detector", "appearance", "motion") for end in ("xml", "bin")), "export.yaml"],
        "openvino",
    ),
}


def run(words: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr."""
    with pytest.raises(SystemExit) as ended:
        main(words.split())
    return int(ended.value.code or 0), *capsys.readouterr()


def content(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "command", [pytest.param(name, marks=[pytest.mark.slow] * (name == "export")) for name in COMMANDS]
)
def test_what_it_did_not_make_stays_and_its_own_is_replaced(
    place: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words, leaves, extra = COMMANDS[command]
    if extra and not importlib.util.find_spec(extra):
        pytest.skip(f"needs {extra}")
    cost = Cost(1.0, 1.0, 1.0, 6, 0.1, {"track": 1.0}, 6, 0.5)
    monkeypatch.setattr("tracker.bench.growth.COUNTS", (10,))  # what is timed is not what is asked here
    monkeypatch.setattr("tracker.bench.growth.by_length", lambda *_: [Stretch(10 * i, 1.0, 1.0) for i in range(1, 11)])
    monkeypatch.setattr("tracker.bench.runs.measure", lambda command: cost)
    out = place / "out"
    out.mkdir()
    for name in leaves:
        (out / name).write_text("theirs")
        before = content(place)
        code, _, said = run(words, capsys)
        assert code == 1 and re.fullmatch(rf"error: out/{re.escape(name)} was not made by track {command}; .*\n", said)
        assert content(place) == before
        (out / name).unlink()
    (out / "notes.txt").write_text("theirs")
    for _ in range(2):
        code, _, said = run(f"{words} --quiet", capsys)
        assert code == 0, said
        assert {path.name for path in out.iterdir()} >= {*leaves, "notes.txt"}
    assert (out / "notes.txt").read_text() == "theirs"
    main_file = out / next(name for name in leaves if name.endswith((".json", ".yaml")))
    main_file.unlink()
    main_file.symlink_to(place / "data" / "A" / "seqinfo.ini")
    before = content(place)
    assert run(words, capsys)[0] == 1 and content(place) == before


def test_numbers_are_not_written_where_the_plot_goes(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for out in ("a.png", "."):
        code, _, said = run(f"eval-appearance data/A --out {out}", capsys)
        assert code == 2 and "give a JSON file" in said and len(said.splitlines()) == 1


def test_a_log_says_that_networks_are_made_where_no_terminal_shows_it(monkeypatch, capsys):
    def made(config, progress):
        for frame in range(3):
            progress(f"looking at frame {frame}")

    monkeypatch.setattr("tracker.export.int8.prepared", made)
    for quiet in (False, True):
        prepare(Config().override({"engine": "openvino-int8"}), quiet)
    assert capsys.readouterr().err == "making the INT8 networks, once: a minute or two\n"


@pytest.mark.parametrize(
    ("classes", "shown"),
    [
        ({"person": 12, "car": 3}, "15 tracks (12 person, 3 car) in 9 frames"),
        ({"person": 1}, "1 track (1 person) in 9 frames"),
        ({}, "0 tracks in 9 frames"),
        ({f"class {i}": 1 for i in range(11)}, "11 tracks (1 class 0, 1 class 1, "),
        ({f"class {i}": 1 for i in range(11)}, ", 1 class 7, and 3 more classes) in 9 frames"),
    ],
)
def test_the_summary_of_a_run_counts_tracks_by_class(tmp_path, capsys, classes, shown):
    _print_summary(SourceResult("street", tmp_path, 9, 9, tracks=sum(classes.values()), tracks_by_class=classes))
    assert shown in capsys.readouterr().out.splitlines()[0]


def test_a_run_that_was_interrupted_says_what_goes_on_with_it(tmp_path, capsys):
    """A live source has nothing to go on from."""
    _print_summary(SourceResult("street", tmp_path, 9, interrupted=True))
    (tmp_path / "unfinished").mkdir()
    _print_summary(SourceResult("street", tmp_path, 9, interrupted=True))
    live, file = (line for line in capsys.readouterr().out.splitlines() if line.startswith("street"))
    assert "9 frames (interrupted), " in live and "9 frames (interrupted; --resume goes on), " in file


def test_a_run_of_a_file_that_is_finished_is_said_to_be_so_and_left(place, capsys):
    words = "pan.mp4 --no-video --no-reid --config small.yaml"
    assert run(words, capsys)[0] == 0
    before = content(place / "runs")
    code, out, err = run(f"{words} --resume", capsys)
    assert (code, err) == (0, "")
    assert out == "pan: finished already, nothing was changed\n  results in runs/track/pan\n"
    code, out, err = run(f"{words} --resume --conf 0.7", capsys)
    assert code == 1 and out == ""
    assert err == (
        "error: the run in runs/track/pan cannot be gone on with: --conf (detector.conf) was 0.1 and is 0.7 now; "
        "give what it was begun with, or track anew without --resume\n"
    )
    assert content(place / "runs") == before


def test_resume_says_where_a_run_begins(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pan(Path("pan.mp4"), 30)
    words = "pan.mp4 --no-video --no-reid --imgsz 64 --batch 1"
    monkeypatch.setattr("tracker.jobs.resume.saving.EVERY_S", 0.0)
    monkeypatch.setattr("tracker.jobs.resume.saving._SHARE", 1e9)
    write, written = MotWriter.write, []

    def interrupted(self, frame, tracks):
        written.append(frame.number)
        if len(written) == 10:
            os.kill(os.getpid(), signal.SIGINT)
        write(self, frame, tracks)

    with monkeypatch.context() as patch:
        patch.setattr(MotWriter, "write", interrupted)
        code, _, err = run(f"{words} --resume", capsys)
    assert (code, err) == (130, "pan: nothing to go on from: tracked from the start\n")
    code, out, err = run(f"{words} --resume", capsys)
    assert code == 0 and "in 30 frames" in out
    assert re.fullmatch(r"pan: went on from frame ([2-9]|[12][0-9])\n", err), err
    assert run(f"{words} --resume --quiet --name other", capsys)[1:] == ("", "")
