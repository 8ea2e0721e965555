"""What scripts and examples import is there: most of them take too long, or too much data, to be run by a test."""

import ast
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("scripts/**/*.py"), *ROOT.glob("docs/examples/*.py")])


def parsed(text):
    try:
        return ast.parse(text)
    except SystemError:  # Python 3.11.7 where another thread parses, too (python/cpython#106905)
        return ast.parse(text)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_name_of_the_package_that_it_imports_is_there(script):
    for node in ast.walk(parsed(script.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "tracker":
            module = importlib.import_module(node.module)
            for name in node.names:
                assert hasattr(module, name.name) or importlib.import_module(f"{node.module}.{name.name}")
