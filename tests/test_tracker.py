"""Stories over frames: what a user of `Tracker.update` sees, told one frame after the other."""

import shutil
import time
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker import Config, Detections, Gallery, Status, Tracker
from tracker.boxes import iou
from tracker.errors import ConfigError, InputError, SourceError
from tracker.motion.weights import EMBEDDED
from tracker.smoothing.fixed_lag import FixedLagSmoother

FPS = 20


def box(x, y=100.0, width=40.0, height=100.0):
    return [x, y, x + width, y + height]


def run(tracker, frames, start=0):
    """Feed lists of boxes (or Detections), a frame each; return what is reported."""
    return [
        tracker.update(None, f if isinstance(f, Detections) else Detections(f), time_s=(start + i) / FPS)
        for i, f in enumerate(frames)
    ]


def walk(steps, x=0.0, speed=4.0, **kw):
    return [[box(x + speed * i, **kw)] for i in range(steps)]


def test_a_track_is_tentative_then_confirmed_and_keeps_its_id():
    reported = run(Tracker(), [Detections(b, [0.7]) for b in walk(25)])
    assert [t.ids.tolist() for t in reported] == [[1]] * 25
    assert reported[0].status.tolist() == [Status.TENTATIVE]
    assert reported[-1].status.tolist() == [Status.CONFIRMED]
    np.testing.assert_allclose(reported[-1].xyxy[0], box(96), atol=1.0)


def test_one_flicker_is_never_confirmed():
    reported = run(Tracker(), [Detections([box(0)], [0.7]), [], []])
    assert reported[0].status.tolist() == [Status.TENTATIVE]
    assert [len(t) for t in reported[1:]] == [0, 0]


@pytest.mark.parametrize(("score", "confirmed_s"), [(0.95, 0), (0.66, 0.95), (0.57, 1.55)])
def test_the_less_sure_the_detections_the_longer_it_takes_to_confirm_a_track(score, confirmed_s):
    """0.8 is asked for at birth, where it is enough; 0.5 after two seconds, and in proportion between."""
    tracker = Tracker(Config().override({"association": {"stretch_scores": False}}))
    reported = run(tracker, [Detections(b, [score]) for b in walk(45)])
    status = np.array([t.status[0] for t in reported])
    assert np.flatnonzero(status == Status.CONFIRMED)[0] == round(confirmed_s * FPS)
    assert (status[: round(confirmed_s * FPS)] == Status.TENTATIVE).all()


def confirmed_frames(reported, number):
    return [i for i, t in enumerate(reported) if number in t.ids[t.status == Status.CONFIRMED]]


@pytest.mark.parametrize("frames", [3, 8])
def test_a_second_box_of_one_object_is_no_second_object(frames):
    """The upper half of a person has been tracked; then all of it is seen as well, and more surely, for a moment."""
    half, whole = walk(10 + frames, height=60.0), walk(30 + frames)
    both = [Detections([*a, *b], [0.6, 0.9]) for a, b in zip(half[10:], whole[10:], strict=False)]
    reported = run(Tracker(), [*half[:10], *both, *whole[10 + frames :]])
    assert set(np.concatenate([t.confirmed.ids for t in reported])) == {1}
    assert len(reported[-1]) == 1


def test_who_comes_out_from_behind_another_is_confirmed_when_they_part():
    stands, leaves = box(100), [box(108 + 4 * i) for i in range(12)]
    reported = run(Tracker(), [[stands]] * 10 + [Detections([stands, b], [0.7, 0.9]) for b in leaves])
    apart = (iou(np.array([stands]), np.array(leaves))[0] <= 0.5).tolist().index(True)
    assert confirmed_frames(reported, 2)[0] == 10 + apart


