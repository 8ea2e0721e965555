"""What a stream's objects are like is learned from its own matches; until they show otherwise they are pedestrians."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker import Detections, Tracker
from tracker.boxes import cxcywh_to_xyxy, nearest_by_far
from tracker.motion.adaptation.habits import Habits, smoothness, turns
from tracker.motion.kalman import correct, propagate, start, turn_aside
from tracker.motion.load import load_predictor
from tracker.structures import CONFIRMED, PREDICTED

FPS = 30
PERSON, BALL = 0, 32
SEEN = np.array([9])


def habits(matches=400, across=0.0, down=0.0, label=BALL, first=False, seed=0, into=None):
    """After matches of boxes 20 x 20, off by shares of their size (standard deviations) across and down."""
    rng = np.random.default_rng(seed)
    learned = Habits() if into is None else into
    hits, sure = np.full(10, 1 if first else 9), np.ones(10, bool)
    for _ in range(matches // 10):
        expected = np.tile(np.array([50, 50, 20, 20], np.float32), (10, 1))
        off = rng.normal(0, 20, (10, 2)) * [across, down]
        detected = cxcywh_to_xyxy(expected + np.c_[off, np.zeros((10, 2))].astype(np.float32))
        learned.learn(np.full(10, label), hits, expected, detected, sure)
    return learned


def upright(learned, label=BALL, status=CONFIRMED):
    found = learned.of(np.array([label]), np.array([status]))[0]
    return 1.0 if found is None else float(found[0])


def lift(learned, label=BALL, status=CONFIRMED):
    found = learned.of(np.array([label]), np.array([status]))[1]
    return 1.0 if found is None else float(found[0])


def reach(learned, label=BALL, hits=1):
    return float(learned.reach(np.array([label]), np.array([hits]))[0])


def test_before_anything_was_seen_objects_are_pedestrians():
    assert Habits().ordinary and Habits().of(np.array([BALL]), np.array([CONFIRMED])) == (None, None)
    assert reach(Habits(), hits=9) == reach(Habits(), hits=1) == 1.0


def test_pedestrians_stay_pedestrians():
    assert habits(across=0.1, down=0.03).ordinary


def test_what_moves_up_and_down_as_it_moves_sideways_is_not_upright():
    assert upright(habits(across=0.4, down=0.4)) == 0.0
    assert upright(habits(across=0.4, down=0.05)) == 1.0


def test_steady_objects_are_upright_however_their_widths_agree():
    """Vehicles: both extents agree to some percent, and what differs in height is another one."""
    assert habits(across=0.04, down=0.04).ordinary


def test_what_agrees_as_little_in_height_as_in_width_is_not_upright_though_most_matches_agree():
    """Ants and fish: between two frames they move by a tenth of their size, in any direction."""
    assert upright(habits(across=0.07, down=0.07)) < 0.2


def test_where_sure_matches_overlap_little_little_overlap_is_enough_of_lost_tracks_half_as_far():
    assert lift(habits(across=1, down=1)) == 3.0
    assert lift(habits(across=0.02, down=0.02)) == 1.0
    assert lift(habits(across=1, down=1), status=PREDICTED) == 2.0


def test_where_predictions_are_poor_boxes_are_not_mixed_with_them_and_a_surprise_is_a_turn():
    np.testing.assert_array_equal(smoothness(np.array([1, 2, 3], np.float32)), [1, 1, 0])
    np.testing.assert_array_equal(turns(np.array([1, 2, 3], np.float32)), [False, True, True])


def test_short_first_steps_shorten_the_reach_and_long_ones_lengthen_it():
    assert reach(habits(across=0.02, down=0.02, first=True)) < 0.1
    assert reach(habits(across=2.0, down=2.0, first=True)) > 1.5


def test_what_keeps_to_its_velocity_is_not_looked_for_afar_once_that_is_known():
    steady, turning = habits(4000, 0.02, 0.02), habits(4000, 1, 1)
    assert reach(steady, hits=1) == 1.0 and reach(steady, hits=9) < 0.1
    assert reach(turning, hits=9) == 1.0


@pytest.mark.parametrize("hits", [1, 9])
def test_a_frame_of_more_than_is_looked_back_on_counts_once(hits):
    """Thousands of objects, each of which is a fifth of its size off."""
    many, learned = 3000, Habits()
    expected = np.tile(np.array([50, 50, 20, 20], np.float32), (many, 1))
    detected = cxcywh_to_xyxy(expected + np.array([4, 4, 0, 0], np.float32))
    for _ in range(20):
        learned.learn(np.full(many, BALL), np.full(many, hits), expected, detected, np.ones(many, bool))
    once = habits(matches=10, label=BALL, into=Habits())
    once.learn(np.full(many, BALL), np.full(many, hits), expected, detected, np.ones(many, bool))
    of = slice(3, 4) if hits == 1 else slice(0, 3)
    np.testing.assert_allclose(learned.means[0, of], once.means[0, of], atol=1e-6)
    Habits().load_state_dict(learned.state_dict())


def test_each_class_has_habits_of_its_own():
    learned = habits(across=1, down=1)
    habits(across=0.1, down=0.03, label=PERSON, into=learned)
    assert (upright(learned, BALL), lift(learned, BALL)) == (0.0, 3.0)
    assert (upright(learned, PERSON), lift(learned, PERSON)) == (1.0, 1.0)
    assert (upright(learned, 7), lift(learned, 7), reach(learned, 7)) == (1.0, 1.0, 1.0)
    together, _ = learned.of(np.array([BALL, 7, PERSON, BALL]), np.full(4, CONFIRMED))
    np.testing.assert_array_equal(together, [0, 1, 1, 0])


def test_a_stream_that_changes_is_followed():
    learned = habits(4000, 1, 1)
    assert lift(habits(20_000, 0.02, 0.02, into=learned)) == 1.0


def test_unsure_matches_teach_nothing():
    learned, box = Habits(), np.array([[10, 10, 20, 20]], np.float32)
    learned.learn(np.array([0]), SEEN, box, box, np.array([False]))
    learned.learn(np.zeros(0, np.int64), SEEN[:0], box[:0], box[:0], np.zeros(0, bool))
    assert not len(learned.labels)


@pytest.mark.slow
def test_more_classes_than_there_is_room_for_stay_as_they_start():
    learned, n = Habits(), 2100
    boxes = np.tile(np.array([10, 10, 20, 20], np.float32), (n, 1))
    learned.learn(np.arange(n), np.full(n, 9), boxes, boxes + 15, np.ones(n, bool))
    assert len(learned.labels) == 2000 and upright(learned, 2050) == 1.0


def test_it_is_learned_from_every_second_frame_and_later_from_every_sixteenth():
    learned = Habits()
    assert [learned.due(0) for _ in range(6)] == 3 * [False, True]
    habits(400, 0.1, 0.1, into=learned)
    assert sum(learned.due(0) for _ in range(160)) == 10


def test_the_first_of_all_first_steps_are_not_missed():
    learned = Habits()
    habits(400, 0.1, 0.1, into=learned)
    assert [learned.due(births) for births in (1, 0, 0)] == [False, True, False]
    habits(100, 0.1, 0.1, first=True, into=learned)
    assert not any(learned.due(1) for _ in range(10))


@given(st.floats(0, 3), st.floats(0, 3), st.integers(0, 100), st.booleans())
def test_whatever_was_seen_habits_keep_their_bounds(across, down, seed, first):
    learned = habits(100, across, down, first=first, seed=seed)
    assert 0 <= upright(learned) <= 1 and 1 <= lift(learned) <= 3 and reach(learned) >= reach(learned, hits=9) >= 0


def boxes(*centres, size=10):
    return np.array([[x - size / 2, y - size / 2, x + size / 2, y + size / 2] for x, y in centres], np.float32)


def pairs(own, found, step=1.0, weight=1.0):
    rows = nearest_by_far(own, found, np.full(len(own), step), np.broadcast_to(weight, (len(own), len(found))))
    return [tuple(map(int, pair)) for pair in zip(*rows, strict=True)]


def test_the_nearest_by_far_is_unmistakable():
    assert pairs(boxes((0, 0), (200, 0)), boxes((180, 0), (20, 0))) == [(0, 1), (1, 0)]


def test_two_that_are_about_as_near_are_not_unless_something_else_tells_them_apart():
    assert pairs(boxes((0, 0)), boxes((20, 0), (-25, 0))) == []
    assert pairs(boxes((0, 0), (45, 0)), boxes((20, 0))) == []
    assert pairs(boxes((0, 0)), boxes((20, 0), (-25, 0)), weight=[[2.0, 0.5]]) == [(0, 1)]


def test_nor_is_one_out_of_reach_or_of_another_size():
    assert pairs(boxes((0, 0)), boxes((35, 0))) == []
    assert pairs(boxes((0, 0)), boxes((35, 0)), step=2.0) == [(0, 0)]
    assert pairs(boxes((0, 0)), boxes((20, 0), size=20)) == []


def test_turning_on_the_spot_is_not_another_size():
    """Of something long and thin the box's sides change, its diagonal hardly does."""
    lying, standing = np.array([[0.0, 0, 60, 15]]), np.array([[22.0, -18, 38, 44]])
    assert pairs(lying, standing) == [(0, 0)]


