"""What a frame's decision says of a track, in numbers: each pair's terms, its outcome and who its rival was."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tracker.jobs
from tracker import Detections, Tracker
from tracker.datasets.mot import results
from tracker.errors import UsageError
from tracker.jobs.analysis import Outcome, analysis, compared, observed
from tracker.jobs.explain import told
from tracker.jobs.replay import Repetition
from tracker.jobs.sequences import Given

FPS = 20
LINK_S = 3.0


def box(x, y=100.0, width=40.0, height=100.0):
    return [x, y, x + width, y + height]


def look(identity, rng):
    """A feature of this identity: embeddings of one have cosine .75, those of two about 0 (generated)."""
    other = rng.normal(size=512)
    return np.sqrt(0.75) * np.eye(1, 512, identity)[0] + 0.5 * other / np.linalg.norm(other)


@pytest.fixture
def repeat(tmp_path):
    """What is observed, in a frame, of a run over these detections, a frame each."""

    def make(detections, frame, picture=None):
        given = [Given(i + 1, i / FPS, picture, found, None) for i, found in enumerate(detections)]
        first = Tracker()
        lines = [first.update(picture, now.detections, None, now.time_s).confirmed.to_mot(now.number) for now in given]
        file = tmp_path / "tracks.txt"
        file.write_text("".join(lines))
        again = Repetition(Tracker(), lambda: (now for now in given), file, 0.0, "")
        return observed(again, results(file), frame)

    return make


def walk(frames, *starts, speed=2.0, scores=None, features=None):
    return [Detections([box(x + speed * i) for x in starts], scores, features=features) for i in range(frames)]


def test_the_numbers_are_those_that_the_decision_was_made_of(repeat):
    rng = np.random.default_rng(0)
    embeddings = [look(0, rng), look(1, rng)]
    there = repeat(walk(12, 100, 125, features=embeddings), 10)
    said = there.decision
    assert there.same and len(said.ids) == 2 and np.abs(said.appearance).min() > 0.1
    assert np.array_equal(said.overlap * said.height * said.same_class + said.appearance, said.similarity)
    for pair in compared(there, range(2), range(2)):
        row, column = said.ids.tolist().index(pair.terms.track), pair.terms.detection - 1
        reported = (
            pair.terms.grown_iou,
            pair.terms.vertical,
            pair.terms.same_class,
            pair.terms.look,
            pair.terms.similarity,
        )
        terms = said.overlap, said.height, said.same_class, said.appearance, said.similarity
        assert reported == tuple(term[row, column] for term in terms)


def test_who_took_what_is_told_from_both_sides(repeat):
    of = analysis(repeat(walk(12, 100, 110, scores=[0.9, 0.8]), 10), 1, LINK_S)
    own, other = of.pairs
    assert (own.outcome, own.rival, own.claimed, own.began) == (Outcome.MATCHED, None, True, None)
    assert (other.outcome, other.rival, other.claimed) == (Outcome.TAKEN, 2, True)
    assert other.rival_similarity > other.terms.similarity > other.terms.gate
    assert (of.state, of.place.last_seen, of.name, of.detection) == ("confirmed", 9, 1, None)
    assert of.place.unseen_s == pytest.approx(1 / FPS)


def test_a_track_that_was_served_says_by_which_detection(repeat):
    frames = walk(12, 100)
    frames[9] = Detections([box(118), box(126)], [0.9, 0.8])
    own, second = analysis(repeat(frames, 10), 1, LINK_S).pairs
    assert own.outcome == Outcome.MATCHED and own.terms.detection == 1
    assert (second.outcome, second.rival, second.claimed) == (Outcome.SERVED, 1, False)
    assert second.rival_similarity == own.terms.similarity


def test_a_detection_that_no_track_took_says_which_it_began(repeat):
    frames = walk(6, 100) + walk(10, 300)
    there = repeat(frames, 7)
    old, new = analysis(there, 1, LINK_S), analysis(there, 2, LINK_S)
    (pair,) = old.pairs
    assert (pair.outcome, pair.claimed, pair.began) == (Outcome.BELOW_GATE, False, 2)
    assert (new.state, new.detection, new.place.predicted) == ("new", 1, None)
    assert [p.terms.track for p in new.pairs] == [1]


def test_a_lost_track_and_a_weak_detection_have_no_stage(repeat):
    frames = [*walk(10, 100), Detections.empty(), Detections([box(122)], [0.15]), Detections.empty()]
    (pair,) = analysis(repeat(frames, 12), 1, LINK_S).pairs
    assert (pair.outcome, pair.lost, pair.terms.stage, pair.terms.gate) == (Outcome.NO_STAGE, True, None, None)


def test_detections_are_counted_from_the_surest_whatever_the_order_they_came_in(repeat):
    frames = walk(12, 300, 100, scores=[0.7, 0.9])
    there = repeat(frames, 10)
    assert there.owners() == {0: 1, 1: 2}  # ids go by score, too
    assert there.decision.given.tolist() == [1, 0]


def test_an_identity_that_came_back_is_told_by_the_id_of_the_file(repeat):
    rng = np.random.default_rng(0)
    away = [Detections.empty()] * 100
    frames = [Detections([box(0)], features=[look(0, rng)]) for _ in range(20)] + away
    frames += [Detections([box(400)], features=[look(0, rng)]) for _ in range(20)]
    there = repeat(frames, 60)
    assert analysis(there, 1, LINK_S).state == "departed" and there.remembered == {1}
    assert analysis(replace(there, remembered=frozenset()), 1, LINK_S).state == "absent"
    back = next(n for n in range(121, 141) if 1 in repeat(frames, n).tracks.ids)
    (found,) = analysis(repeat(frames, back), 1, LINK_S).returns
    assert found.absent == 1 and found.odds > 1


def test_a_track_whose_object_turns_out_to_be_another_says_so_from_both_sides(repeat):
    one, other = np.eye(2, 512, dtype=np.float32)
    frames = [Detections([box(300)], features=[one if i < 50 else other]) for i in range(70)]
    picture = np.zeros((480, 640, 3), np.uint8)
    parted = int(min(row[0] for row in repeat(frames, 60, picture).table if row[1] == 2))
    there = repeat(frames, parted, picture)
    old, new = (told(analysis(there, number, LINK_S), 0.5, "").answer for number in (1, 2))
    assert old.endswith("; its appearance contradicts the track's, so it is track 2 by now.")
    assert new.startswith("Track 2 goes on with detection 1, which was matched to track 1: ")
    before = told(analysis(repeat(frames, parted - 1, picture), 1, LINK_S), 0.5, "").answer
    assert "was matched to detection 1" in before and "contradicts" not in before


def test_a_frame_that_the_run_does_not_have_says_so(repeat):
    with pytest.raises(UsageError, match=r"frame 9 is not in .*; it has frames 1 to 5"):
        repeat(walk(5, 100), 9)


@pytest.mark.parametrize("module", ["replay", "analysis", "explain", "sequence_cache"])
def test_nothing_private_of_a_tracker_is_used(module):
    """No `something._name` but of its own, and no tracker of another kind."""
    tree = ast.parse((Path(tracker.jobs.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))
    private = [n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute) and n.attr.startswith("_")]
    bases = [ast.unparse(base) for n in ast.walk(tree) if isinstance(n, ast.ClassDef) for base in n.bases]
    assert private == [] and "Tracker" not in bases
