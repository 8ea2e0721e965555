"""The gallery: what it keeps, what it gives up, and that it never grows beyond its bounds."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tracker.appearance import gallery as gallery_module
from tracker.appearance.gallery import OTHER_CAMERA_S, Gallery, Recall, combined
from tracker.config import BankConfig


def unit(*directions):
    """Features that point so far along each of the first axes; rows of length 1."""
    rows = np.zeros((len(directions), 512), np.float32)
    for row, direction in zip(rows, directions, strict=True):
        row[: len(direction)] = direction
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def remember(gallery, ids, features, quality=1.0, camera=1, time_s=0.0):
    ids = np.atleast_1d(ids)
    gallery.remember(ids, np.zeros(len(ids), np.int64), features, np.full(len(ids), quality), camera, time_s)


def recall(gallery, features, present=(), camera=1, time_s=0.0):
    return gallery.recall(features, np.array(present, np.int64), camera, time_s)


RED, GREEN, BLUE = unit([1, 0, 0]), unit([0, 1, 0]), unit([0, 0, 1])


def test_everyone_absent_is_compared_and_who_is_present_is_not():
    gallery = Gallery()
    remember(gallery, [3, 7], unit([1, 0], [0, 1]))
    known = recall(gallery, RED, time_s=2.0)
    assert known.ids.tolist() == [3, 7]
    assert known.similarity[:, 0, 0].tolist() == [1, 0]
    assert np.isnan(known.similarity[:, 1:]).all()
    assert known.seconds[:, 0].tolist() == [2, 2]
    assert recall(gallery, RED, present=[7]).ids.tolist() == [3]


def test_embeddings_that_differ_are_kept_and_of_two_alike_the_worse_goes():
    gallery = Gallery(BankConfig(memory_embeddings=3))
    remember(gallery, 1, RED, quality=0.5)
    remember(gallery, 1, unit([1, 0.01]), quality=0.9)
    for _ in range(5):
        remember(gallery, 1, GREEN, quality=0.4)
    remember(gallery, 1, BLUE, quality=0.1)
    kept = recall(gallery, np.concatenate([RED, GREEN, BLUE])).similarity[0]
    assert kept[0].tolist() == [0, 0, 1], "the latest embedding is always there"
    assert kept.max(axis=0) == pytest.approx([1, 1, 1], abs=1e-4)
    better = recall(gallery, unit([1, 0.01])).similarity[0].max()
    assert better == pytest.approx(1, abs=1e-6), "of the two red ones the better was kept"


def test_a_batch_is_its_rows_one_by_one():
    rng = np.random.default_rng(0)
    together, apart = Gallery(), Gallery()
    for _ in range(12):
        features = unit(*rng.normal(size=(4, 6)))
        quality = rng.random(4)
        together.remember(np.arange(1, 5), np.zeros(4, np.int64), features, quality, 1, 0.0)
        for i in range(4):
            remember(apart, i + 1, features[i : i + 1], quality[i])
    query = unit(*rng.normal(size=(3, 6)))
    np.testing.assert_allclose(recall(together, query).similarity, recall(apart, query).similarity, atol=1e-6)


def test_who_was_not_seen_for_too_long_is_forgotten():
    gallery = Gallery(BankConfig(memory_s=60.0))
    remember(gallery, 1, RED, time_s=0.0)
    remember(gallery, 2, GREEN, time_s=30.0)
    assert recall(gallery, RED, time_s=61.0).ids.tolist() == [2]


def test_a_hundred_thousand_people_leave_no_more_than_the_bound():
    gallery = Gallery(BankConfig(memory_size=100, memory_embeddings=2))
    features = np.random.default_rng(0).normal(size=(50, 512)).astype(np.float32)
    sizes = set()
    for batch in range(2000):
        ids = gallery.new_ids(50)
        remember(gallery, ids, features, time_s=float(batch))
        if batch >= 10:
            sizes.add((len(gallery), gallery.nbytes))
    assert sizes == {(100, gallery.nbytes)}
    assert recall(gallery, RED, time_s=2000.0).ids.tolist() == list(range(99_901, 100_001)), "those seen last"


def test_whoever_comes_costs_no_copy_of_all_others():
    gallery, rng = Gallery(), np.random.default_rng(0)
    peaks = []
    for first in range(1, 602, 4):
        features = rng.normal(size=(4, 512)).astype(np.float32)
        tracemalloc.start()
        remember(gallery, np.arange(first, first + 4), features, time_s=float(first))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert max(peaks[1:]) < 200_000, "500 are kept, in 5 MB"


@pytest.mark.parametrize("size", [0, 3])
def test_more_at_once_than_there_is_room_for(size):
    gallery = Gallery(BankConfig(memory_size=size))
    remember(gallery, np.arange(1, 11), unit(*np.eye(10)))
    assert len(gallery) == size


def test_who_is_forgotten_makes_room():
    gallery = Gallery(BankConfig(memory_size=2))
    remember(gallery, [1, 2], unit([1, 0], [0, 1]))
    gallery.forget(np.array([1]))
    remember(gallery, 3, BLUE)
    assert sorted(recall(gallery, RED).ids.tolist()) == [2, 3]


def test_another_cameras_embedding_counts_as_an_older_one():
    gallery = Gallery()
    remember(gallery, 1, RED, camera=1)
    assert recall(gallery, RED, camera=1, time_s=2.0).seconds[0, 0] == 2
    assert recall(gallery, RED, camera=2, time_s=2.0).seconds[0, 0] == OTHER_CAMERA_S
    assert recall(gallery, RED, camera=2, time_s=50.0).seconds[0, 0] == 50


def test_threads_share_ids_and_embeddings_without_mixing_them_up():
    gallery = Gallery()

    def camera(number):
        mine = np.concatenate([gallery.new_ids(1) for _ in range(100)])
        for identity in mine:
            remember(gallery, identity, unit(np.eye(8)[number]), camera=number)
        return mine

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(camera, range(8)))
    assert sorted(np.concatenate(given).tolist()) == list(range(1, 801))
    known = recall(gallery, unit(*np.eye(8)))
    owner = {int(i): number for number, ids in enumerate(given) for i in ids}
    assert len(gallery) == 500
    assert known.similarity[:, 0].argmax(axis=1).tolist() == [owner[int(i)] for i in known.ids]


def test_the_latest_embedding_weighs_as_much_as_all_together():
    similarity = np.array([[[0.9], [0.2], [np.nan]]], np.float32)
    known = Recall(np.array([1]), np.array([0]), similarity, np.zeros((1, 3), np.float32))
    odds = np.array([[[2.0], [-1.0], [0.0]]], np.float32)
    mixture = np.log((np.exp(2.0) + np.exp(-1.0)) / 2)
    assert combined(odds, known)[0, 0] == pytest.approx((2 + mixture) / 2)


def test_what_is_kept_of_each_can_be_asked_for_and_of_who_is_not_known_is_nothing():
    gallery = Gallery(BankConfig(memory_embeddings=3))
    remember(gallery, [3, 7], unit([1, 0], [0, 1]), quality=0.5)
    remember(gallery, [7], BLUE, quality=0.25)
    embeddings, quality = gallery.kept(np.array([7, 5, 3]))
    assert np.isfinite(embeddings[..., 0]).sum(axis=1).tolist() == [2, 0, 1]
    assert np.array_equal(embeddings[0, :2], np.concatenate([BLUE, GREEN]))
    assert quality[0, :2].tolist() == [0.25, 0.5]
    assert Gallery().kept(np.array([7]))[0].shape[:2] == (1, Gallery()._kept)


def test_a_bound_that_is_never_reached_asks_for_no_memory_and_one_that_is_reached_is_kept(monkeypatch):
    monkeypatch.setattr(gallery_module, "_ROOM", 10)
    gallery = Gallery(BankConfig(memory_size=1000))
    for first in range(1, 400, 100):
        ids, features = np.arange(first, first + 100), np.eye(100, 128, dtype=np.float32)
        gallery.remember(ids, np.zeros(100, np.int64), features, np.ones(100, np.float32), 1, 0.0)
        assert len(gallery._embeddings.base) <= 2 * (first + 99)
        assert gallery.ids(0.0).tolist() == list(range(1, first + 100))
    assert (gallery.kept(np.array([1]))[0][0, 0] == np.eye(1, 128)).all()


@pytest.mark.parametrize("size", [4, 100])
def test_rows_of_more_embeddings_are_kept_as_if_they_had_been_gathered(size):
    features, rows = np.eye(12, 128, dtype=np.float32), np.array([7, 2, 9, 0, 11, 4])
    ids, classes, quality = np.arange(1, 7), np.zeros(6, np.int64), np.ones(6, np.float32)
    picked, gathered = (Gallery(BankConfig(memory_size=size)) for _ in range(2))
    picked.remember(ids, classes, features, quality, 1, 0.0, rows)
    gathered.remember(ids, classes, features[rows], quality, 1, 0.0)
    np.testing.assert_array_equal(picked.kept(ids)[0], gathered.kept(ids)[0])
    assert len(picked.ids(0.0)) == min(size, 6)