places = st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=8)


@given(places, places)
def test_no_row_is_paired_twice_and_a_pair_is_nearest_both_ways(own, found):
    rows = pairs(boxes(*own), boxes(*found))
    assert len({row for row, _ in rows}) == len({column for _, column in rows}) == len(rows)
    for row, column in rows:
        distance = np.linalg.norm(np.subtract(found, own[row]), axis=1)
        assert distance.argmin() == column
        assert np.linalg.norm(np.subtract(own, found[column]), axis=1).argmin() == row


def follow(places, scores=0.9, labels=None, embeddings=None):
    """Ids of the confirmed tracks, and all ids, of balls of 20 pixels seen at these places, frame by frame."""
    tracker, confirmed, ids = Tracker(), [], set()
    for i, here in enumerate(places):
        n = len(here)
        label = None if labels is None else np.full(n, labels[i])
        features = None if embeddings is None else embeddings[i]
        found = Detections(boxes(*here, size=20), np.full(n, scores), label, features=features)
        tracks = tracker.update(None, found, time_s=i / FPS)
        confirmed += tracks.ids[tracks.status == CONFIRMED].tolist()
        ids |= set(tracks.ids.tolist())
    return confirmed, ids


def test_an_object_that_moves_by_more_than_its_size_is_confirmed_and_keeps_its_id():
    """Generated: a ball of 20 pixels at 30 a frame; its second box has nothing in common with its first."""
    assert follow([[(50 + 30 * i, 100 + 3 * i)] for i in range(30)]) == ([1] * 30, {1})


