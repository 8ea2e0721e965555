"""Real `track` processes to be ended at any moment, and what has to be true of what they leave."""

import csv
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import av
import yaml

import tracker
from helpers.forked import ForkedTrack

FAST = ["--imgsz", "160", "--device", "cpu", "--no-reid", "--quiet"]
ROOT = Path(tracker.__file__).parents[1]  # also where it is not installed


def begin(
    *words: object, temporary: Path, cwd: Path | None = None, prefix: Sequence[str] = ()
) -> subprocess.Popen[str] | ForkedTrack:
    """A process whose temporary folder is `temporary`; `prefix`: the words of a command that runs it."""
    temporary.mkdir(exist_ok=True)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    if not prefix:
        return ForkedTrack(*words, cwd=cwd, env=environment)
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", "tracker", *map(str, words)],
        cwd=cwd,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def check_complete(folder: Path, interrupted: bool = True) -> int:
    """Assert that a run's folder is closed and valid and says how it ended; returns the number of frames."""
    record = yaml.safe_load((folder / "run.yaml").read_text())
    result = record["result"]
    assert result["interrupted"] == interrupted
    names = {path.name for path in folder.iterdir()}
    assert {"run.yaml", "tracks.txt", "tracks.csv", "summary.csv"} <= names <= set(record["files"])
    table = rows(folder / "tracks.csv")
    text = (folder / "tracks.txt").read_text()
    assert not text or text.endswith("-1,-1,-1\n")
    assert len(text.splitlines()) == len(table)
    assert sum(int(row["frames"]) for row in rows(folder / "summary.csv")) == len(table)
    if result["frames"] and "video.mp4" in names:
        with av.open(str(folder / "video.mp4")) as container:
            assert container.streams.video[0].frames == result["frames"], "a finished video has its index"
            assert sum(1 for _ in container.decode(video=0)) == result["frames"]
    return result["frames"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert all(None not in row and None not in row.values() for row in table), "whole rows"
    return table
