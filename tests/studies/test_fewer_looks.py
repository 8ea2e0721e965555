"""Other trackers on every Kth frame, those between interpolated as ours."""

import csv

import numpy as np
import pytest

import fewer_looks
from accuracy import smoothed_peer
from helpers.walkers import LENGTH, make_detected, perfect, write_results
from tracker import Config
from tracker.datasets.mot import MotSequence


@pytest.fixture
def sequence(tmp_path):
    """Two people, 2 px a frame to the right."""
    make_detected(tmp_path, "A")
    return MotSequence.read(tmp_path / "A")


@pytest.mark.parametrize("every", [1, 3, 6])
def test_boxes_between_lie_on_the_line_from_look_to_look(sequence, tmp_path, every):
    given = [((f - 1) // every + 1, *rest) for f, *rest in perfect() if (f - 1) % every == 0]
    write_results(tmp_path / "peer", "A", given)
    lines = smoothed_peer(tmp_path / "peer", sequence, Config(), every).splitlines()
    table = np.array([line.split(",")[:6] for line in lines], float)
    last = (LENGTH - 1) // every * every + 1  # behind it nothing is known
    known = table[table[:, 0] <= last]
    assert len(known) == 2 * last
    truth = {(f, i): (x, y, w, h) for f, i, x, y, w, h in perfect()}
    for frame, identity, *box in known:
        assert box == pytest.approx(truth[frame, identity], abs=0.6)
    assert set(table[:, 0]) == set(range(1, LENGTH + 1)), "boxes stay until the end"


def test_another_tracker_is_run_at_the_stride_and_scored_in_all_frames(sequence, tmp_path):
    found = fewer_looks.theirs("ultralytics-bytetrack", [sequence], 4, False, tmp_path / "out")
    assert found["share"] == 5 / LENGTH
    assert found["HOTA"] > 85, "missing frames would cost three quarters of it"


def test_ours_is_run_the_same(sequence, tmp_path):
    found = fewer_looks.ours([sequence], "4", False, tmp_path / "out")
    assert found["share"] == 5 / LENGTH
    assert found["HOTA"] > 95


def test_the_table_and_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    found = {
        f"mot17/{name}/{step}": {"share": 1 / step, "HOTA": hota - step}
        for name, hota in (("ours", 70), ("one", 68), ("other", 67))
        for step in fewer_looks.STRIDES
    } | {"mot17/ours, auto/auto": {"share": 0.4, "HOTA": 69.0}}
    fewer_looks.write_table(found, tmp_path / "looks.csv")
    with (tmp_path / "looks.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == ["mot17", "ours", "1", "1.000", "69.00"] and len(rows) == len(found) + 1
    fewer_looks.draw(found, tmp_path / "looks.png")
    assert (tmp_path / "looks.png").stat().st_size > 10_000
