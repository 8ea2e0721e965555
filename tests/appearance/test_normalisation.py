"""A similarity that is common in a stream is no evidence there."""

import numpy as np
import pytest

from tracker import Detections
from tracker.appearance.normalisation import SimilarityScale, crop_quality


def frame(common, rng, label=0, count=6):
    """Detections side by side whose features share `common` of a direction (generated: it must be known)."""
    own = rng.normal(size=(count, 512))
    own /= np.linalg.norm(own, axis=1, keepdims=True)
    shared = np.eye(1, 512)
    left = 100.0 * np.arange(count)
    boxes = np.c_[left, np.zeros(count), left + 50, np.full(count, 100)]
    return Detections(boxes, classes=[label] * count, features=np.sqrt(common) * shared + np.sqrt(1 - common) * own)


@pytest.mark.parametrize("common", [0.0, 0.4, 0.8])
def test_different_objects_come_to_lie_where_the_calibration_had_them(common):
    rng, scale = np.random.default_rng(0), SimilarityScale(0.55, 0.10, 0.88)
    for _ in range(300):
        scale.learn(frame(common, rng))
        scale.learn_same(np.ones(6, np.float32), np.zeros(6, np.int64))
    alike, _ = scale(np.array([[common], [1.0]], np.float32), np.array([0]))
    assert alike[0, 0] == pytest.approx(0.55, abs=0.03)
    assert alike[1, 0] > 0.8


def test_pairs_of_different_objects_say_the_same_as_the_frames_that_show_them():
    seen, told = SimilarityScale(0.55, 0.10, 0.88), SimilarityScale(0.55, 0.10, 0.88)
    for seed in range(20):
        found = frame(0.4, np.random.default_rng(seed))
        seen.learn(found)
        pairs = (found.features @ found.features.T)[np.triu_indices(6, 1)]
        told.learn_different(pairs, np.zeros(15, np.int64))
    asked = np.array([[0.2], [0.7]], np.float32), np.array([0])
    for one, other in zip(seen(*asked), told(*asked), strict=True):
        assert one == pytest.approx(other, abs=1e-4)


def test_of_a_crowd_a_subset_says_enough():
    rng, scale = np.random.default_rng(0), SimilarityScale(0.55, 0.10, 0.88)
    for _ in range(3):
        scale.learn(frame(0.4, rng, count=600))
    alike, _ = scale(np.array([[0.4]], np.float32), np.array([0]))
    assert alike[0, 0] == pytest.approx(0.55, abs=0.01)


def test_classes_are_told_apart_and_an_unknown_one_is_as_calibrated():
    rng, scale = np.random.default_rng(0), SimilarityScale(0.55, 0.10, 0.88)
    for _ in range(300):
        scale.learn(frame(0.8, rng, label=2))
    same = np.array([[0.8, 0.8]], np.float32)
    cars_and_people, _ = scale(same, np.array([2, 0]))
    assert cars_and_people[0, 0] == pytest.approx(0.55, abs=0.03)
    assert cars_and_people[0, 1] == pytest.approx(0.8)


def test_doubles_of_one_object_and_missing_features_teach_nothing():
    scale = SimilarityScale(0.55, 0.10, 0.88)
    one = np.eye(1, 512).repeat(2, axis=0)
    for _ in range(100):
        scale.learn(Detections([[0, 0, 50, 100], [2, 0, 52, 100]], features=one))
        scale.learn(Detections([[0, 0, 50, 100], [200, 0, 250, 100]], features=np.full((2, 512), np.nan)))
        scale.learn(Detections.empty())
    assert scale(np.array([[0.7]], np.float32), np.array([0]))[0] == pytest.approx(0.7)


def test_what_falls_short_of_embeddings_of_one_object_is_no_evidence():
    """Features of one's own: embeddings of one have cosine .75, those of two about 0, with little spread."""
    rng, scale = np.random.default_rng(0), SimilarityScale(0.55, 0.10, 0.88)
    for _ in range(100):
        scale.learn(frame(0.0, rng))
        scale.learn_same(rng.normal(0.75, 0.02, 6).astype(np.float32), np.zeros(6, np.int64))
    (stranger, same), _ = scale(np.array([[0.13], [0.75]], np.float32), np.array([0]))
    assert stranger < 0.62
    assert same == pytest.approx(0.88, abs=0.02)


def test_similarity_says_more_where_different_objects_vary_less():
    rng, varied, even = np.random.default_rng(0), SimilarityScale(0.55, 0.10, 0.92), SimilarityScale(0.55, 0.10, 0.92)
    for _ in range(100):
        for scale in (varied, even):
            scale.learn_same(np.full(6, 0.92, np.float32), np.zeros(6, np.int64))
        even.learn(frame(0.55, rng))
    similarity = np.array([[0.92]], np.float32)
    assert varied(similarity, np.array([0]))[1] == pytest.approx(1, abs=0.01)
    assert even(similarity, np.array([0]))[1] > 1.5


def test_a_better_crop_is_larger_surer_and_not_occluded():
    boxes = np.array([[0, 0, 50, 100], [200, 0, 250, 100], [400, 0, 600, 400], [800, 0, 850, 100], [820, 20, 870, 120]])
    quality = crop_quality(boxes.astype(np.float32), np.array([0.9, 0.5, 0.9, 0.9, 0.9], np.float32))
    plain, unsure, large, behind, in_front = quality
    assert large > plain > unsure
    assert behind < plain and in_front == pytest.approx(plain)
    assert crop_quality(np.zeros((0, 4), np.float32), np.zeros(0, np.float32)).shape == (0,)


def test_an_embedding_that_does_not_tell_objects_apart_abstains():
    """Fish of one kind: embeddings of one are a deviation more alike than those of two; cars: two and a half."""

    def belief(deviations):
        rng, scale, seen = np.random.default_rng(0), SimilarityScale(0.55, 0.10, 0.92), []
        for _ in range(100):
            few = np.pad(rng.normal(size=(6, 12)) + 5 * np.eye(1, 12), ((0, 0), (0, 500)))  # few dimensions vary much
            found = frame(0.0, rng).with_features(few.astype(np.float32))
            seen.append((found.features @ found.features.T)[np.triu_indices(len(found), 1)])
            scale.learn(found)
        same = np.float32(np.mean(seen) + deviations * np.std(seen))
        for _ in range(100):
            scale.learn_same(np.full(6, same), np.zeros(6, np.int64))
        return float(scale(np.array([[same]]), np.array([0]))[1][0])

    assert belief(0.9) == 0
    assert 0 < belief(1.5) < belief(2.5)
    assert belief(2.5) >= 1
