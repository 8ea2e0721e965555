"""What a run holds comes back exactly as it was, and nothing that is saved can run."""

import ast
import importlib
import inspect
import math
import pkgutil
import textwrap
from collections import deque
from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tracker
from tracker.system.snapshots.packing import packed, unpacked
from tracker.system.snapshots.resumable import Resumable


@dataclass(frozen=True)
class Row:
    name: str
    values: np.ndarray


class Inner(Resumable):
    saved = ("_count",)

    def __init__(self):
        self._count = 0


class Outer(Resumable):
    saved = ("_inner", "known")
    rebuilt = ("doubled",)

    def __init__(self):
        self._inner, self.known, self.doubled = Inner(), {}, []

    def _taken_over(self):
        self.doubled = [2 * value for value in self.known.values()]


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda parts: (
        st.lists(parts)
        | st.lists(parts).map(tuple)
        | st.lists(parts).map(lambda values: deque(values, maxlen=50))
        | st.dictionaries(st.integers() | st.text() | st.tuples(st.integers(), st.integers()), parts)
        | st.sets(st.integers())
    ),
    max_leaves=20,
)


@given(plain)
def test_every_kind_of_value_comes_back(value):
    back = unpacked(packed(value), ())
    assert back == value and type(back) is type(value)
    if isinstance(value, dict):
        assert list(back) == list(value), "in its order"


def test_arrays_of_every_kind_come_back_and_one_that_is_shared_stays_so():
    shared = np.arange(6, dtype=np.float32).reshape(2, 3)
    columns = np.zeros(2, [("id", "i8"), ("at", "f8", (2,))])
    columns["at"] = [[math.nan, math.inf], [0.1, 2]]
    texts, times = np.array(["ab", "ü"]), np.array(["2026-01-01", "NaT"], "datetime64[D]")
    value = {"a": shared, "b": [shared, columns, texts, times], "c": np.zeros((0, 4), bool), "d": Row("x", shared.T)}
    back = unpacked(packed(value), [Row])
    assert back["a"] is back["b"][0]
    for one, other in zip([*value["b"], value["c"]], [*back["b"], back["c"]], strict=True):
        assert one.dtype == other.dtype and one.tobytes() == other.tobytes() and one.shape == other.shape
    assert isinstance(back["d"], Row) and np.array_equal(back["d"].values, shared.T)
    shared[:] = 0
    assert back["a"].any(), "a copy"


def test_numbers_of_numpy_are_plain_ones_and_floats_that_json_does_not_have_are_kept():
    back = unpacked(packed([np.float64(0.1), np.int32(3), math.inf, math.nan, np.bool_(True)]), ())
    assert back[:3] == [0.1, 3, math.inf] and math.isnan(back[3]) and back[4] is True


def test_what_is_no_data_is_not_saved():
    with pytest.raises(TypeError, match="no data"):
        packed({"call": print})
    with pytest.raises(TypeError, match="no data"):
        packed(Row)


def test_only_what_is_expected_is_made_again():
    saved = packed(Row("x", np.zeros(1)))
    with pytest.raises(ValueError, match="not as expected"):
        unpacked(saved, ())
    with pytest.raises(ValueError, match="not as expected"):
        unpacked({}, [Row])


def test_a_part_goes_on_where_another_was():
    first, second = Outer(), Outer()
    first._inner._count, first.known = 3, {7: 4}
    second.take_over(unpacked(packed(first.snapshot()), ()))
    assert (second._inner._count, second.known, second.doubled) == (3, {7: 4}, [8])


def test_no_attribute_of_a_part_is_forgotten():
    """What its constructor sets is saved, or made anew; that of subclasses as a whole is theirs to say."""
    for module in pkgutil.walk_packages(tracker.__path__, "tracker."):
        if not module.name.startswith(("tracker.train", "tracker.bench", "tracker.cli", "tracker.__main__")):
            importlib.import_module(module.name)
    checked = 0
    for part in Resumable.__subclasses__():
        if ("snapshot" in vars(part) and not part.saved) or not part.__module__.startswith("tracker."):
            continue
        source = ast.parse(textwrap.dedent(inspect.getsource(part)))
        targets = [t for node in ast.walk(source) for t in getattr(node, "targets", [getattr(node, "target", None)])]
        names = {
            name.attr
            for target in targets
            if target is not None
            for name in ast.walk(target)
            if isinstance(name, ast.Attribute) and isinstance(name.value, ast.Name) and name.value.id == "self"
        }
        names |= {field.name for field in fields(part)} if is_dataclass(part) else set()
        assert names <= {*part.saved, *part.rebuilt}, f"{part.__name__}: {names - {*part.saved, *part.rebuilt}}"
        assert not set(part.saved) & set(part.rebuilt), part
        checked += 1
    assert checked > 15
