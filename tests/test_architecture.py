"""The house is built as `docs/architecture.md` says, and the contract on imports notices where it is not."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("importlinter")

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "tracker"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
FOLDERS = sorted(path.parent for path in PACKAGE.rglob("__init__.py"))
ROWS = dict(re.findall(r"^\| `([\w/]+(?:\.py)?)` \| (.+) \|$", PAGE, re.M))


def modules(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.py"))


def linted(checkout: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    environment = os.environ | {"PYTHONPATH": str(checkout)}
    return subprocess.run(
        [*command, "--no-cache"], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("house")
    shutil.copytree(PACKAGE, folder / "tracker", ignore=shutil.ignore_patterns("__pycache__", "assets"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


class TestTheContractOnImports:
    def test_holds(self, copy):
        found = linted(copy)
        assert found.returncode == 0, found.stdout

    @pytest.mark.parametrize(
        ("file", "line"),
        [
            pytest.param("tracker/boxes.py", "from tracker.tracker import Tracker", id="the ground knows the tracker"),
            pytest.param("tracker/tracker.py", "from tracker.jobs.run import run", id="the tracker knows a job"),
            pytest.param("tracker/video/url.py", "from tracker.detection import yolo", id="a wing knows its sibling"),
            pytest.param("tracker/output/draw.py", "from tracker.smoothing import offline", id="upstairs too"),
            pytest.param("tracker/jobs/demo.py", "from tracker.train.motion import tracks", id="jobs and training"),
            pytest.param("tracker/train/motion/card.py", "from tracker.train.detector import dataset", id="trainings"),
            pytest.param("tracker/detection/letterbox.py", "from tracker.detection import detector", id="a circle"),
            pytest.param("tracker/stray.py", "", id="a file on no layer"),
        ],
    )
    def test_breaks_where_a_wrong_import_is_added(self, copy, file, line):
        path = copy / file
        before = path.read_text(encoding="utf-8") if path.exists() else None
        path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
        try:
            found = linted(copy)
            assert found.returncode, "nothing was noticed"
        finally:
            path.unlink() if before is None else path.write_text(before, encoding="utf-8")


def test_no_two_classes_share_a_name_nor_a_class_and_an_alias():
    places: dict[str, set[str]] = {}
    classes: set[str] = set()
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        defined = re.findall(r"^class _?([A-Z]\w*)[(:\[]", text, re.M)
        classes.update(defined)
        for name in [*defined, *re.findall(r"^_?([A-Z]+[a-z]\w*) = ", text, re.M)]:
            places.setdefault(name, set()).add(str(path.relative_to(PACKAGE)))
    assert not {name: where for name, where in places.items() if name in classes and len(where) > 1}


class TestThePage:
    def test_names_every_file_and_folder_and_no_other(self):
        files = {path.name for path in modules(PACKAGE) if path.name != "__init__.py"}
        folders = {f"{path.relative_to(PACKAGE)}/" for path in FOLDERS if path != PACKAGE}
        assert set(ROWS) == files | folders | {"assets/"}

    def test_finds_the_files_that_a_folder_is_explained_by(self):
        for place, idea in ROWS.items():
            for name in re.findall(r"`(\w+\.py)`", idea):
                assert (PACKAGE / place / name).is_file(), f"{place} has no {name}"

    def test_draws_the_layers_of_the_contract(self):
        contract = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition('containers = ["tracker"]')[2]
        layers = [line.split(" | ") for line in re.findall(r'^    "([\w |]+)",$', contract, re.M)]
        drawn = [re.findall(r"\w+", line) for line in re.findall(r"^[│▼] (.+)$", PAGE, re.M)]
        assert [sorted(layer) for layer in drawn] == [sorted(layer) for layer in layers]


class TestTheFolders:
    @pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
    def test_have_few_files_and_short_ones(self, folder):
        assert len(modules(folder)) <= 14
        long = {path.name: n for path in modules(folder) if (n := path.read_text(encoding="utf-8").count("\n")) > 400}
        assert not long

    def test_of_a_wing_begin_with_one_docstring_and_no_import(self):
        for folder in FOLDERS:
            if folder not in (PACKAGE, PACKAGE / "cli"):
                text = (folder / "__init__.py").read_text(encoding="utf-8")
                assert re.fullmatch(r'"""[^"]+"""\n', text), folder
