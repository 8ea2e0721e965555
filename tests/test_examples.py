"""Every example of the documentation runs, on a small real clip."""

import json
import re
import runpy
from pathlib import Path

import pytest

from helpers.clips import crossing, pan
from tracker.cli import main

EXAMPLES = Path(__file__).parents[1] / "docs" / "examples"
CLIP, RUN = "video.mp4", "runs/track/video"
CROSSING = "crossing.mp4"
ARGUMENTS = {  # script -> its arguments, and what it prints on the clip
    "blur_people": ([CLIP, "out.mp4"], "wrote out.mp4"),
    "boxes_only": ([], "0.30 s  id 2"),
    "count_objects": ([CLIP], r"\d x person"),
    "dwell_times": ([RUN], r"person \d+: enter"),
    "forecast": ([CLIP], r"left edge at -?\d+ ± \d+ px"),
    "heat_map": ([CLIP, "heat.png"], "wrote heat.png"),
    "label_by_background": ([CLIP, "labelled", "street", "3"], r"3 pictures with \d+ boxes in labelled"),
    "line_crossings": ([CLIP], r"\d+ to the right, \d+ to the left"),
    "own_detector": ([CLIP, "out.mp4"], r"\d+ ids, wrote out\.mp4"),
    "several_cameras": ([CLIP, CLIP], r"ids \[\d"),
    "supervision_zones": ([CROSSING, "out.mp4"], "1 in, 1 out, 1 at once in the zone"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a clip and the run that `track` leaves of it."""
    root = tmp_path_factory.mktemp("examples")
    clip = pan(root / CLIP, frames=12)
    crossing(root / CROSSING)
    with pytest.raises(SystemExit) as end:
        main([str(clip), "--project", str(root / "runs" / "track"), "--quiet"])
    assert not end.value.code
    return root


def test_every_script_is_run():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_script_runs(name, folder, monkeypatch, capsys):
    arguments, expected = ARGUMENTS[name]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", [f"{name}.py", *arguments])
    monkeypatch.syspath_prepend(EXAMPLES)  # as Python does for a script: one imports from another
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert re.search(expected, capsys.readouterr().out)
    for written in (word for word in arguments if word.startswith(("out", "heat"))):
        assert (folder / written).stat().st_size > 100


@pytest.mark.parametrize("name", [name for name, (arguments, _) in ARGUMENTS.items() if arguments])
def test_without_arguments_the_script_says_how_it_is_called(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [f"{name}.py"])
    monkeypatch.syspath_prepend(EXAMPLES)
    with pytest.raises(SystemExit, match=rf"python {name}\.py [A-Za-z]"):
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    assert not any(tmp_path.iterdir())


def test_the_notebook_runs(folder, monkeypatch):
    """Its code cells, one after the other, in one namespace."""
    pytest.importorskip("pandas")
    pytest.importorskip("matplotlib").use("Agg")
    monkeypatch.chdir(folder)
    cells = json.loads((EXAMPLES / "first_steps.ipynb").read_text())["cells"]
    names: dict[str, object] = {}
    for cell in cells:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert len(names["table"]) and names["ahead"].xyxy.shape[1:] == (5, 4)
