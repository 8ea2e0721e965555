"""Tracks and detections by their embeddings: the same answers whether all pairs are compared or those asked for."""

import numpy as np
import pytest

from tracker.appearance.comparison import Comparison
from tracker.structures import CONFIRMED, PREDICTED, Detections


def compared(embeddings, features, age, status, size=None, boxes=None):
    """Log-odds that fall with the time apart, by class; what they add is a tenth of them."""
    boxes = np.tile([0, 0, 10, 10], (len(features), 1)) if boxes is None else boxes
    found = Detections(boxes, classes=np.arange(len(features)) % 2, features=features)

    def odds(similarity, seconds, classes):
        return np.nan_to_num(similarity - np.float32(0.1) * seconds + classes.astype(np.float32)).astype(np.float32)

    slots = np.arange(len(embeddings))[::-1]
    return Comparison(embeddings[::-1], slots, age, status, found, size, odds, lambda odds: odds / 10)


@pytest.fixture
def looks():
    """Unit embeddings of seven tracks and nine detections, one of each missing; ages, and who is lost."""
    rng = np.random.default_rng(0)
    tracks, found = (rng.normal(size=(n, 512)).astype(np.float32) for n in (7, 9))
    tracks /= np.linalg.norm(tracks, axis=1, keepdims=True)
    tracks[3] = found[5] = np.nan
    return tracks, found, np.arange(7, dtype=np.float32), np.where(np.arange(7) < 4, PREDICTED, CONFIRMED)


def test_of_many_those_that_are_asked_for_are_compared_alike(looks, monkeypatch):
    every = compared(*looks)
    monkeypatch.setattr("tracker.appearance.comparison._FEW", 0)
    monkeypatch.setattr("tracker.appearance.comparison._BLOCK", 4)
    asked = compared(*looks)
    row, column = (index.ravel() for index in np.indices((7, 9)))
    np.testing.assert_allclose(asked(row[40::-3], column[40::-3]), every(row[40::-3], column[40::-3]), atol=1e-6)
    np.testing.assert_allclose(asked(row, column), every(row, column), atol=1e-6)
    rows, columns = np.array([[1], [3], [6]]), np.array([0, 5, 8])
    np.testing.assert_allclose(asked(rows, columns), every(rows, columns), atol=1e-6)
    np.testing.assert_allclose(asked.lately(row, column), every.lately(row, column), atol=1e-6)
    np.testing.assert_allclose(asked(row[::-5], column[::-5]), every(row[::-5], column[::-5]), atol=1e-6)
    assert np.isnan(asked.lately(row, column)).tolist() == ((row > 1) | (column == 5)).tolist()


@pytest.mark.parametrize("few", [0, 100])
def test_where_a_lost_track_meets_what_could_not_be_embedded_overlap_has_to_be_clearer(looks, few, monkeypatch):
    monkeypatch.setattr("tracker.appearance.comparison._FEW", few)
    added = compared(*looks)(np.arange(7)[:, None], np.array([5]))[:, 0]
    assert (added[:3] < 0).all(), "lost, and once looked at"
    assert added[3] == added[4] == added[6], "nothing is known of the others"


@pytest.mark.parametrize("few", [0, 100])
def test_what_the_border_cuts_off_says_nothing_against_who_was_just_seen(looks, few, monkeypatch):
    monkeypatch.setattr("tracker.appearance.comparison._FEW", few)
    boxes = np.tile([100, 100, 200, 300], (9, 1))
    boxes[4] = [500, 100, 639, 300]
    row, column = np.arange(7)[:, None], np.array([2, 4])
    plain, cut = compared(*looks, boxes=boxes)(row, column), compared(*looks, (640, 480), boxes)(row, column)
    np.testing.assert_array_equal(cut[:, 0], plain[:, 0], "in the middle of the picture")
    np.testing.assert_array_equal(cut[:4, 1], plain[:4, 1], "lost")
    np.testing.assert_array_equal(cut[4:, 1], np.maximum(plain[4:, 1], 0))
    assert (plain[4:, 1] < 0).any()
