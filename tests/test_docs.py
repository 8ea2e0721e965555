"""The documentation is what the code is: generated pages are current, the site builds, viewing it fetches nothing."""

import csv
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(#[^)\s]*)?\)")
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)[^>]+src=["']?https?:"""
    r"""|<link[^>]+rel=["']?(?:stylesheet|preload|icon|preconnect)[^>]+href=["']?https?:"""
)


def test_the_generated_pages_are_current():
    pages = runpy.run_path(str(ROOT / "scripts" / "make_reference.py"))["pages"]()
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"{stale}: run python scripts/make_reference.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS)))
def test_what_a_page_links_to_exists(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    missing = [target for target, _ in LINK.findall(text) if not (page.parent / target).exists()]
    assert not missing


def test_every_table_is_linked_and_rectangular():
    linked = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    for table in (DOCS / "tables").glob("*.csv"):
        with table.open(newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
        assert len({len(row) for row in rows}) == 1, table.name
        assert table.name in linked, table.name


def test_every_picture_is_shown():
    shown = "".join(page.read_text(encoding="utf-8") for page in (*PAGES, ROOT / "README.md"))
    assert [path.name for path in (DOCS / "images").iterdir() if path.name not in shown] == []


def test_the_film_of_the_readme_is_small():
    assert (DOCS / "images" / "street.webp").stat().st_size < 3_000_000


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_fetches_nothing(tmp_path):
    pytest.importorskip("mkdocs")
    pytest.importorskip("mkdocstrings")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    built = list(tmp_path.rglob("*.html"))
    assert len(built) >= len(PAGES)
    assert [page.name for page in built if FETCHED.search(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob(".github/**/*.yml")), ids=lambda path: path.name)
def test_the_forge_files_are_yaml(path):
    assert isinstance(yaml.safe_load(path.read_text(encoding="utf-8")), dict)


def test_workflows_run_what_is_run_here():
    jobs = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())["jobs"]
    assert {"run": ".ci/run"} in jobs["ci"]["steps"]
    assert jobs["ci"]["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]


def test_the_citation_has_the_version():
    from tracker.system.version import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == __version__


def test_the_image_is_slim_and_runs_as_nobody_in_particular():
    """What hadolint would say of this file, as far as it matters; `docker build` needs a registry."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line.split(maxsplit=1) for line in text.splitlines() if line.strip() and not line.startswith("#")]
    known = {"FROM", "WORKDIR", "COPY", "RUN", "ENV", "USER", "ENTRYPOINT", "CMD"}
    assert {word for word, _ in lines} <= known
    bases = [rest.split()[0] for word, rest in lines if word == "FROM"]
    assert bases and all("slim" in base and not base.endswith(":latest") for base in bases)
    assert [rest for word, rest in lines if word == "USER"][-1] not in ("root", "0")
    assert all("--no-cache-dir" in part for _, rest in lines for part in rest.split("&&") if " install " in part)
    assert all(rest.startswith("[") for word, rest in lines if word in ("ENTRYPOINT", "CMD"))
    for _, rest in (line for line in lines if line[0] == "COPY" and "--from" not in line[1]):
        assert all((ROOT / source).exists() for source in rest.split()[:-1])
