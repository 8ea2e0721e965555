"""What is reported of a seen object: nearer to the truth than what the detector says."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracker import Config, Detections, Tracker
from tracker.boxes import cxcywh_to_xyxy, iou, xyxy_to_cxcywh
from tracker.motion.adaptation.fusion import Mending, Precision, fused

FPS = 20
boxes = st.tuples(st.floats(-500, 500), st.floats(-500, 500), st.floats(5, 300), st.floats(5, 300)).map(
    lambda b: np.array([[b[0], b[1], b[0] + b[2], b[1] + b[3]]], np.float32)
)


@given(boxes, boxes, st.floats(0, 1))
def test_it_overlaps_the_detection_by_half_at_least(detected, estimated, strength):
    assert iou(fused(detected, xyxy_to_cxcywh(estimated), strength), detected)[0, 0] >= 0.5 - 1e-5


@given(boxes, boxes, st.floats(0, 1))
def test_it_lies_between_detection_and_estimate(detected, estimated, strength):
    seen, said = xyxy_to_cxcywh(detected), xyxy_to_cxcywh(estimated)
    between = xyxy_to_cxcywh(fused(detected, said, strength))
    assert (between >= np.minimum(seen, said) - 1e-2).all() and (between <= np.maximum(seen, said) + 1e-2).all()


@given(boxes)
def test_a_detection_that_says_what_the_model_says_is_left_alone(box):
    np.testing.assert_allclose(fused(box, xyxy_to_cxcywh(box), 1.0), box, atol=1e-3)


def test_no_strength_leaves_the_boxes_alone():
    detected, estimated = np.ones((3, 4), np.float32), np.zeros((3, 4), np.float32)
    assert fused(detected, estimated, 0.0) is detected


def test_no_boxes_stay_no_boxes():
    none = np.zeros((0, 4), np.float32)
    assert fused(none, none, 1.0).shape == (0, 4)


def errors(smoothing):
    """Mean errors (centre x, centre y, width, height) reported of a walker seen with an error that lasts, generated."""
    rng = np.random.default_rng(0)
    tracker = Tracker(Config().override({"bank": {"smoothing": smoothing}}))
    share, size = np.zeros(4), np.array([40, 100, 40, 100])
    off = []
    for i in range(200):
        truth = np.array([100 + 3.0 * i, 200, 40, 100])
        share = 0.8 * share + 0.6 * rng.normal(0, [0.04, 0.02, 0.08, 0.03])
        x, y, w, h = truth + share * size
        tracks = tracker.update(None, Detections([[x - w / 2, y - h / 2, x + w / 2, y + h / 2]], [0.9]), time_s=i / FPS)
        if i >= 20:
            off.append(np.abs(xyxy_to_cxcywh(tracks.xyxy)[0] - truth))
    return np.mean(off, axis=0)


def test_a_walkers_boxes_come_nearer_to_the_truth():
    detected, reported = errors(0.0), errors(1.0)
    assert (reported < detected).all()


def test_a_precise_detectors_boxes_stay_and_a_usual_ones_are_smoothed():
    """Heights as predicted to half a percent, then to five; what one wild frame says is soon forgotten."""
    rng = np.random.default_rng(0)
    expected = np.tile(np.array([20, 50, 40, 100], np.float32), (20, 1))
    precise, usual = Precision(), Precision()
    for _ in range(100):
        for precision, error in ((precise, 0.5), (usual, 5.0)):
            seen = expected + rng.normal(0, 1, (20, 4)).astype(np.float32) * [0, 0, 0, error]
            precision.learn(np.c_[seen[:, :2] - seen[:, 2:] / 2, seen[:, :2] + seen[:, 2:] / 2], expected)
    assert (precise.jitter, usual.jitter) == (0.0, 1.0)
    precise.learn(np.tile(np.array([0, 0, 40, 160], np.float32), (20, 1)), expected)
    assert precise.jitter < 0.1


def test_a_precise_detectors_walker_is_reported_where_it_is():
    tracker = Tracker()
    for i in range(200):
        box = [100 + 3.0 * i, 200, 140 + 3.0 * i, 300 + 5 * np.sin(i / 10)]
        reported = tracker.update(None, Detections([box], [0.9]), time_s=i / FPS).xyxy[0]
    np.testing.assert_allclose(reported, box, atol=0.2)


def shares_of(way, error):
    """(4,) what `Mending` gives the estimate, of eight that go this way (frame, walker), seen with this error."""
    tracker = Tracker()
    for i in range(150):
        centres = np.array([[400.0 * k, 300.0] for k in range(8)]) + [way(i, k) for k in range(8)]
        sizes = np.tile([40.0, 100.0], (8, 1))
        seen = np.c_[centres, sizes] + error(i) * sizes[:, [0, 1, 0, 1]]
        boxes = np.c_[seen[:, :2] - seen[:, 2:] / 2, seen[:, :2] + seen[:, 2:] / 2]
        tracker.update(None, Detections(boxes, np.full(8, 0.9)), time_s=i / FPS)
    return tracker._bank._mending.shares


def noise(sigma, lasts=0.0):
    rng, state = np.random.default_rng(0), np.zeros((8, 4))

    def error(_):
        state[:] = lasts * state + np.sqrt(1 - lasts**2) * rng.normal(0, sigma, (8, 4))
        return state.copy()

    return error


def test_an_error_that_lasts_is_mended_and_a_turn_is_not():
    """Walkers, seen badly; and dancers who sway and jump, seen well, but for their sizes."""
    walkers = shares_of(lambda i, k: (3.0 * i, 0.0), noise(0.04, lasts=0.8))
    dancers = shares_of(
        lambda i, k: (10 * np.sin(0.9 * i + k), 30 * np.cos(1.1 * i + k)), noise([0.005, 0.005, 0.03, 0.03])
    )
    assert (walkers > 0.8).all()
    assert (dancers[:2] < 0.3).all()


@given(st.lists(st.tuples(boxes, boxes, boxes), min_size=1, max_size=6))
def test_the_estimate_never_gets_more_than_its_share(frames):
    mending, steps = Mending(), np.zeros((1, 4), np.float32)
    for expected, detected, estimated in frames:
        mending.due()
        steps = mending.learn(steps, xyxy_to_cxcywh(expected), detected, xyxy_to_cxcywh(estimated))
        assert ((mending.shares >= 0) & (mending.shares <= 1)).all()


def test_thousands_that_are_new_leave_what_is_known_as_it_was():
    many, mending = 4000, Mending()
    before, box = mending.shares, np.array([[10, 20, 50, 120]], np.float32).repeat(many, axis=0)
    assert mending.due()
    mending.learn(np.zeros((many, 4), np.float32), xyxy_to_cxcywh(box), box, xyxy_to_cxcywh(box))
    np.testing.assert_allclose(mending.shares, before)
    Mending().load_state_dict(mending.state_dict())


def test_a_frame_of_more_than_is_looked_back_on_says_no_more_than_it_shows():
    expected = np.array([[100, 100, 40, 100]], np.float32).repeat(9000, axis=0)
    detected, precision = cxcywh_to_xyxy(expected * np.array([1, 1, 1, 1.05], np.float32)), Precision()
    for _ in range(5):
        precision.learn(detected, expected)
        np.testing.assert_allclose(precision.error, 0.05, rtol=1e-4)
