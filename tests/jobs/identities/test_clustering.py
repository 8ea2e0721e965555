"""Which tracks are one identity: alike enough on average, and never two that are there at the same time."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.galleries import video_of
from tracker.appearance.similarity import load_notes
from tracker.jobs.identities.clustering import clustered
from tracker.jobs.identities.entries import Entries
from tracker.jobs.identities.finding import identified
from tracker.jobs.identities.likeness import Likeness, meetings
from tracker.jobs.identities.neighbours import neighbours

SEEN = st.lists(st.floats(-1, 1), min_size=3, max_size=3).filter(lambda row: max(map(abs, row)) > 0.1)
VECTORS = st.lists(SEEN, min_size=1, max_size=12)
SPAN = st.tuples(st.integers(0, 1), st.integers(0, 8), st.integers(0, 4))  # video, from, for


def unit(rows):
    rows = np.array(rows, np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(VECTORS, st.data(), st.floats(-0.5, 0.99))
def test_tracks_that_are_there_at_the_same_time_are_never_one(rows, data, least):
    vectors = unit(rows)
    spans = data.draw(st.lists(SPAN, min_size=len(vectors), max_size=len(vectors)))
    stays = [{video: [(begin, begin + length)]} for video, begin, length in spans]
    labels = clustered(vectors, neighbours(vectors, least), lambda row: stays[row], least)
    for one, (video, begin, length) in enumerate(spans):
        for other, (video_there, begin_there, length_there) in enumerate(spans[:one]):
            at_once = begin <= begin_there + length_there and begin_there <= begin + length
            if video == video_there and at_once:
                assert labels[one] != labels[other]


@given(VECTORS, st.floats(-0.5, 0.99))
def test_what_is_left_apart_is_not_alike_enough_and_a_cluster_is_called_by_its_first(rows, least):
    vectors = unit(rows)
    labels = clustered(vectors, neighbours(vectors, least), lambda row: {row: [(0.0, 1.0)]}, least)
    similarity = vectors @ vectors.T
    for one in set(labels.tolist()):
        members = np.flatnonzero(labels == one)
        assert members[0] == one
        for other in set(labels.tolist()) - {one}:
            assert similarity[np.ix_(members, np.flatnonzero(labels == other))].mean() < least + 1e-5


def names_of(entries, found):
    """Sets of (source, id) that are one identity."""
    rows = [(entries.videos[row["video"]][0], int(row["id"])) for row in entries.rows]
    return {frozenset(rows[row] for row in np.flatnonzero(found == identity)) for identity in found}


PEOPLE = [("a", [1, 2, 3]), ("b", [2, 4]), ("c", [3, 1, 5, 6]), ("d", []), ("e", [7, 2])]


@settings(max_examples=15)
@given(st.permutations(range(len(PEOPLE))))
def test_the_order_of_the_videos_does_not_matter(order):
    def found(videos):
        entries = Entries(videos)
        return names_of(entries, identified(entries)[0])

    videos = [video_of(*part) for part in PEOPLE]
    assert found([videos[i] for i in order]) == found(videos)


def test_the_same_people_in_several_videos_are_the_same_identities():
    entries = Entries(video_of(*part) for part in PEOPLE)
    found, similarity, odds = identified(entries)
    people = [person for _, those in PEOPLE for person in those]
    assert len(set(zip(found.tolist(), people, strict=True))) == len(set(people)) == len(set(found.tolist()))
    alone = np.array([people.count(person) == 1 for person in people])
    assert (np.isnan(similarity) == alone).all()
    assert (np.isnan(odds) == alone).all()
    assert (similarity[~alone] > 0.7).all()
    assert found.tolist() == [1, 2, 3, 2, 4, 3, 1, 5, 6, 7, 2], "numbered as they come"


def test_somebody_who_went_away_and_came_back_may_be_one_with_who_was_there_between_but_not_at_the_time():
    went = video_of("a", [1, 1], [(0, 10), (30, 40)])
    entries = Entries([went])
    assert set(identified(entries)[0]) == {1}
    away = replace(went, stays=np.array([[0, 0, 10], [0, 50, 60], [1, 30, 40]], float))
    assert set(identified(Entries([away]))[0]) == {1}
    there = replace(went, stays=np.array([[0, 0, 35], [1, 30, 40]], float))
    assert set(identified(Entries([there]))[0]) == {1, 2}


@pytest.mark.parametrize("other", [{"name": "dog"}, {"weights": "another"}])
def test_of_another_class_or_by_another_network_is_another_identity(other):
    entries = Entries([video_of("a", [1]), video_of("b", [1], **other)])
    assert identified(entries)[0].tolist() == [1, 2]


def test_networks_may_make_embeddings_of_other_lengths():
    one, other = video_of("a", [1, 2]), video_of("b", [1, 2], weights="another")
    other = replace(other, embeddings=other.embeddings[:, :48])
    entries = Entries([one, other, video_of("c", [2])])
    assert identified(entries)[0].tolist() == [1, 2, 3, 4, 2]
    (alone,) = {identified(Entries([video_of("a", [1, 2]), video_of("c", [2])]))[1][-1]}
    assert identified(entries)[1][-1] == alone, "no product is another"


def test_embeddings_that_tell_nothing_apart_make_nothing_one():
    """Fish of one kind: one is as similar to another as to itself."""
    rng, fish = np.random.default_rng(0), []
    for number in range(6):
        video = video_of(f"{number}", list(range(8)))
        alike = np.eye(video.embeddings.shape[1])[0] + 0.02 * rng.normal(size=video.embeddings.shape)
        embeddings = alike / np.linalg.norm(alike, axis=1, keepdims=True)
        fish.append(replace(video, embeddings=embeddings.astype(np.float16)))
    entries = Entries(fish)
    assert entries.likeness[0].least(len(entries.rows)) == math.inf
    assert len(set(identified(entries)[0])) == 48


def test_more_tracks_have_to_be_more_alike():
    likeness = Likeness(load_notes().calibration)
    assert likeness.least(10) < likeness.least(1000) < likeness.least(100_000)
    assert likeness.odds(np.float32([likeness.least(100)])) == pytest.approx(0.5 * math.log(100), abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 9), st.integers(0, 4)), max_size=12))
def test_meetings_are_the_pairs_of_tracks_whose_stays_overlap(stays):
    there = np.array([(row, begin, begin + length) for row, begin, length in stays], float).reshape(-1, 3)
    video = replace(video_of("a", range(6)), stays=there)
    expected = {
        tuple(sorted((one, other)))
        for one, begin, length in stays
        for other, begin_there, length_there in stays
        if one != other and begin <= begin_there + length_there and begin_there <= begin + length
    }
    assert set(map(tuple, meetings(video).tolist())) == expected


def test_of_too_many_tracks_those_seen_worst_are_left_out_whatever_the_order_of_videos():
    every = [video_of(source, people) for source, people in PEOPLE]
    quality = [np.linspace(0.1, 0.9, len(video.quality), dtype=np.float32) / (1 + n) for n, video in enumerate(every)]
    videos = [replace(video, quality=those) for video, those in zip(every, quality, strict=True)]
    few = Entries(videos, most=4)
    again = Entries(videos[::-1], most=4)
    assert few.left_out == again.left_out == 7
    assert names_of(few, np.arange(4)) == names_of(again, np.arange(4))
    best = [("a", 2), ("a", 3), ("b", 2), ("c", 4)]
    assert names_of(few, np.arange(4)) == {frozenset({track}) for track in best}
    assert [few.stays(row) for row in range(4)] == [{0: [(0, 10)]}] * 2 + [{1: [(0, 10)]}, {2: [(0, 10)]}]
