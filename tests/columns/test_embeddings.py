"""TakenEmbeddings are kept of those detections that have one, and looked up by row."""

import tracemalloc

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker import Detections, Tracker
from tracker.columns.embeddings import TakenEmbeddings


@given(st.lists(st.booleans(), max_size=8), st.data())
def test_they_are_those_of_the_whole_table_nan_where_there_is_none(taken, data):
    features = np.arange(3.0 * len(taken), dtype=np.float32).reshape(len(taken), 3)
    features[~np.array(taken, bool)] = np.nan
    index = np.array(data.draw(st.lists(st.integers(-1, len(taken) - 1), max_size=8)), np.int64)
    embedded = TakenEmbeddings.of(features)
    assert len(embedded.values) == sum(taken)
    whole = np.concatenate([features, np.full((1, 3), np.nan, np.float32)])
    np.testing.assert_array_equal(embedded.take(index), whole[index])


def test_none_at_all():
    assert TakenEmbeddings.of(None) is None


def test_tracks_that_are_kept_hold_only_what_was_taken():
    """Of twenty objects a frame two are embedded, as where tracks that stand apart are not looked at closely."""
    boxes = np.array([[40 * i, 0, 40 * i + 20, 50] for i in range(20)])
    features = np.full((20, 2048), np.nan, np.float32)
    features[[3, 7]] = np.eye(2, 2048)
    tracker = Tracker()
    for _ in range(3):  # until all are confirmed, and the gallery has its room
        tracker.update(None, Detections(boxes, features=features))
    tracemalloc.start()
    kept = [tracker.update(None, Detections(boxes, features=features)) for _ in range(50)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for tracks in kept:
        np.testing.assert_array_equal(tracks.embeddings, features[tracks.detection_index])
    assert held < 0.75 * 50 * features.nbytes
