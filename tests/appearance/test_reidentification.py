"""Who comes back: what counts for it, and what against."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.appearance.gallery import Recall
from tracker.appearance.reidentification import met, met_by_all, reid_odds, reidentify, unmet
from tracker.config import AssociationConfig


def recall(count):
    """That many absent identities, an embedding of each."""
    return Recall(np.arange(count), np.zeros(count, np.int64), np.ones((count, 1, 1)), np.ones((count, 1)))


seconds = st.integers(0, 4).map(float)


@given(st.dictionaries(st.integers(1, 9), seconds), st.lists(seconds, min_size=1, max_size=4))
def test_who_all_new_tracks_have_met_is_none_of_them_and_need_not_be_compared(last_s, born_s):
    """Those seen since the last of them began; who was never seen here has met nobody."""
    sightings, born_s = (np.array(list(last_s), np.int64), np.array(list(last_s.values()))), np.array(born_s)
    everybody = np.arange(1, 10)
    expected = [[last_s.get(number, -1) >= begin for begin in born_s] for number in everybody.tolist()]
    assert met(everybody, sightings, born_s).tolist() == expected
    assert sorted(met_by_all(sightings, born_s)) == [n for n, row in zip(everybody, expected, strict=True) if all(row)]
    assert unmet(everybody, sightings, born_s).tolist() == [not all(column) for column in zip(*expected, strict=True)]
    assert not unmet(everybody[:0], sightings, born_s).any(), "there is nobody to meet"


@pytest.mark.parametrize("candidates", [1, 3, 10])
def test_a_new_track_may_be_any_of_the_absent_but_not_those_that_are_ruled_out(candidates):
    """What speaks for one of three counts a third; who was seen beside the new track is none of the three."""
    known, evidence = recall(10), np.full((10, 1, 1), 2.0, np.float32)
    ruled_out = np.arange(10)[:, None] >= candidates
    odds = reid_odds(known, evidence, np.zeros((10, 1), np.float32), ruled_out)
    np.testing.assert_allclose(odds[:candidates], 2 - np.log(candidates), rtol=1e-6)
    assert (odds[candidates:] == -np.inf).all()
    rows, _ = reidentify(odds, AssociationConfig())
    assert len(rows) == (candidates == 1), "one who is clear of all others"
