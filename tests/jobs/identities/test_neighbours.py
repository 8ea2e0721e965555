"""The nearest neighbours among all: exactly, and by an index nearly so."""

import numpy as np
import pytest

from helpers.galleries import looks
from tracker.jobs.identities import neighbours as module
from tracker.jobs.identities.neighbours import by_index, neighbours


def people(count, each=4):
    return np.concatenate([looks(person, each) for person in range(count)]).astype(np.float16)


def test_all_pairs_that_are_alike_enough():
    vectors = people(30)
    similarity = vectors.astype("f4") @ vectors.astype("f4").T
    found = neighbours(vectors, 0.6)
    assert set(map(tuple, found.pairs.tolist())) == set(zip(*np.nonzero(np.triu(similarity, 1) >= 0.6), strict=True))
    assert found.similarity == pytest.approx(similarity[tuple(found.pairs.T)], abs=1e-6)


def test_of_many_that_are_alike_each_has_some():
    vectors = np.ones((200, 4), np.float16) / 2
    found = neighbours(vectors, 0.9)
    assert (np.bincount(found.pairs.ravel(), minlength=200) >= module.COUNT).all()


@pytest.mark.parametrize("count", [0, 1])
def test_who_is_alone_has_none(count):
    assert len(neighbours(people(count, 1) if count else np.zeros((0, 4), np.float16), 0.1).pairs) == 0


def test_an_index_finds_nearly_all_of_them_and_the_same_each_time(monkeypatch):
    pytest.importorskip("faiss")
    vectors = people(500)
    exact = set(map(tuple, neighbours(vectors, 0.6).pairs.tolist()))
    monkeypatch.setattr(module, "EXACT", 1000)
    found = neighbours(vectors, 0.6)
    indexed = set(map(tuple, found.pairs.tolist()))
    assert indexed <= exact
    assert len(indexed) > 0.95 * len(exact)
    assert (by_index(vectors, 0.6) == by_index(vectors, 0.6)).all()
