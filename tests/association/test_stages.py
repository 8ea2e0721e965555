"""Each stage takes what is its own, and looks are compared only where boxes overlap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.association.assignment import Candidates
from tracker.association.stages import (
    Stage,
    TrackPredictions,
    associate,
    decision_of,
    motion_similarity,
)
from tracker.boxes import grown_iou, iou, near
from tracker.config import AssociationConfig
from tracker.structures import Detections, Status


def predictions(xyxy, status, std=0.0, classes=None):
    n = len(xyxy)
    return TrackPredictions(
        np.array(xyxy, np.float32),
        np.full((n, 4), std, np.float32),
        np.array(status),
        np.zeros(n, np.int64) if classes is None else np.array(classes),
    )


def match(tracks, found, **settings):
    config = AssociationConfig(**settings)
    result = associate(tracks.status, found.scores, motion_similarity(tracks, found, config), None, config)
    return [
        (int(t), int(d), Stage(int(s))) for t, d, s in zip(result.tracks, result.detections, result.stages, strict=True)
    ]


BOX = [100, 100, 140, 200]


def test_a_confident_detection_does_not_draw_a_track_away_from_a_weak_one_that_fits_better():
    weak_here, sure_aside = [10, 0, 50, 100], [31, 0, 71, 100]
    found = Detections([sure_aside, weak_here], scores=[0.9, 0.4])
    seen, lost = (predictions([[10, 0, 50, 100]], [status]) for status in (Status.CONFIRMED, Status.PREDICTED))
    assert match(seen, found) == [(0, 1, Stage.WEAK)]
    assert match(seen, found, weak_lead=1.0) == [(0, 0, Stage.CONFIDENT)]
    assert match(lost, found) == [(0, 0, Stage.CONFIDENT)]
    nearly_as_good = Detections([[12, 0, 52, 100], weak_here], scores=[0.9, 0.4])
    assert match(seen, nearly_as_good) == [(0, 0, Stage.CONFIDENT)]


def test_no_pair_that_was_ruled_out_comes_back_where_others_compete():
    status = np.full(3, Status.CONFIRMED)
    confidence = np.array([0.9, 0.9, 0.3], np.float32)  # sure, sure, weak
    similarity = np.array([[0.7, 0.5, 0.8], [0.9, 0.6, 0.0], [0.0, 0.3, 0.0]], np.float32)
    motion = Candidates(*similarity.nonzero(), similarity[similarity.nonzero()])
    result = associate(status, confidence, motion, None, AssociationConfig())
    # the first track's .5 would make the largest sum, but is too far below its weak .8
    assert list(zip(result.tracks.tolist(), result.detections.tolist(), strict=True)) == [(0, 0), (1, 1)]


def test_a_weak_detection_extends_a_seen_track_but_not_a_lost_one():
    weak = Detections([BOX], scores=[0.2])
    assert match(predictions([BOX], [Status.CONFIRMED]), weak) == [(0, 0, Stage.WEAK)]
    assert match(predictions([BOX], [Status.PREDICTED]), weak) == []
    assert match(predictions([BOX], [Status.TENTATIVE]), weak) == []


def test_confirmed_tracks_are_matched_before_tentative_ones():
    sure = Detections([BOX], scores=[0.9])
    both = predictions([[104, 100, 144, 200], BOX], [Status.CONFIRMED, Status.TENTATIVE])
    assert match(both, sure) == [(0, 0, Stage.CONFIDENT)]
    assert match(predictions([BOX], [Status.TENTATIVE]), sure) == [(0, 0, Stage.TENTATIVE)]


def test_an_uncertain_prediction_is_searched_around_more_widely():
    away = Detections([[150, 100, 190, 200]], scores=[0.9])
    assert match(predictions([BOX], [Status.CONFIRMED], std=0.0), away) == []
    assert match(predictions([BOX], [Status.CONFIRMED], std=60.0), away) == [(0, 0, Stage.CONFIDENT)]


def test_looks_alone_match_nothing():
    """A car that left to the left looks like the one that comes from the right: that is re-identification's to tell."""
    away = Detections([[500, 100, 540, 200], [105, 100, 145, 200]], scores=[0.9, 0.9])
    tracks, config = predictions([BOX], [Status.CONFIRMED]), AssociationConfig()
    alike = np.float32([[0.29, -0.29]])
    motion = motion_similarity(tracks, away, config)
    matches = associate(tracks.status, away.scores, motion, lambda row, column: alike[row, column], config)
    assert matches.detections.tolist() == [1]
    alone = motion.take(np.zeros(0, np.int64))
    assert not len(associate(tracks.status, away.scores, alone, lambda row, column: alike[row, column], config).tracks)


def test_another_class_costs_but_does_not_split():
    flipped = Detections([BOX], scores=[0.9], classes=[7])
    assert match(predictions([BOX], [Status.CONFIRMED], classes=[2]), flipped) == [(0, 0, Stage.CONFIDENT)]
    two = Detections([BOX, [102, 100, 142, 200]], scores=[0.9, 0.9], classes=[7, 2])
    assert match(predictions([BOX], [Status.CONFIRMED], classes=[2]), two) == [(0, 1, Stage.CONFIDENT)]


def grown(xyxy):
    margin = 0.3 * (xyxy[:, 2:] - xyxy[:, :2])
    return np.concatenate([xyxy[:, :2] - margin, xyxy[:, 2:] + margin], axis=1)


