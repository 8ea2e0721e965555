"""Arrays are checked once, when they come in; an error names the field, what was expected and what came."""

import importlib.util

import numpy as np
import pytest

from tracker import Detections, Status, Tracks
from tracker.errors import InputError
from tracker.structures import as_image


def tracks(statuses=(Status.CONFIRMED, Status.TENTATIVE, Status.PREDICTED)):
    n = len(statuses)
    boxes = np.array([[10 * i, 20, 10 * i + 30, 100] for i in range(n)], np.float32).reshape(n, 4)
    whole = np.arange(n)
    return Tracks(
        ids=whole + 1,
        xyxy=boxes,
        scores=np.full(n, 0.5, np.float32),
        classes=np.zeros(n, np.int64),
        raw_classes=np.zeros(n, np.int64),
        status=np.array(statuses, np.int64),
        detection_index=whole,
        time_s=2.0,
        interval_s=0.1,
        names={0: "person"},
    )


BAD = [
    ("wrong width", {"xyxy": np.zeros((3, 5))}, "xyxy has shape (3, 5); expected (N, 4)"),
    ("one box, not a list of boxes", {"xyxy": [1, 2, 3, 4]}, "xyxy has shape (4,); expected (N, 4)"),
    ("not a number", {"xyxy": [[0, 0, np.nan, 5]]}, "xyxy[0] is"),
    ("infinite", {"xyxy": [[0, 0, np.inf, 5]]}, "finite"),
    ("reversed", {"xyxy": [[0, 0, 5, 5], [10, 0, 5, 5]]}, "xyxy[1]"),
    ("empty box", {"xyxy": [[0, 0, 0, 5]]}, "reversed"),
    ("text", {"xyxy": [["a", "b", "c", "d"]]}, "dtype"),
    ("objects", {"xyxy": [[0, 0, 5, 5]], "scores": [None]}, "scores has dtype object"),
    ("too few scores", {"xyxy": [[0, 0, 5, 5]] * 2, "scores": [0.5]}, "scores has shape (1,); expected (2,)"),
    ("score above one", {"xyxy": [[0, 0, 5, 5]], "scores": [1.7]}, "scores[0]"),
    ("score not a number", {"xyxy": [[0, 0, 5, 5]], "scores": [np.nan]}, "scores[0]"),
    ("ragged", {"xyxy": [[0, 0, 5], [1]]}, "xyxy is no array of numbers"),
    ("a class beyond all numbers", {"xyxy": [[0, 0, 5, 5]], "classes": [1e300]}, "classes holds"),
    ("score above rounding", {"xyxy": [[0, 0, 5, 5]], "scores": [1.01]}, "scores[0]"),
    ("broken class", {"xyxy": [[0, 0, 5, 5]], "classes": [0.5]}, "classes holds fractions"),
    ("empty feature", {"xyxy": [[0, 0, 5, 5]], "features": np.ones((1, 0))}, "(1, 0); expected (1, D)"),
    ("flat feature", {"xyxy": [[0, 0, 5, 5]], "features": np.ones(128)}, "(128,); expected (1, D)"),
    ("zero feature", {"xyxy": [[0, 0, 5, 5]], "features": np.zeros((1, 512))}, "features[0]"),
]


@pytest.mark.parametrize(("fields", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_named(fields, message):
    with pytest.raises(InputError) as error:
        Detections(**fields)
    assert message in str(error.value)


@pytest.mark.parametrize("kind", ["float32", "float16", "bfloat16"])
def test_tensors_of_any_kind_are_taken(kind):
    torch = pytest.importorskip("torch")
    boxes = torch.tensor([[0.0, 0.0, 5.0, 8.0]], dtype=getattr(torch, kind), requires_grad=True)
    found = Detections(boxes, torch.tensor([0.5], dtype=getattr(torch, kind)), features=torch.ones(1, 512))
    assert (found.xyxy.tolist(), found.scores.tolist()) == ([[0, 0, 5, 8]], [0.5])


def test_what_rounding_took_out_of_the_bounds_is_put_back():
    assert Detections([[0, 0, 5, 5]] * 2, [1.0000001, -1e-7]).scores.tolist() == [1, 0]


def test_a_mirrored_view_becomes_a_picture_that_every_library_takes():
    torch = pytest.importorskip("torch")
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    mirrored = as_image(picture[:, ::-1])
    assert torch.from_numpy(mirrored).tolist() == picture[:, ::-1].tolist()
    assert as_image(picture) is picture


def test_nothing_found_is_empty_arrays_not_none():
    for nothing in ([], np.zeros((0, 4)), np.zeros((0,))):
        found = Detections(nothing)
        assert (len(found), found.xyxy.shape, found.scores.shape, found.classes.shape) == (0, (0, 4), (0,), (0,))


def test_features_become_unit_vectors_and_missing_ones_stay_missing():
    features = np.full((2, 512), 3.0)
    features[1] = np.nan
    found = Detections([[0, 0, 5, 5]] * 2, features=features)
    assert np.linalg.norm(found.features[0]) == pytest.approx(1)
    assert np.isnan(found.features[1]).all()


def test_a_mask_filters_every_column():
    found = Detections([[0, 0, 5, 5], [0, 0, 6, 6]], [0.1, 0.9], [3, 4], np.eye(2, 512))
    part = found[found.scores > 0.5]
    assert (part.scores.tolist(), part.classes.tolist(), part.features[0, 1]) == ([np.float32(0.9)], [4], 1)


def test_the_input_array_is_not_changed():
    boxes = np.array([[0, 0, 5, 5]], np.float32)
    features = np.full((1, 512), 3.0, np.float32)
    Detections(boxes, features=features)
    assert features[0, 0] == 3.0


def test_mot_lines_leave_tentative_tracks_out():
    assert tracks().to_mot(7) == (
        "7,1,0.00,20.00,30.00,80.00,0.5000,-1,-1,-1\n7,3,20.00,20.00,30.00,80.00,0.5000,-1,-1,-1\n"
    )
    assert tracks(()).to_mot(7) == ""


def test_a_forecast_wants_at_least_one_step():
    with pytest.raises(InputError, match="at least 1 step"):
        tracks().forecast(0)
    assert tracks(()).forecast(5).xyxy.shape == (0, 5, 4)


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is an extra")
def test_a_dataframe_has_a_row_per_track():
    frame = tracks().to_dataframe()
    assert frame["status"].tolist() == ["confirmed", "tentative", "predicted"]
    assert frame["name"].tolist() == ["person"] * 3


@pytest.mark.skipif(importlib.util.find_spec("supervision") is None, reason="supervision is an extra")
def test_supervision_gets_the_confirmed_tracks():
    detections = tracks().to_supervision()
    assert detections.tracker_id.tolist() == [1, 3]
    assert detections.data["class_name"].tolist() == ["person", "person"]
    assert len(tracks(()).to_supervision()) == 0
