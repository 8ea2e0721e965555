"""The assignment is optimal under the gates; each stage takes what is its own."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tracker.association import Candidates, Stage, ambiguous, assign, associate, grown_iou, motion_similarity
from tracker.boxes import iou, near
from tracker.config import AssociationConfig
from tracker.structures import Detections, Status

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


@given(similarities)
def test_rows_come_in_order(similarity):
    rows, _ = assign(similarity, 0.3)
    assert (np.diff(rows) > 0).all()


def candidates(xyxy, status, std=0.0, classes=None):
    n = len(xyxy)
    return Candidates(
        np.array(xyxy, np.float32),
        np.full((n, 4), std, np.float32),
        np.array(status),
        np.zeros(n, np.int64) if classes is None else np.array(classes),
    )


def match(tracks, found, **settings):
    config = AssociationConfig(**settings)
    result = associate(tracks.status, found.scores, motion_similarity(tracks, found, config), config)
    return [
        (int(t), int(d), Stage(int(s))) for t, d, s in zip(result.tracks, result.detections, result.stages, strict=True)
    ]


BOX = [100, 100, 140, 200]


def test_a_confident_detection_does_not_draw_a_track_away_from_a_weak_one_that_fits_better():
    weak_here, sure_aside = [10, 0, 50, 100], [31, 0, 71, 100]
    found = Detections([sure_aside, weak_here], scores=[0.9, 0.4])
    seen, lost = (candidates([[10, 0, 50, 100]], [status]) for status in (Status.CONFIRMED, Status.PREDICTED))
    assert match(seen, found) == [(0, 1, Stage.WEAK)]
    assert match(seen, found, weak_lead=1.0) == [(0, 0, Stage.CONFIDENT)]
    assert match(lost, found) == [(0, 0, Stage.CONFIDENT)]
    nearly_as_good = Detections([[12, 0, 52, 100], weak_here], scores=[0.9, 0.4])
    assert match(seen, nearly_as_good) == [(0, 0, Stage.CONFIDENT)]


def test_no_pair_that_was_ruled_out_comes_back_where_others_compete():
    status = np.full(3, Status.CONFIRMED)
    trust = np.array([0.9, 0.9, 0.3], np.float32)  # sure, sure, weak
    similarity = np.array([[0.7, 0.5, 0.8], [0.9, 0.6, 0.0], [0.0, 0.3, 0.0]], np.float32)
    result = associate(status, trust, similarity, AssociationConfig())
    # the first track's .5 would make the largest sum, but is too far below its weak .8
    assert list(zip(result.tracks.tolist(), result.detections.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_a_weak_detection_extends_a_seen_track_but_not_a_lost_one():
    weak = Detections([BOX], scores=[0.2])
    assert match(candidates([BOX], [Status.CONFIRMED]), weak) == [(0, 0, Stage.WEAK)]
    assert match(candidates([BOX], [Status.PREDICTED]), weak) == []
    assert match(candidates([BOX], [Status.TENTATIVE]), weak) == []


def test_believed_tracks_choose_before_tentative_ones():
    sure = Detections([BOX], scores=[0.9])
    both = candidates([[104, 100, 144, 200], BOX], [Status.CONFIRMED, Status.TENTATIVE])
    assert match(both, sure) == [(0, 0, Stage.CONFIDENT)]
    assert match(candidates([BOX], [Status.TENTATIVE]), sure) == [(0, 0, Stage.TENTATIVE)]


def test_an_uncertain_prediction_is_searched_around_more_widely():
    away = Detections([[150, 100, 190, 200]], scores=[0.9])
    assert match(candidates([BOX], [Status.CONFIRMED], std=0.0), away) == []
    assert match(candidates([BOX], [Status.CONFIRMED], std=60.0), away) == [(0, 0, Stage.CONFIDENT)]


def test_another_class_costs_but_does_not_split():
    flipped = Detections([BOX], scores=[0.9], classes=[7])
    assert match(candidates([BOX], [Status.CONFIRMED], classes=[2]), flipped) == [(0, 0, Stage.CONFIDENT)]
    two = Detections([BOX, [102, 100, 142, 200]], scores=[0.9, 0.9], classes=[7, 2])
    assert match(candidates([BOX], [Status.CONFIRMED], classes=[2]), two) == [(0, 1, Stage.CONFIDENT)]


def grown(xyxy):
    margin = 0.3 * (xyxy[:, 2:] - xyxy[:, :2])
    return np.concatenate([xyxy[:, :2] - margin, xyxy[:, 2:] + margin], axis=1)


def test_growing_is_buffered_iou():
    a = np.array([[0, 0, 10, 20], [5, 5, 30, 40]], np.float64)
    b = np.array([[12, 0, 22, 20], [6, 0, 16, 30], [100, 100, 110, 120]], np.float64)
    ratio = np.array([[0.3, 0.3], [0.3, 0.3]])
    np.testing.assert_allclose(grown_iou(a[:, None], b, ratio[:, None]), iou(grown(a), grown(b)))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 10_000))
def test_no_pair_that_overlaps_is_left_out(n, m, seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 300, (n + m, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 120, (n + m, 2))], axis=1).astype(np.float32)
    ratio = rng.uniform(0, 0.5, n).astype(np.float32)
    row, column = near(boxes[:n], boxes[n:], ratio)
    pairs = list(zip(row.tolist(), column.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    both = np.stack([ratio, ratio], axis=1)
    overlapping = np.argwhere(grown_iou(boxes[:n, None], boxes[n:], both[:, None]) > 1e-6)
    assert set(map(tuple, overlapping.tolist())) <= set(pairs)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_match_matches_nothing(n, m):
    found = Detections([BOX] * m, scores=[0.9] * m) if m else Detections.empty()
    assert match(candidates(np.zeros((n, 4)) + BOX if n else np.zeros((0, 4)), [Status.CONFIRMED] * n), found) == []


def test_motion_alone_places_only_what_fits_well_and_has_no_rival():
    def unclear(*rows):
        return ambiguous(np.array(rows, np.float32), gate=0.15)[0].tolist()

    assert unclear([0.8, 0.0], [0.0, 0.7]) == [False, False]
    assert unclear([0.8, 0.0], [0.0, 0.4]) == [False, True]  # somebody else may have come out there
    assert unclear([0.8, 0.6], [0.0, 0.9]) == [True, True]  # the first track may have either
    assert unclear([0.8, 0.0], [0.0, 0.0]) == [False, True]  # nobody's