def test_it_is_followed_round_a_turn_that_no_gate_allows_for():
    path = [[(50 + 30 * (i if i < 20 else 40 - i), 100)] for i in range(40)]
    assert follow(path)[1] == {1}


@pytest.mark.parametrize("score", [0.6, 0.9])
def test_unsure_detections_far_apart_are_not_taken_for_one(score):
    assert follow([[(50, 100)], [(90, 100)]], score)[1] == ({1} if score > 0.8 else {1, 2})


def test_nor_do_those_of_two_classes():
    assert follow([[(50, 100)], [(90, 100)]], labels=[0, 1])[1] == {1, 2}


def test_afar_the_appearance_says_which_of_two_it_is():
    """Two about as near: neither is unmistakable, unless one of them looks the same."""
    same, other = np.eye(2, 512, dtype=np.float32)
    path = [[(200, 100)], [(240, 100), (157, 100)]]
    assert follow(path)[1] == {1, 2, 3}
    assert follow(path, embeddings=[same[None], np.stack([other, same])]) == ([1], {1, 2})


def states():
    """One track, seen once at (100, 100) with 20 x 20 pixels, predicted a frame later."""
    model = load_predictor("").parameters
    box = np.array([[100.0, 100, np.log(20), np.log(20)]])
    return model, box, propagate(start(box, model), np.full((1, 1), 1 / FPS), model)


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_a_turn_finds_the_velocity_that_led_there_and_nearness_is_no_turn(across, down):
    model, box, predicted = states()
    observed = box + [across, down, 0, 0]
    turned = turn_aside(predicted, observed, np.full((1, 1), 1 / FPS), model)
    assert (turned[2:] >= predicted[2:]).all()
    np.testing.assert_array_equal(turned[:2], predicted[:2])
    if max(abs(across), abs(down)) < 2:
        np.testing.assert_array_equal(turned, predicted)
    assert np.abs(correct(turned, observed, model)[0] - observed).max() <= np.abs(observed - box).max() + 1e-9
    for axis, off in enumerate((across, down)):
        if abs(off) > 40:
            assert correct(turned, observed, model)[1, 0, axis] * off > 0.7 * off * off * FPS