def test_growing_is_buffered_iou():
    a = np.array([[0, 0, 10, 20], [5, 5, 30, 40]], np.float64)
    b = np.array([[12, 0, 22, 20], [6, 0, 16, 30], [100, 100, 110, 120]], np.float64)
    ratio = np.array([[0.3, 0.3], [0.3, 0.3]])
    np.testing.assert_allclose(grown_iou(a[:, None], b, ratio[:, None]), iou(grown(a), grown(b)))


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 10_000), st.sampled_from([0, 100]))
def test_no_pair_that_overlaps_is_left_out(n, m, seed, many):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 300, (n + m, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(1, 120, (n + m, 2))], axis=1).astype(np.float32)
    ratio = rng.uniform(0, 0.5, (n, 2)).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tracker.boxes._MANY", many)
        row, column = near(boxes[:n], boxes[n:], ratio)
    pairs = list(zip(row.tolist(), column.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    overlapping = np.argwhere(grown_iou(boxes[:n, None], boxes[n:], ratio[:, None]) > 1e-6)
    assert set(map(tuple, overlapping.tolist())) <= set(pairs)


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_to_match_matches_nothing(n, m):
    found = Detections([BOX] * m, scores=[0.9] * m) if m else Detections.empty()
    assert match(predictions(np.zeros((n, 4)) + BOX if n else np.zeros((0, 4)), [Status.CONFIRMED] * n), found) == []


@st.composite
def crowds(draw):
    """Tracks and detections close together, of two classes, every state and every score; with embeddings or without."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, m = draw(st.integers(0, 8)), draw(st.integers(0, 8))
    corners = rng.uniform(0, 150, (n + m, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 90, (n + m, 2))], axis=1)
    tracks = predictions(boxes[:n].reshape(n, 4), rng.integers(0, 3, n), draw(st.floats(0, 40)), rng.integers(0, 2, n))
    found = Detections(boxes[n:].reshape(m, 4), rng.uniform(0, 1, m), rng.integers(0, 2, m))
    embeddings = rng.uniform(-0.3, 0.3, (n, m)).astype(np.float32) if draw(st.booleans()) else None
    return tracks, found, embeddings


def adds(embeddings):
    """An `Appearance` that answers from a matrix."""
    return None if embeddings is None else lambda row, column: embeddings[row, column]


def decided(tracks, found, embeddings, **settings):
    config = AssociationConfig(**settings)
    motion, appearance = motion_similarity(tracks, found, config), adds(embeddings)
    matches = associate(tracks.status, found.scores, motion, appearance, config)
    ids, given = np.arange(len(tracks.status)) + 7, np.arange(len(found))
    return decision_of(ids, tracks, found, given, found.scores, motion, appearance, matches, config)


@given(crowds(), st.sampled_from([0.0, 0.5, 1.0, 2.0]))
def test_the_terms_of_a_decision_make_up_the_similarity_that_was_assigned(crowd, height_power):
    said = decided(*crowd, height_power=height_power)
    total = said.overlap * said.height * said.same_class + said.appearance
    assert total.dtype == np.float32
    assert np.array_equal(total, said.similarity), "to the last bit"


@given(crowds(), st.floats(0, 1))
def test_what_a_decision_allows_is_what_may_be_matched(crowd, weak_lead):
    said = decided(*crowd, weak_lead=weak_lead)
    pairs = said.matches.tracks, said.matches.detections
    assert said.allowed[pairs].all()
    assert np.array_equal(said.stages[pairs], said.matches.stages)
    assert np.array_equal(np.isnan(said.gates), said.stages == 0)
    assert not said.allowed[said.stages == 0].any()
    assert (said.similarity[said.allowed] >= said.gates[said.allowed].astype(np.float32)).all()
    free = np.ones(said.allowed.shape, bool)
    free[said.matches.tracks], free[:, said.matches.detections] = False, False
    assert not (said.allowed & free).any(), "two that may meet and are both left over would have been matched"


def test_a_similarity_at_the_floor_itself_suffices():
    """The floor is inclusive where the gate is not: a confident detection exactly `weak_lead` behind is still taken."""
    weak, sure = [0, 0, 40, 100], [0, 0, 20, 100]  # IoU of 1 and of .5
    found = Detections([sure, weak], scores=[0.9, 0.4])
    said = decided(predictions([[0, 0, 40, 100]], [Status.CONFIRMED]), found, None, weak_lead=0.5)
    assert said.similarity.tolist() == [[0.5, 1.0]] and said.gates[0, 0] == 0.5
    assert said.allowed[0, 0] and list(zip(*said.matches.__dict__.values(), strict=True)) == [(0, 0, Stage.CONFIDENT)]


@pytest.mark.parametrize(
    ("status", "top", "may"),
    [
        pytest.param(Status.PREDICTED, 20, False, id="lost: somebody else, nearer"),
        pytest.param(Status.PREDICTED, 80, True, id="lost: a little taller"),
        pytest.param(Status.CONFIRMED, 20, True, id="just seen: its lower half was hidden"),
    ],
)
def test_what_is_much_taller_than_a_lost_track_is_another_object(status, top, may):
    tracks = predictions([[100, 100, 140, 200]], [status], std=20.0)
    found = Detections([[100, top, 140, 200]], [0.9])
    similarity = motion_similarity(tracks, found, AssociationConfig()).matrix(1, 1)
    assert (similarity[0, 0] > AssociationConfig().min_overlap) == may


def test_of_many_only_pairs_that_overlap_are_compared_by_their_looks():
    places = np.arange(20)[:, None] * [200, 0, 200, 0]
    boxes = np.array([BOX]) + places
    tracks, found = predictions(boxes, [Status.CONFIRMED] * 20), Detections(boxes)
    asked = []

    def alike(row, column):
        asked.append(np.broadcast(row, column).size)
        return np.full(np.broadcast(row, column).shape, 0.2, np.float32)

    config = AssociationConfig()
    matches = associate(tracks.status, found.scores, motion_similarity(tracks, found, config), alike, config)
    assert matches.detections.tolist() == [*range(20)]
    assert asked == [20]
