"""What detections carry, put aside on disk: it comes back as it was, and memory does not grow with a video."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tracker import Detections
from tracker.columns.carried import Columns
from tracker.columns.column_file import ColumnFile
from tracker.errors import OutputError

BOXES = [[0, 0, 10, 10], [20, 5, 40, 30]]


def carried(number: int) -> Columns:
    masks = np.zeros((2, 48, 64), bool)
    masks[0, 2 : 5 + number % 40, 3:9] = masks[1, 9, number % 60 :] = True
    data = {
        "speed": np.array([number, np.nan], np.float16),
        "when": np.array(["2026-01-01", "NaT"], "datetime64[D]"),
        "plate": np.array(["ab", "ü" * (1 + number % 5)]),
        "flag": np.array([True, False]),
        "what": np.array([{"n": number}, None], object),
        "wide": np.full((2, 0, 3), 1),
    }
    points = np.full((2, 17, 3), number, np.float32)
    corners = np.arange(16).reshape(2, 4, 2) + number
    return Detections(BOXES, masks=masks, keypoints=points, corners=corners, data=data).columns


def assert_same(a: Columns, b: Columns) -> None:
    assert a.masks.to_coco() == b.masks.to_coco()
    np.testing.assert_array_equal(a.keypoints, b.keypoints)
    np.testing.assert_array_equal(a.corners, b.corners)
    assert list(a.data) == list(b.data)
    for name, values in a.data.items():
        assert values.dtype == b.data[name].dtype
        np.testing.assert_array_equal(values, b.data[name])


def test_every_kind_of_column_comes_back_in_any_order(tmp_path):
    with ColumnFile(tmp_path) as file:
        for number in range(5):
            file.append(carried(number))
            file.append(Columns())
        assert len(file) == 10
        for number in (3, 0, 4):
            assert_same(file[2 * number], carried(number))
            assert not file[2 * number + 1]


def test_frames_that_carry_nothing_make_no_file(tmp_path):
    with ColumnFile(tmp_path / "not there") as file:
        file.append(Columns())
        assert not file[0]


def test_the_file_has_no_name_and_is_gone_afterwards(tmp_path):
    with ColumnFile(tmp_path) as file:
        file.append(carried(0))
        assert not list(tmp_path.iterdir())


def test_memory_does_not_grow_with_the_frames(tmp_path):
    columns = carried(0)
    columns = Columns(columns.masks, columns.keypoints, columns.corners)
    with ColumnFile(tmp_path) as file:
        file.append(columns)
        tracemalloc.start()
        for _ in range(2000):
            file.append(columns)
        grown, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert grown < 2000 * 16 + 20_000


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_is_said_in_a_sentence(tmp_path):
    with ColumnFile(tmp_path) as file, pytest.raises(OutputError, match="no space left"):
        file._file = open("/dev/full", "w+b", buffering=0)  # noqa: PTH123, SIM115
        file.append(carried(0))


def test_with_a_name_it_is_gone_on_with_up_to_where_it_was(tmp_path):
    with ColumnFile(tmp_path, "carried") as file:
        for number in range(3):
            file.append(replace(carried(number), data={}))
            file.append(Columns())
        file.flush()
        known = file.snapshot()
        file.append(replace(carried(9), data={}))
    with ColumnFile(tmp_path, "carried") as again:
        again.take_over(known)
        assert len(again) == 6
        again.append(replace(carried(4), data={}))
        assert_same(again[4], replace(carried(2), data={}))
        assert not again[5]
        assert_same(again[6], replace(carried(4), data={}))
