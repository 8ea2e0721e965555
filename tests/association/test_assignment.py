"""The assignment is optimal under the gates, of few and of many."""

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracker.association.assignment import Candidates, assign, best_pairs

similarities = st.tuples(st.integers(0, 5), st.integers(0, 5)).flatmap(
    lambda shape: hnp.arrays(np.float32, shape, elements=st.floats(0, 1, width=32))
)


def best_by_brute_force(similarity, gate):
    n, m = similarity.shape
    best = 0.0
    for size in range(min(n, m) + 1):
        for rows in itertools.combinations(range(n), size):
            for columns in itertools.permutations(range(m), size):
                values = similarity[list(rows), list(columns)].astype(float)
                if (values > gate).all():
                    best = max(best, float((values - gate).sum()))
    return best


@given(similarities, st.sampled_from([0.0, 0.2, 0.5, 0.9]))
def test_the_assignment_equals_brute_force(similarity, gate):
    rows, columns = assign(similarity, gate)
    assert len(set(rows)) == len(rows) and len(set(columns)) == len(columns)
    values = similarity[rows, columns].astype(float)
    assert (values > gate).all()
    assert (values - gate).sum() == pytest.approx(best_by_brute_force(similarity, gate), abs=1e-6)


@given(similarities, st.sampled_from([0.0, 0.5]))
def test_thousands_that_compete_are_assigned_as_a_few_are(similarity, gate):
    few = assign(similarity, gate)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracker.association.assignment._FEW", 0)
        many = assign(similarity, gate)
    sums = [(similarity[pairs].astype(float) - gate).sum() for pairs in (few, many)]
    assert sums[0] == pytest.approx(sums[1], abs=1e-6)
    assert all(len(set(part)) == len(part) for part in many)


def test_a_crowd_that_competes_takes_no_matrix():
    """Four thousand in a row, each with two choices: a matrix of all would take gigabytes."""
    n = 4000
    row, column = np.arange(n).repeat(2), (np.arange(n)[:, None] + [0, 1]).ravel()
    similarity = np.tile(np.float32([0.8, 0.5]), n)
    tracemalloc.start()
    rows, columns = best_pairs(Candidates(row, column, similarity), 0.15)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert np.array_equal(rows, columns) and len(rows) == n
    assert peak < 20 * 2**20


@given(similarities)
def test_rows_come_in_order(similarity):
    rows, _ = assign(similarity, 0.3)
    assert (np.diff(rows) > 0).all()
