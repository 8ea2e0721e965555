"""The examples in docstrings give what they say."""

import doctest
import importlib
from pathlib import Path

import pytest

import tracker

PACKAGE = Path(tracker.__file__).parent
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if ">>> " in path.read_text(encoding="utf-8")]
NAMES = [".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__") for path in FILES]


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_of(name):
    result = doctest.testmod(importlib.import_module(name))
    assert result.attempted > 0, "the example is in no docstring"
    assert result.failed == 0
