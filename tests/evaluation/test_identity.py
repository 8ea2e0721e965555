"""Purity, completeness and the time under a wrong id are what they are said to be, on made tracks and by law."""

from collections import Counter
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.evaluation.identity import Identities
from tracker.evaluation.matching import MatchTable, match
from tracker.evaluation.mistakes import find_mistakes

FPS = 10.0


def made(*objects: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Ground truth and results of objects far apart that stand still, each {frame: track}; made, not recorded."""
    places = [(f, i, 300 * i, 20, 30, 60, k) for i, ids in enumerate(objects, 1) for f, k in ids.items()]
    truth = np.array([[f, i, x, y, w, h, 1, 1, 1] for f, i, x, y, w, h, _ in places], float)
    result = np.array([[f, k, x, y, w, h, 1] for f, _, x, y, w, h, k in places], float)
    return tuple(table[np.lexsort((table[:, 1], table[:, 0]))] for table in (truth, result))


def frames(first: int, last: int, track: int) -> dict[int, int]:
    return dict.fromkeys(range(first, last + 1), track)


def scores(*objects: dict[int, int]) -> list[float]:
    return list(Identities.of(match(*made(*objects)), FPS).scores().values())


@pytest.mark.parametrize(
    ("case", "objects", "expected"),
    [
        ("followed throughout", [frames(1, 20, 7)], [100, 100, 0, 0, 0]),
        ("split between two tracks", [frames(1, 15, 7) | frames(16, 20, 8)], [100, 75, 25, 5, 0.5]),
        ("two objects one after the other", [frames(1, 15, 7), frames(16, 20, 7)], [75, 100, 0, 0, 0]),
        (
            "swapped for three frames",
            [frames(1, 20, 7) | frames(9, 11, 8), frames(1, 20, 8) | frames(9, 11, 7)],
            [85, 85, 15, 3, 0.3],
        ),
        ("back by way of a third", [frames(1, 20, 7) | frames(5, 6, 8) | frames(7, 8, 9)], [100, 80, 20, 4, 0.4]),
        ("under another's id at first", [frames(1, 2, 9) | frames(3, 20, 7)], [100, 90, 10, 2, 0.2]),
        ("two stretches", [frames(1, 20, 7) | frames(4, 4, 8) | frames(10, 14, 9)], [100, 70, 30, 3, 0.3]),
        ("equally often: the first is its own", [frames(1, 5, 8) | frames(6, 10, 7)], [100, 50, 50, 5, 0.5]),
    ],
)  # fmt: skip
def test_of_made_tracks_all_is_known(case: str, objects: list[dict[int, int]], expected: list[float]) -> None:
    assert scores(*objects) == pytest.approx(expected), case


def test_through_a_gap_an_object_keeps_the_id_it_was_last_seen_under() -> None:
    seen = frames(1, 10, 7) | frames(14, 15, 8) | frames(18, 20, 7)  # not matched in 11 to 13, 16 and 17
    purity, completeness, share, lasts, _ = scores(seen)
    assert lasts == 4 and share == pytest.approx(100 * 4 / 20)  # 14 to 17, of 20
    assert purity == 100 and completeness == pytest.approx(100 * 13 / 15)


def test_missed_objects_and_false_alarms_change_nothing() -> None:
    truth, result = made(frames(1, 20, 7) | frames(9, 11, 8))
    missed = truth + np.array([0, 9, 5000, 0, 0, 0, 0, 0, 0])
    false = result + np.array([0, 90, 9000, 0, 0, 0, 0])
    more = (np.concatenate([truth, missed]), np.concatenate([result, false]))
    more = tuple(table[np.lexsort((table[:, 1], table[:, 0]))] for table in more)
    assert Identities.of(match(*more), FPS).scores() == Identities.of(match(truth, result), FPS).scores()


def test_nothing_matched_scores_0() -> None:
    truth, result = made(frames(1, 5, 7))
    nothing = Identities.of(match(truth, result[:0]), FPS)
    assert set(nothing.scores().values()) == {0.0}
    assert set(Identities.together([nothing, nothing]).scores().values()) == {0.0}


def test_sequences_together_count_by_their_matches() -> None:
    one = Identities.of(match(*made(frames(1, 30, 7) | frames(4, 4, 8))), 30.0)
    other = Identities.of(match(*made(frames(1, 10, 7) | frames(4, 6, 8))), 10.0)
    together = Identities.together([one, other]).scores()
    assert together["Completeness"] == pytest.approx(100 * 36 / 40)
    assert together["WrongID"] == pytest.approx(100 * 4 / 40)
    assert together["WrongID_frames"] == 2 and together["WrongID_s"] == pytest.approx((1 / 30 + 3 / 10) / 2)


def test_each_switch_says_how_long_the_wrong_id_stays() -> None:
    switches = find_mistakes(*made(frames(1, 20, 7) | frames(5, 6, 8) | frames(7, 8, 9) | frames(20, 20, 8)))
    told = [(m.after, m.id_after, m.wrong_frames) for m in switches]
    assert told == [(5, 8, 4), (7, 9, 2), (9, 7, 0), (20, 8, 1)]


LIVES = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=25), min_size=1, max_size=5)
"""Of each object the track in each frame; 0: not matched there."""


def matches(lives: list[list[int]]) -> MatchTable:
    rows = [(i, f, k, f) for i, life in enumerate(lives) for f, k in enumerate(life, 1) if k]
    return MatchTable(*np.array(rows, np.int64).reshape(-1, 4).T)


@given(LIVES)
def test_they_are_what_counting_one_by_one_gives(lives: list[list[int]]) -> None:
    found = matches(lives)
    expected = Identities.of(found, FPS)
    assert expected.pure == sum(
        max(Counter(found.objects[found.tracks == k].tolist()).values()) for k in set(found.tracks.tolist())
    )
    own, life, wrong = 0, 0, []
    for tracks in lives:
        seen = [k for k in tracks if k]
        if not seen:
            continue
        mine = max(seen, key=lambda k: (seen.count(k), -seen.index(k)))
        own += seen.count(mine)
        shown, now = [], 0
        for k in np.trim_zeros(tracks):
            now = k or now
            shown.append(now != mine)
        life += len(shown)
        wrong += [len(list(run)) for other, run in groupby(shown) if other]
    assert (expected.own, expected.life, expected.wrong.tolist()) == (own, life, wrong)


@given(LIVES)
def test_shares_lie_between_none_and_all(lives: list[list[int]]) -> None:
    values = Identities.of(matches(lives), FPS).scores()
    assert all(0 <= values[name] <= 100 for name in ("Purity", "Completeness", "WrongID"))
    assert (values["Completeness"] == 100) == (values["WrongID"] == 0) or not any(map(any, lives))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6))
def test_pure_where_no_track_has_two_objects_and_complete_where_no_object_has_two_tracks(lengths: list[int]) -> None:
    alone = [[i] * length for i, length in enumerate(lengths, 1)]
    assert list(Identities.of(matches(alone), FPS).scores().values()) == [100, 100, 0, 0, 0]
    split = [[2 * i] * length + [2 * i + 1] for i, length in enumerate(lengths, 1)]
    assert Identities.of(matches(split), FPS).scores()["Purity"] == 100
    shared = [[1] * length for length in lengths]
    assert Identities.of(matches(shared), FPS).scores()["Completeness"] == 100


@given(st.integers(1, 40), st.integers(0, 39))
def test_ids_swapped_for_k_frames_are_wrong_for_k_frames(k: int, start: int) -> None:
    """Of 100 frames; both objects have their id before and after."""
    other = {1: 2, 2: 1}
    lives = [[other[i] if start < f <= start + k else i for f in range(100)] for i in (1, 2)]
    found = Identities.of(matches(lives), FPS)
    assert found.wrong.tolist() == [k, k] and found.scores()["WrongID_s"] == pytest.approx(k / FPS)
    assert found.scores()["WrongID"] == pytest.approx(k)


@given(LIVES, st.permutations(range(1, 5)))
def test_the_names_of_tracks_and_objects_do_not_matter(lives: list[list[int]], names: list[int]) -> None:
    renamed = [[k and names[k - 1] for k in life] for life in reversed(lives)]
    assert Identities.of(matches(renamed), FPS).scores() == Identities.of(matches(lives), FPS).scores()
