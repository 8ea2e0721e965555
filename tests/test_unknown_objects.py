"""The page "My object is not in COCO", command by command in its order, on a small film of dark blobs on grey.

Only what takes long is shortened, by options added at the end. What needs weights that nobody has here is left out by
name.
"""

import csv
import re
import runpy
import shlex
from pathlib import Path

import pytest

from helpers.swimmers import FISH, film
from tracker.cli import main
from tracker.detection import yolo

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "how-to" / "unknown-objects.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" #")[0].strip()
    for block in re.findall(r"^```bash\n(.*?)^```", PAGE.replace("\\\n  ", ""), re.M | re.S)
    for line in block.splitlines()
    if line.startswith(("track ", "python "))
]
NOT_HERE = ("--prompt", "theirs.pt", "scripts/studies")  # the study has a test of its own
SHORTER = {
    "track train detector": "--steps 60 --imgsz 128 --quiet",
    "track fish.avi": "--imgsz 128 --quiet",
}


@pytest.mark.slow
def test_the_page_from_its_first_command_to_its_last(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    film(tmp_path / "fish.mp4").rename(tmp_path / "fish.avi")
    said = {}
    for command in (line for line in COMMANDS if not any(word in line for word in NOT_HERE)):
        shorter = next((extra for start, extra in SHORTER.items() if start in command), "")
        program, *words = shlex.split(f"{command} {shorter}".replace(" 50 9", " 12 1"))
        if program == "track":
            with pytest.raises(SystemExit) as end:
                main(words)
            assert not end.value.code, (command, capsys.readouterr().err)
        else:
            monkeypatch.setattr("sys.argv", words)
            runpy.run_path(str(ROOT / "docs" / "examples" / words[0]), run_name="__main__")
        said[command] = capsys.readouterr().out
    told = "".join(said.values())
    assert f"{FISH} ids, wrote own.mp4" in told
    assert f"12 pictures with {12 * FISH} boxes in fish-images" in told
    assert (tmp_path / "own.mp4").stat().st_size > 1000
    assert yolo.load(tmp_path / "runs" / "fish" / "detector.safetensors")[1] == {0: "fish"}
    with (tmp_path / "runs" / "track" / "fish" / "summary.csv").open() as file:
        found = list(csv.DictReader(file))
    assert len(found) == FISH and {row["name"] for row in found} == {"fish"}


def test_the_page_names_its_commands():
    assert sum("label_by_background.py" in line for line in COMMANDS) == 1
    assert sum(line.startswith("track train detector fish-images") for line in COMMANDS) == 1
    assert all((ROOT / "docs" / "examples" / script).is_file() for script in re.findall(r"python (\w+\.py)", PAGE))
