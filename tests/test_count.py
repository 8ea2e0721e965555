"""The page "Count what crosses and who stays": its file, commands and program as they stand."""

import csv
import json
import re
import shlex
from pathlib import Path

import pytest

from helpers.clips import pan
from tracker.analytics.event_writer import EventWriter
from tracker.analytics.zones_file import ANCHORS
from tracker.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "how-to" / "count.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.M | re.S)
(ZONES,) = (block for language, block in BLOCKS if language == "yaml")
(PROGRAM,) = (block for language, block in BLOCKS if language == "python")
COMMANDS = [
    line.partition(" #")[0].strip() for language, block in BLOCKS if language == "bash" for line in block.splitlines()
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with the page's `zones.yaml`, and a `video.mp4` in which somebody queues and the gap passes somebody."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "zones.yaml").write_text(ZONES, encoding="utf-8")
    pan(tmp_path / "video.mp4", 30)
    return tmp_path


@pytest.mark.parametrize("command", [command for command in COMMANDS if not command.startswith("track zones")])
def test_a_command_leaves_what_the_page_describes(command, folder, capsys):
    with pytest.raises(SystemExit) as end:
        main([*shlex.split(command)[1:], "--imgsz", "320", "--device", "cpu", "--no-video"])
    assert not end.value.code, capsys.readouterr().err
    (run,) = (folder / "runs" / "track").iterdir()
    events = [json.loads(line) for line in (run / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {"cross", "enter", "dwell"} <= {event["event"] for event in events}
    (example,) = re.findall(r"^`(\{.*\})`$", PAGE, re.M)
    assert all(list(event) == list(json.loads(example)) for event in events)
    with (run / "counts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["zone"] for row in rows} == {"door", "gap", "queue"}
    for row in rows:
        found = [e for e in events if (e["zone"], e["class"]) == (row["zone"], row["class"]) and e["event"] != "dwell"]
        ways = [event["direction"] for event in found]
        assert (int(row["in"]), int(row["out"])) == (ways.count("in"), ways.count("out"))


@pytest.mark.slow
def test_the_program_prints_events_and_counts(folder, monkeypatch, capsys):
    exec(PROGRAM, {})
    said = capsys.readouterr().out
    assert "cross gap" in said and "enter queue" in said and said.splitlines()[-1].startswith("queue person")


def test_the_page_names_every_column_and_anchor():
    assert all(f"`{column}`" in PAGE for column in EventWriter.COLUMNS)
    assert all(f"`{anchor}`" in PAGE for anchor in ANCHORS if anchor != "center")
