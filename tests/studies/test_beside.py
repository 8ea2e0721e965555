"""How far what two devices make of the same video is apart."""

import numpy as np
import pytest

import beside
from tracker import Detections

TRACKS = np.array([[1, 1, 10, 20, 30, 40, 0.9], [1, 2, 100, 20, 30, 40, 0.8], [2, 1, 12, 20, 30, 40, 0.9]])


def moved(column: int, by: float) -> np.ndarray:
    tracks = TRACKS.copy()
    tracks[0, column] += by
    return tracks


@pytest.mark.parametrize(
    ("theirs", "same", "rows", "px"),
    [
        pytest.param(TRACKS, True, 1, 0, id="equal"),
        pytest.param(TRACKS[::-1], True, 1, 0, id="in another order"),
        pytest.param(moved(2, 0.1), True, 1, 0.1, id="as near as is asked for"),
        pytest.param(moved(2, 0.2), False, 1, 0.2, id="a left edge further off, and the right one with it"),
        pytest.param(moved(4, 0.2), False, 1, 0.2, id="a right edge further off"),
        pytest.param(moved(1, 2), False, 0.5, 0, id="another id"),
        pytest.param(TRACKS[:2], False, 0.6667, 0, id="a row less"),
        pytest.param(TRACKS[:0], False, 0, 0, id="none"),
    ],
)
def test_tracks_are_the_same_where_ids_are_and_boxes_nearly_are(theirs, same, rows, px):
    found = beside.tracks_beside(TRACKS, theirs)
    assert found == {"rows_in_both": rows, "tracks_px": pytest.approx(px), "same": same}


def test_detections_are_compared_with_those_they_overlap_most():
    ours = [Detections([[0, 0, 50, 50], [100, 0, 150, 50]]), Detections.empty()]
    theirs = [Detections([[100, 0, 150.5, 50], [0, 0, 50, 50], [300, 0, 350, 50]]), Detections([[0, 0, 9, 9]])]
    found = beside.detections_beside(ours, theirs)
    assert found == {"detections_cpu": 2, "detections": 4, "in_both": 2, "detections_px": 0.5}