@pytest.mark.parametrize(("score", "after"), [(0.7, FPS // 2), (0.9, 0)], ids=["seen less surely", "seen as surely"])
def test_two_who_stay_side_by_side_are_two(score, after):
    reported = run(Tracker(), [[box(100)]] * 10 + [Detections([box(100), box(112)], [score, 0.9])] * 20)
    assert confirmed_frames(reported, 2)[0] == 10 + after


def test_boxes_of_two_classes_are_no_doubles():
    rider = Detections([box(100), box(110)], [0.8, 0.9], classes=[0, 1])
    reported = run(Tracker(), [[box(100)]] * 10 + [rider] * 3)
    assert confirmed_frames(reported, 2) == [10, 11, 12]


def scene(confidences, xyxy):
    """A picture, filled to `xyxy` by something found with these scores."""
    tracker, frame = Tracker(Config().override({"appearance": {"enabled": False}})), np.zeros((240, 320, 3), np.uint8)
    return [
        tracker.update(frame, Detections([xyxy], [c], [6]), time_s=i / FPS).status.tolist() == [Status.CONFIRMED]
        for i, c in enumerate(confidences)
    ]


def test_a_scene_that_is_taken_for_an_object_is_not_confirmed():
    """A street that is a train to the detector, sure for a second."""
    scores = np.tile([*[0.8] * FPS, *[0.6] * FPS], 4)
    assert not any(scene(scores, [3, 2, 318, 238]))
    assert any(scene(scores, [3, 2, 150, 238])), "half of the picture may be an object"


def test_a_train_that_fills_the_picture_is_confirmed():
    assert np.flatnonzero(scene([0.9] * 3 * FPS, [3, 2, 318, 238]))[0] < 2 * FPS
    wide = [[10, 60, 40 + 10 * i, 200] for i in range(28)] + [[0, 0, 320, 240]] * 10
    tracker, frame = Tracker(Config().override({"appearance": {"enabled": False}})), np.zeros((240, 320, 3), np.uint8)
    reported = [tracker.update(frame, Detections([b], [0.85]), time_s=i / FPS) for i, b in enumerate(wide)]
    assert all(t.confirmed.ids.tolist() == [1] for t in reported[1:]), "it came nearer"


def test_a_short_loss_keeps_the_id_and_a_long_one_ends_it():
    tracker = Tracker(Config().override({"bank": {"lost_s": 1.0}, "appearance": {"enabled": False}}))
    run(tracker, walk(10))
    run(tracker, [[]] * 10, start=10)
    assert run(tracker, walk(1, x=80), start=20)[0].ids.tolist() == [1]
    run(tracker, [[]] * 30, start=21)
    assert run(tracker, walk(2, x=80), start=51)[1].ids.tolist() == [2]


def test_empty_frames_give_empty_arrays():
    for tracks in run(Tracker(), [[], [], []]):
        assert (tracks.ids.shape, tracks.xyxy.shape, tracks.forecast(3).xyxy.shape) == ((0,), (0, 4), (0, 3, 4))


def test_an_occluded_track_is_predicted_while_another_object_is_in_front_of_it():
    tracker = Tracker(Config().override({"bank": {"coast_s": 0.5}}))
    front = box(100, width=80, height=140)
    behind = [box(20 + 4 * i) for i in range(20)]
    walker = run(tracker, [[front, b] for b in behind])[-1]
    occluded = run(tracker, [[front]], start=20)[0]
    row = occluded.status == Status.PREDICTED
    assert occluded.ids[row].tolist() == walker.ids[walker.detection_index == 1].tolist()
    assert occluded.detection_index[row].tolist() == [-1]
    assert occluded.raw_classes[row].tolist() == [-1]
    assert abs(occluded.xyxy[row][0, 0] - 100) < 8
    assert len(run(tracker, [[front]] * 20, start=21)[-1]) == 1


CORNERS = [box(-200, y=0), box(900, y=300)]  # who shows how far the picture reaches


@pytest.mark.parametrize(
    ("frames", "x", "score", "kept"),
    [
        pytest.param(40, 0, 0.9, True, id="well known, in the picture"),
        pytest.param(12, 0, 0.9, False, id="seen for half a second: it may have been a false alarm"),
        pytest.param(40, 745, 0.9, False, id="walks out of the picture"),
        pytest.param(40, 0, 0.3, False, id="was going under: last seen hardly surely"),
    ],
)
def test_who_is_missed_for_a_moment_keeps_its_box_where_it_is_hardly_gone(frames, x, score, kept):
    tracker = Tracker(Config().override({"association": {"stretch_scores": False}}))
    way = [step for (step,) in walk(frames, x=x)]
    last = score if score < 0.5 else 0.9
    run(tracker, [Detections([*CORNERS, b], [0.9, 0.9, last if b is way[-1] else 0.9]) for b in way])
    missed = run(tracker, [CORNERS], start=frames)[0]
    row = missed.status == Status.PREDICTED
    assert row.sum() == kept
    if kept:
        np.testing.assert_allclose(missed.xyxy[row][0], box(x + 4 * frames), atol=4)
        assert missed.detection_index[row].tolist() == [-1]
    later = run(tracker, [CORNERS] * 8, start=frames + 1)[-1]
    assert not (later.status == Status.PREDICTED).any(), "not for longer than `coast_s`"


def test_the_class_is_voted_and_a_flip_does_not_split_the_track():
    tracker = Tracker()
    frames = [Detections(b, [0.9], [2]) for b in walk(8)]
    frames[4] = Detections(walk(5)[4], [0.6], [7])
    reported = run(tracker, frames)
    assert [t.ids.tolist() for t in reported] == [[1]] * 8
    assert reported[4].classes.tolist() == [2] and reported[4].raw_classes.tolist() == [7]


def test_detection_index_names_the_callers_row():
    tracker = Tracker()
    far, near = box(500), box(100)
    run(tracker, [[far, near]])
    tracks = run(tracker, [[near, far]], start=1)[0]
    for row, index in enumerate(tracks.detection_index):
        np.testing.assert_allclose(tracks.xyxy[row], [near, far][index], atol=1.0)


def test_two_trackers_do_not_share_ids():
    one, other = Tracker(), Tracker()
    run(one, walk(5))
    assert run(other, walk(5))[-1].ids.tolist() == [1]


def test_reset_starts_afresh():
    tracker = Tracker()
    first = run(tracker, walk(5))
    tracker.reset()
    again = run(tracker, walk(5))
    assert [t.ids.tolist() for t in again] == [t.ids.tolist() for t in first]


def test_reset_reads_no_weights_again(tmp_path):
    weights = tmp_path / "motion.safetensors"
    shutil.copy(EMBEDDED, weights)
    tracker = Tracker(Config().override({"motion": {"model": str(weights)}}))
    weights.unlink()
    tracker.reset()
    assert run(tracker, walk(5))[-1].ids.tolist() == [1]


def test_camera_motion_moves_the_tracks_with_the_picture():
    tracker = Tracker(Config().override({"association": {"spread": 0.0}}))
    run(tracker, [[box(300)]] * 10)
    pan = [[1, 0, 200], [0, 1, 0]]
    moved = tracker.update(None, Detections([box(500)]), camera_motion=pan, time_s=10 / FPS)
    assert moved.ids.tolist() == [1]


def test_real_time_steps_are_used_not_frame_counts():
    tracker = Tracker()
    for i in range(20):
        tracker.update(None, Detections([box(10 * i)]), time_s=i / 10)
    tracks = tracker.update(None, Detections([box(200)]), time_s=2.0)
    ahead = tracks.forecast(10, step_s=0.1)
    assert 240 < ahead.xyxy[0, -1, 0] < 320  # at 100 px/s; counting frames it would be 30 times slower or faster
    assert ahead.xyxy.shape == ahead.std.shape == (1, 10, 4)
    assert (np.diff(ahead.std[0, :, 0]) > 0).all()


def test_a_forecast_does_not_change_when_the_tracker_goes_on():
    tracker = Tracker()
    tracks = run(tracker, walk(10))[-1]
    before = tracks.forecast(5).xyxy.copy()
    run(tracker, walk(10, x=40, speed=-8), start=10)
    np.testing.assert_array_equal(tracks.forecast(5).xyxy, before)


def embedding(identity, rng, alike=0.75):
    """A feature of this identity: looks of one have cosine `alike`, those of two about 0 (generated)."""
    own = np.eye(1, 512, identity)[0]
    other = rng.normal(size=512)
    other /= np.linalg.norm(other)
    return np.sqrt(alike) * own + np.sqrt(1 - alike) * other


def people(places, rng):
    """Detections of identities at x positions, with their embeddings."""
    return Detections([box(x) for x in places.values()], features=[embedding(i, rng) for i in places])


def test_who_comes_back_elsewhere_gets_the_old_id_and_a_stranger_does_not():
    rng, tracker = np.random.default_rng(0), Tracker()
    first = run(tracker, [people({0: 0, 1: 200, 2: 400}, rng)] * 20)[-1]
    run(tracker, [Detections.empty()] * 100, start=20)
    stranger = run(tracker, [people({7: 200}, rng) for _ in range(20)], start=120)[-1]
    assert set(stranger.ids.tolist()).isdisjoint(first.ids.tolist())
    run(tracker, [Detections.empty()] * 100, start=140)
    back = run(tracker, [people({2: 0, 0: 200, 1: 400}, rng) for _ in range(20)], start=240)[-1]
    old = dict(zip(first.detection_index.tolist(), first.ids.tolist(), strict=True))
    new = dict(zip(back.detection_index.tolist(), back.ids.tolist(), strict=True))
    assert [new[0], new[1], new[2]] == [old[2], old[0], old[1]]


@pytest.mark.parametrize(("x", "is_taken_up"), [(120, True), (1500, False)], ids=["within reach", "out of reach"])
def test_a_lost_track_does_not_turn_up_where_it_could_not_have_got(x, is_taken_up):
    rng, tracker = np.random.default_rng(0), Tracker()
    first = run(tracker, [people({0: 4 * k}, rng) for k in range(20)])[-1]
    run(tracker, [Detections.empty()] * 6, start=20)
    alike = np.sqrt(0.5) * np.eye(1, 512, 0) + np.sqrt(0.5) * np.eye(1, 512, 5)
    back = run(tracker, [Detections([box(x)], features=alike)] * 10, start=26)[-1]
    assert (back.ids.tolist() == first.ids.tolist()) is is_taken_up


def test_twelve_leave_and_are_reidentified_among_strangers():
    """Embeddings of one have cosine .75, those of two about 0: nearly all are known again, no stranger is."""
    kept = wrong = 0
    for seed in range(4):
        rng, tracker = np.random.default_rng(seed), Tracker()
        places = 80 * np.arange(12)
        first = run(tracker, [people(dict(enumerate(places)), rng) for _ in range(20)])[-1]
        known = dict(zip(first.detection_index.tolist(), first.ids.tolist(), strict=True))
        for i in range(12):
            run(tracker, [Detections.empty()] * 40, start=20 + 155 * i)
            passing = run(tracker, [people({100 + i: 4 * k}, rng) for k in range(30)], start=60 + 155 * i)[-1]
            wrong += len(np.intersect1d(passing.ids, first.ids))
        run(tracker, [Detections.empty()] * 40, start=1840)
        order = rng.permutation(12)
        back = run(tracker, [people({i: places[k] for k, i in enumerate(order)}, rng) for _ in range(9)], start=1880)[
            -1
        ]
        now = dict(zip(back.detection_index.tolist(), back.ids.tolist(), strict=True))
        kept += sum(now[k] == known[i] for k, i in enumerate(order))
        wrong += sum(now[k] != known[i] and now[k] in known.values() for k, i in enumerate(order))
    assert kept >= 0.9 * 48 and wrong == 0


def test_trackers_with_one_gallery_know_who_left_the_other_camera():
    rng, gallery = np.random.default_rng(0), Gallery()
    door, hall = Tracker(gallery=gallery), Tracker(gallery=gallery)
    at_the_door = run(door, [people({0: 0, 1: 200}, rng)] * 20)[-1]
    in_the_hall = run(hall, [people({7: 0}, rng)] * 20)[-1]
    assert set(at_the_door.ids.tolist()).isdisjoint(in_the_hall.ids.tolist())
    run(door, [Detections.empty()], start=20)
    entered = run(hall, [people({7: 0, 1: 300}, rng) for _ in range(20)], start=20)[-1]
    assert entered.ids[entered.detection_index == 0].tolist() == in_the_hall.ids.tolist()
    assert (
        entered.ids[entered.detection_index == 1].tolist() == at_the_door.ids[at_the_door.detection_index == 1].tolist()
    )


def test_missing_features_are_neutral():
    plain, with_rows_of_nothing = Tracker(), Tracker()
    nothing = [Detections(f, features=np.full((len(f), 512), np.nan)) for f in walk(10)]
    for a, b in zip(run(plain, walk(10)), run(with_rows_of_nothing, nothing), strict=True):
        assert a.ids.tolist() == b.ids.tolist() and a.xyxy.tobytes() == b.xyxy.tobytes()


@st.composite
def crowds(draw):
    """A few frames of a few boxes that move and flicker; no two boxes are equal."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    people, steps = draw(st.integers(1, 6)), draw(st.integers(2, 8))
    start, velocity = rng.uniform(0, 400, (people, 2)), rng.normal(0, 8, (people, 2))
    frames = []
    for i in range(steps):
        seen = rng.random(people) < 0.8
        corner = start + i * velocity + rng.normal(0, 2, (people, 2))
        frames.append((np.c_[corner, corner + [40, 90]][seen], rng.uniform(0.1, 1, people)[seen]))
    return frames, rng


@settings(max_examples=40)
@given(crowds())
def test_permuting_detections_permutes_the_output(crowd):
    frames, rng = crowd
    plain, shuffled = Tracker(), Tracker()
    for i, (boxes, scores) in enumerate(frames):
        order = rng.permutation(len(boxes))
        a = plain.update(None, Detections(boxes, scores), time_s=i / FPS)
        b = shuffled.update(None, Detections(boxes[order], scores[order]), time_s=i / FPS)
        assert a.ids.tolist() == b.ids.tolist()
        assert a.xyxy.tobytes() == b.xyxy.tobytes()
        seen = a.detection_index >= 0
        assert a.detection_index[seen].tolist() == order[b.detection_index[seen]].tolist()


@settings(max_examples=40)
@given(crowds())
def test_without_features_the_tracks_are_those_without_appearance(crowd):
    frames, _ = crowd
    usual, motion_alone = Tracker(), Tracker(Config().override({"appearance": {"enabled": False}}))
    for i, (boxes, scores) in enumerate(frames):
        a, b = (t.update(None, Detections(boxes, scores), time_s=i / FPS) for t in (usual, motion_alone))
        assert a.ids.tobytes() == b.ids.tobytes() and a.xyxy.tobytes() == b.xyxy.tobytes()


@settings(max_examples=40)
@given(crowds())
def test_ids_are_unique_and_never_reused(crowd):
    frames, _ = crowd
    tracker = Tracker(Config().override({"bank": {"lost_s": 0.05}}))
    alive, ended, newest = set(), set(), 0
    for i, (boxes, scores) in enumerate(frames):
        ids = tracker.update(None, Detections(boxes, scores), time_s=i / FPS).ids.tolist()
        assert len(set(ids)) == len(ids)
        assert all(new > newest for new in set(ids) - alive - ended)
        newest = max([newest, *ids])
        alive, ended = set(ids), ended | alive


@settings(max_examples=20)
@given(crowds(), st.booleans())
def test_to_keep_a_decision_changes_no_track(crowd, embeddings):
    frames, rng = crowd
    usual, kept = Tracker(), Tracker()
    for i, (boxes, scores) in enumerate(frames):
        features = np.abs(rng.normal(size=(len(boxes), 512))) if embeddings and len(boxes) else None
        found = Detections(boxes, scores, features=features)
        kept.keep_decision = True
        a, b = (t.update(None, found, time_s=i / FPS) for t in (usual, kept))
        assert (a.ids.tobytes(), a.xyxy.tobytes(), a.status.tobytes()) == (
            b.ids.tobytes(),
            b.xyxy.tobytes(),
            b.status.tobytes(),
        )
        said = kept.decision
        assert np.array_equal(said.overlap * said.height * said.same_class + said.appearance, said.similarity)
        assert usual.decision is usual.returns is None
    assert all(np.array_equal(x, kept.state_dict()[name], equal_nan=True) for name, x in usual.state_dict().items())


def test_a_decision_is_of_its_frame_and_in_the_order_that_decided():
    tracker = Tracker()
    run(tracker, [[box(500), box(100)]] * 3)
    tracker.keep_decision = True
    seen = Detections([box(900), box(102), box(502)], scores=[0.6, 0.7, 0.9])
    tracks = tracker.update(None, seen, time_s=3 / FPS)
    said = tracker.decision
    assert said.given.tolist() == [2, 1, 0] and said.confidence.shape == (3,) and said.ids.shape == (2,)
    pairs = dict(zip(said.ids[said.matches.tracks].tolist(), said.given[said.matches.detections].tolist(), strict=True))
    matched = tracks.status == Status.CONFIRMED
    assert pairs == dict(zip(tracks.ids[matched].tolist(), tracks.detection_index[matched].tolist(), strict=True))
    tracker.keep_decision = False
    tracker.update(None, seen, time_s=4 / FPS)
    assert tracker.decision is None


def test_who_comes_back_is_told_with_the_odds():
    rng, tracker = np.random.default_rng(0), Tracker()
    first = run(tracker, [people({0: 0}, rng)] * 20)[-1]
    run(tracker, [Detections.empty()] * 100, start=20)
    tracker.keep_decision = True
    reported = {}
    for i in range(120, 140):
        back = run(tracker, [people({0: 400}, rng)], start=i)[-1]
        reported[i] = tracker.returns
        if back.renamed:
            break
        assert reported[i].absent.tolist() == first.ids.tolist() and reported[i].odds.shape == (1, 1)
        assert reported[i].odds[0, 0] < tracker.config.association.reid_odds, "not sure enough yet"
    assert back.renamed == {reported[i].young[0]: first.ids[0]}
    assert reported[i].odds[0, 0] >= tracker.config.association.reid_odds
    tracker.keep_decision = False
    run(tracker, [people({0: 400, 5: 900}, rng)], start=i + 1)
    assert tracker.returns is None


def test_seconds_count_for_the_stage_that_took_them():
    class Slow:
        names: ClassVar = {0: "person"}

        def __call__(self, frames):
            time.sleep(0.05)
            return [Detections([box(20, y=20)]) for _ in frames]

    tracker = Tracker(Config().override({"appearance": {"enabled": False}}))
    tracker.networks.detector = Slow()
    start = time.perf_counter()
    tracker.update(np.zeros((240, 320, 3), np.uint8))
    assert 0.05 <= tracker.stage_seconds["detect"] <= sum(tracker.stage_seconds.values()) <= time.perf_counter() - start
    assert tracker.stage_seconds["motion+association"] > 0


BAD = [
    ("nothing at all", {"frame": None}, "neither a frame nor detections"),
    ("grey image", {"frame": np.zeros((4, 4), np.uint8)}, "expected a uint8 array of shape (H, W, 3)"),
    ("float image", {"frame": np.zeros((4, 4, 3))}, "float64"),
    ("no pixels", {"frame": np.zeros((0, 4, 3), np.uint8)}, "no pixels"),
    ("bare boxes", {"frame": None, "detections": [[1, 2, 3, 4]]}, "detections is list; give Detections("),
    (
        "rows before the frame, as in BoxMOT",
        {"frame": np.zeros((3, 6)), "detections": np.zeros((4, 4, 3), np.uint8)},
        "give update(frame, Detections(rows[:, :4], rows[:, 4], rows[:, 5]))",
    ),
    ("wrong affine", {"frame": None, "detections": Detections.empty(), "camera_motion": np.eye(3)}, "(2, 3)"),
    ("time is NaN", {"frame": None, "detections": Detections.empty(), "time_s": float("nan")}, "time_s"),
]


@pytest.mark.parametrize(("arguments", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_named(arguments, message):
    with pytest.raises(InputError) as error:
        Tracker().update(**arguments)
    assert message in str(error.value)


def test_frame_and_detections_may_stand_in_either_order():
    """Other libraries take the detections first, some of them alone."""
    frame, found = np.zeros((60, 80, 3), np.uint8), Detections([[10, 10, 30, 50]])
    found = found.with_features(np.ones((1, 512), np.float32))
    for arguments in ((frame, found), (found, frame), (None, found), (found, None), (found,)):
        tracks = Tracker().update(*arguments, time_s=0.0)
        assert tracks.xyxy == pytest.approx(found.xyxy)


def test_a_refused_frame_leaves_no_trace():
    tracker = Tracker()
    with pytest.raises(InputError):
        tracker.update(None, Detections.empty(), camera_motion=np.eye(3), time_s=1.0)
    tracker.update(None, Detections.empty(), time_s=1.0)


def test_time_must_go_forward():
    tracker = Tracker()
    tracker.update(None, Detections.empty(), time_s=1.0)
    with pytest.raises(InputError, match="must increase"):
        tracker.update(None, Detections.empty(), time_s=1.0)


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(ConfigError, match="default"):
        Tracker("spots")


def test_of_a_mostly_occluded_object_no_embedding_is_taken():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (200, 300, 3), dtype=np.uint8)
    near, far, aside = [100, 50, 150, 180], [105, 40, 155, 160], [220, 50, 260, 150]
    tracker = Tracker(device="cpu")
    tracker.update(image, detections=Detections([near, far, aside], scores=[0.9, 0.8, 0.7]))
    assert np.isnan(tracker.features[:, 0]).tolist() == [False, True, False]


def alike(present, frames, embedded):
    """Objects that all look alike, each in a row of its own, in the frames given of each.

    Args:
        embedded: (object, frame) -> is an embedding taken.

    Returns:
        What a tracker reports, frame by frame: (id, object) of every detected row, under the id that it has in the end.
    """
    rng, tracker, reported, names = np.random.default_rng(0), Tracker(), [], {}
    for i in range(frames):
        here = [k for k, times in enumerate(present) if i in times]
        embeddings = np.eye(1, 512)[[0] * len(here)] + rng.normal(0, 0.005, (len(here), 512))
        embeddings[[not embedded(k, i) for k in here]] = np.nan
        found = Detections([box(40.0 + i, y=150.0 * k) for k in here], features=embeddings if here else None)
        tracks = tracker.update(None, found, time_s=i / 30)
        names |= tracks.renamed
        seen = tracks.detection_index >= 0
        assert sorted(tracks.detection_index[seen]) == list(range(len(here))), "no row is lost"
        reported.append(
            [(key, here[row]) for key, row in zip(tracks.ids[seen], tracks.detection_index[seen], strict=True)]
        )
    return [[(int(names.get(int(key), key)), k) for key, k in rows] for rows in reported]


def test_who_was_seen_beside_somebody_does_not_become_them():
    """A is there for 90 frames, B elsewhere from 75 on, well to be seen when A has gone: at 120 B was A."""
    reported = alike([range(90), range(75, 160)], 160, lambda k, i: k == 0 or i >= 90)
    first, second = ({key for rows in reported for key, k in rows if k == which} for which in (0, 1))
    assert not first & second


lives = st.lists(
    st.lists(st.tuples(st.integers(0, 200), st.integers(3, 60)), min_size=1, max_size=3), min_size=2, max_size=5
)


@pytest.mark.slow
@settings(max_examples=20)
@example(spans=[[(4, 3)], [(0, 3)]], every=5)  # confirmed in the first frame, at time 0, without an embedding
@given(lives, st.integers(1, 30))
def test_nobody_is_two_objects_of_one_frame(spans, every):
    """An id is never of two objects while both are there, nor of one and, later, of another it was seen beside."""
    present = [{i for first, length in object_ for i in range(first, first + length)} for object_ in spans]
    reported = alike(present, 262, lambda k, i: (i + 7 * k) % every == 0)
    where = {}
    for i, rows in enumerate(reported):
        assert len({key for key, _ in rows}) == len(rows), "an id is one row of a frame"
        for key, k in rows:
            where.setdefault(key, {}).setdefault(k, []).append(i)
    for spots in where.values():
        frames = [i for times in spots.values() for i in times]
        assert len(frames) == len(set(frames))


def test_behind_a_gap_motion_is_not_asked():
    for gap_s, same in ((1.0, True), (2.0, False), (3600.0, False)):
        tracker = Tracker()
        run(tracker, [[box(100)]] * 20)
        after = [tracker.update(None, Detections([box(130)]), time_s=20 / FPS + gap_s + i / FPS) for i in range(5)]
        assert ([1] in [t.ids.tolist() for t in after]) is same, gap_s


def test_behind_a_gap_an_embedding_is_taken():
    rng, tracker = np.random.default_rng(0), Tracker()
    run(tracker, [people({0: 100}, rng) for _ in range(20)])
    after = [tracker.update(None, people({0: 400}, rng), time_s=100 + i / FPS) for i in range(5)]
    assert after[-1].ids.tolist() == [1]


def test_frames_that_are_seldom_are_no_gaps():
    tracker = Tracker()
    seldom = [tracker.update(None, Detections([box(100 + 2 * i)]), time_s=3.0 * i) for i in range(8)]
    assert len({t.ids[0] for t in seldom[1:]}) == 1


def test_behind_a_cut_to_a_closer_picture_boxes_are_near_their_detections():
    rng, tracker = np.random.default_rng(0), Tracker()
    place = np.c_[150 + 170 * np.arange(10), rng.uniform(200, 400, 10)]
    velocity, size = rng.normal(0, 4, (10, 2)), rng.uniform(0.8, 1.2, (10, 1)) * [120, 300]
    for i in range(45):
        grown = size * (2 if i >= 30 else 1) * np.exp(rng.normal(0, 0.03, (10, 2)))
        corner = place + velocity * i - grown / 2
        boxes = np.c_[corner, corner + grown].astype(np.float32)
        tracks = tracker.update(None, Detections(boxes, rng.uniform(0.7, 1, 10)), time_s=i / 25)
        overlap = iou(tracks.xyxy, boxes)[np.arange(len(tracks)), tracks.detection_index]
        assert (overlap[tracks.detection_index >= 0] >= 0.5).all()


def test_votes_take_no_more_room_with_more_class_numbers():
    tracker = Tracker()
    reported = run(tracker, [Detections(b, [0.9], [i]) for i, b in enumerate(walk(300, speed=0.5))])
    assert tracker._bank.slots.votes[tracker._bank.live].shape == (1, 16)
    assert [t.ids.tolist() for t in reported] == [[1]] * 300
    again = run(tracker, [Detections([box(150)], [0.9], [7])] * 5, start=300)
    assert again[-1].classes.tolist() == [7]


@pytest.mark.parametrize("scale", [(0.5, 0.5), (2.0, 2.0), (0.75, 1.5)], ids=["half", "double", "another shape"])
def test_where_the_picture_changes_its_size_tracks_go_on_in_it(scale):
    tracker = Tracker(Config().override({"appearance": {"enabled": False}}))
    whole = Tracker(Config().override({"appearance": {"enabled": False}}))
    noise = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (240, 400, 3), np.uint8), (0, 0), 3)
    factor = np.array([*scale, *scale])
    for i in range(30):
        boxes = np.array([box(20 + 3 * i, y=60), box(200 - 2 * i, y=90)])
        changed = i >= 20
        picture = cv2.resize(noise, None, fx=scale[0], fy=scale[1]) if changed else noise
        tracks = tracker.update(picture, Detections(boxes * factor if changed else boxes), time_s=i / FPS)
        usual = whole.update(noise, Detections(boxes), time_s=i / FPS)
        assert tracks.ids.tolist() == usual.ids.tolist() == [1, 2]
        expected = usual.xyxy * (factor if changed else 1)
        np.testing.assert_allclose(tracks.xyxy, expected, atol=2.0)
        if i == 20:
            np.testing.assert_allclose(tracker.camera_motion, [[scale[0], 0, 0], [0, scale[1], 0]], atol=0.02)
            ahead = tracks.forecast(5).xyxy[:, -1], usual.forecast(5).xyxy[:, -1] * factor
            np.testing.assert_allclose(*ahead, atol=8.0)


def test_detections_without_pictures_know_of_no_size():
    tracker = Tracker()
    run(tracker, walk(5))
    assert tracker._camera._size == []


def test_a_stream_that_breaks_off_tells_what_was_tracked_first(tmp_path):
    for i in range(12):
        cv2.imwrite(str(tmp_path / f"{i:02}.png"), np.full((48, 64, 3), i, np.uint8))
    (tmp_path / "12.png").write_bytes(b"no picture")
    reported = []
    with pytest.raises(SourceError):
        for frame, _ in Tracker(device="cpu").stream(tmp_path, fixed_lag=True):
            reported.append(frame.number)
    assert reported == list(range(1, 13))


@pytest.mark.parametrize("shape", [(6000, 4), (4, 6000), (100, 17_000), (1, 1)])
def test_pictures_of_odd_shapes_are_tracked(shape):
    height, width = shape
    picture = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    tracker = Tracker(device="cpu")
    for i in range(3):
        found = Detections([[0, 0, min(width, 60), min(height, 90)]])
        tracks = tracker.update(picture[:, ::-1], found, time_s=i / FPS)
    assert tracks.ids.tolist() == [1]


PETS = Path(__file__).parents[2] / "shared" / "data" / "video" / "PETS09-S2L1-first"


@pytest.mark.shared
@pytest.mark.skipif(not PETS.is_dir(), reason="needs the research data in ../shared")
def test_a_real_clip_whose_second_half_is_smaller_has_the_same_tracks(tmp_path):
    """Ids stay, and what is told half a second late has no jump either: it is the whole clip's, half as large."""
    frames = [cv2.imread(str(path)) for path in sorted((PETS / "img1").iterdir())[:40]]
    truth = np.loadtxt(PETS / "gt" / "gt.txt", delimiter=",")
    reported = {}
    for name, smaller in (("whole", 1.0), ("changed", 0.5)):
        tracker = Tracker(Config().override({"appearance": {"enabled": False}}))
        smoother, rows = FixedLagSmoother(0.5, tracker.config.offline), {}
        for i, picture in enumerate(frames):
            scale = smaller if i >= 20 else 1.0
            boxes = truth[truth[:, 0] == i + 1, 2:6]
            boxes = np.c_[boxes[:, :2], boxes[:, :2] + boxes[:, 2:]] * scale
            tracks = tracker.update(cv2.resize(picture, None, fx=scale, fy=scale), Detections(boxes), time_s=i / 7)
            for frame, late in smoother.push((i, scale), tracks, tracker.camera_motion):
                rows |= {(frame[0], key): box / frame[1] for key, box in zip(late.ids, late.xyxy, strict=True)}
        for frame, late in smoother.flush():
            rows |= {(frame[0], key): box / frame[1] for key, box in zip(late.ids, late.xyxy, strict=True)}
        reported[name] = rows
    assert reported["whole"].keys() == reported["changed"].keys()
    off = [np.abs(reported["whole"][key] - reported["changed"][key]).max() for key in reported["whole"]]
    assert max(off) < 4.0
