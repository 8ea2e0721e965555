"""The tracks' arrays: how they grow, are used again and are read back, whoever lives in them."""

from itertools import count

import numpy as np
import pytest

from tracker import Tracker
from tracker.association.stages import Matches
from tracker.bank import TrackBank
from tracker.config import BankConfig
from tracker.motion.load import load_predictor
from tracker.slots import Slots
from tracker.structures import Detections


@pytest.fixture
def bank():
    ids = count(1)
    return TrackBank(load_predictor("kalman"), BankConfig(), lambda n: np.array([next(ids) for _ in range(n)]))


def boxes(number, at=0.0):
    """So many boxes, 30 x 60, far from each other."""
    left, top = 100.0 * (np.arange(number) % 40) + at, 100.0 * (np.arange(number) // 40)
    return np.stack([left, top, left + 30, top + 60], axis=1).astype(np.float32)


def see(bank, number, time_s, tracks=(), detections=()):
    """A frame with so many sure detections, of which `detections` are these live `tracks`."""
    found = Detections(boxes(number, at=20 * time_s), np.full(number, 0.9), np.arange(number) % 3)
    bank.predict(time_s) if len(bank.live) else None
    pairs = (np.array(rows, np.int64) for rows in (tracks, detections, [1] * len(tracks)))
    bank.update(Matches(*pairs), found, found.scores, time_s, None)


def test_more_slots_leave_what_the_others_hold_as_it_is():
    slots = Slots(3)
    before = {name: np.full_like(getattr(slots, name), 1) for name in slots.saved if name != "free"}
    for name, column in before.items():
        setattr(slots, name, column)
    claimed = slots.claim(5).tolist()
    assert len(slots) == 64 and sorted(claimed + slots.free) == list(range(64))
    for name, column in before.items():
        grown = getattr(slots, name)
        assert grown.shape == (64, *column.shape[1:]) and grown.dtype == column.dtype, name
        np.testing.assert_array_equal(grown[:3], column)
        assert not grown[3:].any(), name


def test_arrays_at_least_double_when_they_are_full_and_stay(bank):
    sizes = []
    for frame, number in enumerate([3, 64, 65, 300, 0, 300]):
        see(bank, number, frame / 25)
        sizes.append(len(bank.slots))
        assert len(bank.live) == number, "tentative tracks that are not seen are removed"
    assert sizes == [64, 64, 129, 429, 429, 429]


def test_what_a_track_looked_like_does_not_depend_on_how_many_others_were_seen():
    chance = np.random.default_rng(0)
    together, alone, row = Slots(700), Slots(700), np.array([650])
    for time_s in (1.0, 2.0, 3.0):
        features = chance.standard_normal((700, 32)).astype(np.float32)
        features[chance.random(700) < 0.2] = np.nan
        together.remember(np.arange(700), features, time_s)
        alone.remember(row, features[row], time_s)
    for name in ("embeddings", "embedding_s", "embedding_counts"):
        assert getattr(together, name)[row].tobytes() == getattr(alone, name)[row].tobytes()


def test_slots_are_used_again_and_ids_never(bank):
    see(bank, 5, 0.0)
    first, ids = set(bank.live.tolist()), bank.ids(bank.live)
    see(bank, 5, 0.04)
    assert set(bank.live.tolist()) <= set(range(64)) and ids.tolist() == [1, 2, 3, 4, 5]
    assert bank.ids(bank.live).tolist() == [6, 7, 8, 9, 10]
    see(bank, 5, 0.08)
    assert set(bank.live.tolist()) & (first | set(range(5, 10))), "what is free is taken first"


def test_a_slot_that_is_used_again_holds_nothing_of_the_track_before(bank):
    embedding = np.zeros((1, 512), np.float32)
    embedding[:, 0] = 1
    for frame in range(6):
        found = Detections(boxes(1), [0.9], [7], features=embedding)
        bank.predict(frame / 25) if frame else None
        pair = np.zeros(min(frame, 1), np.int64)
        bank.update(Matches(pair, pair, pair + 1), found, found.scores, frame / 25, None)
    slot = bank.live.copy()
    assert bank.slots.hits[slot] == 6 and bank.slots.embedding_counts[slot] == 6 and bank.slots.classes[slot] == 7
    bank.predict(1000.0, gap=True)
    see(bank, 1, 1000.0)
    assert bank.live.tolist() == slot.tolist()
    slots = bank.slots
    assert slots.born_s[slot] == 1000.0 and slots.hits[slot] == 1 and slots.embedding_counts[slot] == 0
    assert (
        slots.classes[slot] == 0
        and np.isfinite(slots.votes[slot]).sum() == 1
        and np.isnan(slots.embeddings[slot]).all()
    )


def test_who_is_seen_in_part_at_first_is_remembered_as_it_looks_in_whole():
    slots, track = Slots(1, 2), np.array([0])
    part, whole = np.array([[1.0, 0]], np.float32), np.array([[0, 1.0]], np.float32)
    for look in [part] * 6 + [whole] * 6:
        slots.remember(track, look, 0.0)
    assert (slots.embeddings @ whole.T).item() > 0.8


def test_one_look_changes_a_memory_of_many_by_a_tenth():
    slots, track = Slots(1, 2), np.array([0])
    known, other = np.array([[1.0, 0]], np.float32), np.array([[0, 1.0]], np.float32)
    for _ in range(200):
        slots.remember(track, known, 0.0)
    slots.remember(track, other, 0.0)
    assert slots.embeddings[0, 1] / slots.embeddings[0, 0] == pytest.approx(0.1 / 0.9, rel=1e-4)


@pytest.mark.parametrize(("pending", "age_s", "sooner"), [(True, 1.0, True), (True, 3.0, False), (False, 1.0, False)])
def test_a_young_track_that_may_be_an_old_one_is_looked_at_more_often(pending, age_s, sooner):
    slots, track = Slots(1, 2), np.array([0])
    slots.remember(track, np.array([[1.0, 0]], np.float32), 10.0)
    slots.pending[:], slots.born_s[:] = pending, 10.0 - age_s
    due = [bool(slots.stale(track, 10.0 + after, refresh_s=0.5, reid_s=2.0)[0]) for after in (0.05, 0.15, 0.5)]
    assert due == [False, sooner, True]


def test_live_slots_are_in_order_of_their_ids(bank):
    see(bank, 4, 0.0)
    see(bank, 4, 0.04, tracks=[1, 3], detections=[1, 3])
    assert (np.diff(bank.ids(bank.live)) > 0).all() and bank.ids(bank.live).tolist() == [2, 4, 5, 6]
    bank.reactivate(bank.live[2:3], np.array([1]))
    assert bank.ids(bank.live).tolist() == [1, 2, 4, 6]


@pytest.mark.parametrize("name", Slots.saved)
def test_a_state_with_arrays_of_other_lengths_is_refused(bank, name):
    see(bank, 3, 0.0)
    state = {key: np.array(value) for key, value in bank.state_dict().items()}
    state[f"slots.{name}"] = state[f"slots.{name}"][:-1]
    fresh = TrackBank(load_predictor("kalman"), BankConfig(), lambda n: np.arange(n))
    with pytest.raises(ValueError, match="slots"):
        fresh.load_state_dict(state)


def test_a_bank_goes_on_with_what_it_is_given(bank):
    for frame in range(8):
        see(bank, 70, frame / 25, *([np.arange(70)] * 2 if frame else []))
    ids = count(71)
    again = TrackBank(load_predictor("kalman"), BankConfig(), lambda n: np.array([next(ids) for _ in range(n)]))
    again.load_state_dict({key: np.array(value) for key, value in bank.state_dict().items()})
    for one in (bank, again):
        see(one, 72, 0.32, np.arange(70), np.arange(70))
    order = np.arange(72)
    told = [one.report(0.32, 0.04, {}, order) for one in (bank, again)]
    for name in ("ids", "xyxy", "scores", "classes", "status", "detection_index"):
        np.testing.assert_array_equal(getattr(told[0], name), getattr(told[1], name))
    assert len(told[0]) == 72


@pytest.mark.parametrize("step, is_smoothed", [(0.1, True), (0.9, False)])
def test_how_far_boxes_are_smoothed_later_follows_how_far_the_objects_here_turn(step, is_smoothed):
    """Thirty that go straight by a tenth of their size a frame, or anywhere by nine tenths; a detector's sizes."""
    rng, tracker = np.random.default_rng(0), Tracker(device="cpu")
    centre, course = rng.random((30, 2)) * [4000, 2000], rng.uniform(0, 2 * np.pi, 30)
    for _ in range(90):
        course = course if is_smoothed else rng.uniform(0, 2 * np.pi, 30)
        centre = centre + 30 * step * np.stack([np.cos(course), np.sin(course)], axis=1)
        half = 15 * np.exp(rng.normal(0, 0.06, (30, 2)))
        found = np.concatenate([centre - half, centre + half], axis=1)
        tracks = tracker.update(None, Detections(found, np.full(30, 0.9)))
    assert tracks.jitter > 0.5 if is_smoothed else tracks.jitter < 0.1
