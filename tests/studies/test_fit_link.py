"""The fit of what links tracks: which object a track is, and weights that are found again."""

import numpy as np
import pytest

import fit_link
from helpers.track_tables import make_table, walk
from tracker import Config
from tracker.smoothing.linking import LINK


def truth_of(rows):
    """Ground truth of rows as of `make_table`, in the columns of gt.txt."""
    return np.array([(frame + 1, i, x - 20, y - 40, 40, 80, 1, 1, 1) for frame, i, x, y in rows])


TRUTH = truth_of(walk(71, range(60)) + walk(72, range(60), 600))


def test_a_track_is_the_object_that_half_of_its_boxes_lie_on_or_none():
    mostly = walk(3, range(6), 600) + walk(3, range(6, 10))
    table = make_table(walk(1, range(10), 105) + walk(2, range(10), 300) + mostly)
    assert fit_link.objects(table, TRUTH).tolist() == [71, fit_link.NONE, 72]


def test_pairs_of_one_object_and_of_two_are_told_apart_and_those_with_no_object_are_left_out():
    config = Config().override({"motion": {"model": "kalman"}})
    later = walk(4, range(30, 60)) + walk(5, range(30, 60), 600) + walk(6, range(30, 60), 350)
    terms, same = fit_link.labelled(make_table(walk(1, range(20)) + later), TRUTH, config)
    assert terms.shape == (len(LINK), 2) and same.tolist() == [True, False]
    assert (LINK @ terms)[0] > (LINK @ terms)[1]


def test_the_weights_that_answers_were_drawn_by_are_found_again_within_their_error():
    rng = np.random.default_rng(0)
    terms = np.concatenate([np.ones((1, 20000)), rng.normal(size=(len(LINK) - 1, 20000))])
    same = rng.random(20000) < 1 / (1 + np.exp(-LINK @ terms))
    weights, error = fit_link.fit(terms, same)
    assert weights == pytest.approx(LINK, abs=0.2) and (np.abs(weights - LINK) < 4 * error).all()
    assert fit_link.losses(weights, terms, same).mean() <= fit_link.losses(LINK, terms, same).mean()
