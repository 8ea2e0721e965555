"""What detections carry travels with its row to the tracks, and changes none of them."""

import tracemalloc
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker import Config, Detections, Masks, Status, Tracker
from tracker.columns.carried import Columns
from tracker.columns.column_file import ColumnFile
from tracker.errors import InputError
from tracker.smoothing.offline import Recorder, post_processed

RATE = 10.0
SIZE = (40, 60)
CONFIG = Config().override({"bank": {"report_delay_s": 0.3}})


def masks_of(numbers):
    """A mask of one pixel each, in the place of its number."""
    dense = np.zeros((len(numbers), SIZE[0] * SIZE[1]), bool)
    dense[np.arange(len(numbers)), numbers] = True
    return dense.reshape(len(numbers), *SIZE)


def plain(boxes, scores, numbers):
    """Detections that carry nothing, of which every embedding says who of the four it is."""
    return Detections(boxes, scores, features=looks(numbers))


def looks(numbers):
    """An embedding for each of the four; of one in three frames none was taken."""
    numbers = np.asarray(numbers, np.int64)
    features = np.eye(4, 8, dtype=np.float32)[numbers % 4]
    features[numbers % 3 == 0] = np.nan
    return features


def carrying(boxes, scores, numbers):
    """The same detections, of which every column says the row's number."""
    n = len(numbers)
    numbers = np.asarray(numbers, np.int64)
    return Detections(
        boxes,
        scores,
        features=looks(numbers),
        masks=masks_of(numbers),
        keypoints=np.broadcast_to(numbers.reshape(n, 1, 1), (n, 5, 3)),
        corners=np.broadcast_to(numbers.reshape(n, 1, 1), (n, 4, 2)),
        data={
            "number": numbers,
            "weight": numbers / 2.0,
            "name": np.array([f"n{i}" for i in numbers], np.str_),
            "on": numbers % 2 == 0,
        },
    )


def numbers_of(tracks):
    """The numbers that a frame's rows say, column by column, -1 where a row says nothing; None: no columns."""
    if tracks.masks is None:
        assert tracks.keypoints is None and tracks.corners is None and not tracks.data
        return None
    pixels = tracks.masks.dense().reshape(len(tracks), SIZE[0] * SIZE[1])
    said = [np.where(tracks.masks.known, pixels.argmax(axis=1), -1)]
    assert (pixels.sum(axis=1) == tracks.masks.known).all()
    for column in (tracks.keypoints.reshape(-1, 15), tracks.corners.reshape(-1, 8)):
        said += [np.nan_to_num(value, nan=-1) for value in column.T]
    said.append(np.nan_to_num(tracks.data["weight"] * 2, nan=-1))
    said.append([-1 if value is None else value for value in tracks.data["number"]])
    said.append([-1 if value is None else int(value[1:]) for value in tracks.data["name"]])
    for number, on in zip(said[0].tolist(), tracks.data["on"].tolist(), strict=True):
        assert on is (None if number < 0 else number % 2 == 0)
    for other in said[1:]:
        np.testing.assert_array_equal(said[0], other)
    return said[0]


@st.composite
def streams(draw):
    """Frames of up to four walkers, some missed, in any order: boxes, scores and the number that each row says.

    None in the place of a frame that nobody looks at.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    start, step = rng.uniform(0, 300, (4, 2)), rng.uniform(-6, 6, (4, 2))
    frames = []
    for number in range(draw(st.integers(1, 14))):
        walkers = np.array(draw(st.permutations(sorted(draw(st.sets(st.integers(0, 3)))))), np.int64)
        corner = start[walkers] + number * step[walkers] + rng.normal(0, 1, (len(walkers), 2))
        scores = rng.uniform(0.3, 0.95, len(walkers))
        if draw(st.integers(0, 4)) == 4:
            frames.append(None)
            continue
        frames.append((np.concatenate([corner, corner + [20, 50]], axis=1), scores, 4 * number + walkers))
    return frames


def tracked(frames, make):
    """Tracks as they are told at once, late and in the end, and the detections of every frame."""
    tracker, recorder = Tracker(CONFIG), Recorder()
    found = [None if frame is None else make(*frame) for frame in frames]
    at_once = []

    def updates():
        for number, detections in enumerate(found):
            at_once.append(tracker.update(None, detections, time_s=number / RATE, look=detections is not None))
            recorder.add(at_once[-1], detections or Detections.empty(), tracker.camera_motion, tracker.features)
            yield at_once[-1]

    late = list(tracker.smooth(updates()))
    table = post_processed(recorder.table(), CONFIG)
    with TemporaryDirectory() as folder, ColumnFile(Path(folder)) as put_aside:
        for detections in found:
            put_aside.append(Columns() if detections is None else detections.columns)
        in_the_end = [replace(table.at(n, {}), detected=put_aside[n]) for n in range(len(recorder))]
    return at_once, late, in_the_end


def same(a, b):
    np.testing.assert_array_equal(a.ids, b.ids)
    np.testing.assert_array_equal(a.xyxy, b.xyxy)
    np.testing.assert_array_equal(a.scores, b.scores)
    np.testing.assert_array_equal(a.status, b.status)
    np.testing.assert_array_equal(a.detection_index, b.detection_index)


@settings(max_examples=15, deadline=None)
@given(streams())
def test_row_i_is_that_of_detection_index_i_and_no_track_is_another(frames):
    """At once, smoothed and offline, also where frames are empty or nobody looks."""
    stages = tracked(frames, carrying), tracked(frames, plain)
    for now, without in zip(*stages, strict=True):
        assert len(now) == len(without) == len(frames)
        for tracks, other, frame in zip(now, without, frames, strict=True):
            same(tracks, other)
            assert numbers_of(other) is None
            if frame is None:
                assert numbers_of(tracks) is None and (tracks.detection_index == -1).all()
                continue
            said = numbers_of(tracks)
            expected = np.append(np.asarray(frame[2], np.int64), -1)[tracks.detection_index]
            np.testing.assert_array_equal(said, expected)
            np.testing.assert_array_equal(said < 0, tracks.status == Status.PREDICTED)
    for now in (*stages[0][:2], *stages[1][:2]):
        for tracks, frame in zip(now, frames, strict=True):
            if frame is None or not len(frame[2]):
                assert tracks.embeddings is None or np.isnan(tracks.embeddings).all()
                continue
            expected = np.concatenate([looks(frame[2]), np.full((1, 8), np.nan)])[tracks.detection_index]
            np.testing.assert_array_equal(tracks.embeddings, expected)


@settings(max_examples=15, deadline=None)
@given(streams(), st.data())
def test_a_permutation_of_the_detections_gives_the_same_tracks_and_columns(frames, data):
    shuffled = []
    for frame in frames:
        order = np.array(data.draw(st.permutations(range(0 if frame is None else len(frame[2])))), np.int64)
        shuffled.append(None if frame is None else tuple(values[order] for values in frame))
    for now, other in zip(tracked(frames, carrying), tracked(shuffled, carrying), strict=True):
        for a, b in zip(now, other, strict=True):
            np.testing.assert_array_equal(a.ids, b.ids)
            np.testing.assert_array_equal(a.xyxy, b.xyxy)
            np.testing.assert_array_equal(numbers_of(a), numbers_of(b))
            np.testing.assert_array_equal(a.embeddings, b.embeddings)


def test_a_part_of_the_detections_or_tracks_has_its_part_of_the_columns():
    boxes = np.array([[0, 0, 9, 9], [20, 0, 29, 9], [40, 0, 49, 9]])
    found = carrying(boxes, [0.9, 0.8, 0.7], [5, 6, 7])
    for keep in (np.array([2, 0]), np.array([True, False, True]), slice(1, None)):
        np.testing.assert_array_equal(found[keep].data["number"], np.array([5, 6, 7])[keep])
        np.testing.assert_array_equal(found[keep].masks.dense(), masks_of([5, 6, 7])[keep])
        assert found[keep].data["number"].dtype == np.int64
    tracks = Tracker().update(None, found)
    assert numbers_of(tracks[tracks.ids == 2]).tolist() == [6]
    embedded = found.with_features(np.eye(3, 512))
    assert embedded.data["name"].tolist() == ["n5", "n6", "n7"] and embedded.masks.known.all()


def test_masks_may_come_as_masks_and_empty_frames_have_empty_columns():
    found = Detections([[0, 0, 9, 9]], masks=Masks.of(masks_of([3])))
    np.testing.assert_array_equal(found.masks.dense(), masks_of([3]))
    nothing = Detections(np.zeros((0, 4)), masks=np.zeros((0, 4, 6)), keypoints=np.zeros((0, 17, 3)), data={"a": []})
    assert len(nothing.masks) == 0 and nothing.keypoints.shape == (0, 17, 3) and nothing.data["a"].shape == (0,)
    tracks = Tracker().update(None, nothing)
    assert len(tracks.masks) == 0 and tracks.keypoints.shape == (0, 17, 3)


def test_a_buffer_that_the_caller_fills_anew_for_every_frame_does_not_change_those_that_wait():
    """As detectors with output memory of their own do it."""
    tracker = Tracker(CONFIG)
    points, corners, number = np.zeros((1, 5, 3), np.float32), np.zeros((1, 4, 2), np.float32), np.zeros(1)

    def updates():
        for frame in range(12):
            for column in (points, corners, number):
                column[:] = frame
            found = Detections([[frame, 0, 20 + frame, 50]], keypoints=points, corners=corners, data={"n": number})
            yield tracker.update(None, found, time_s=frame / RATE)

    for frame, tracks in enumerate(tracker.smooth(updates())):
        said = tracks.keypoints[0, 0, 0], tracks.corners[0, 0, 0], tracks.data["n"][0]
        assert said == (frame, frame, frame)


def test_names_are_kept_from_frame_to_frame():
    tracker = Tracker()
    tracker.update(None, Detections([[0, 0, 9, 9]], classes=[7], names={7: "forklift"}))
    tracks = tracker.update(None, Detections([[0, 0, 9, 9]], classes=[7], names={2: "pallet"}))
    assert tracks.names == {7: "forklift", 2: "pallet"}
    assert tracker.update(np.zeros((20, 20, 3), np.uint8), look=False).names == tracks.names


def test_embeddings_are_those_of_the_frames_detections():
    features = np.eye(3, 512, dtype=np.float32)
    features[1] = np.nan
    tracks = Tracker().update(None, Detections([[0, 0, 9, 9], [30, 0, 39, 9], [60, 0, 69, 9]], features=features))
    np.testing.assert_array_equal(tracks.embeddings, features[tracks.detection_index])
    assert Tracker().update(None, Detections([[0, 0, 9, 9]])).embeddings is None


BAD = [
    ({"masks": np.zeros((2, 4, 4))}, "masks has 2 rows; expected 1, one for each box"),
    ({"masks": np.zeros((4, 4))}, "expected booleans of shape (N, H, W)"),
    ({"keypoints": np.zeros((1, 17, 2))}, "keypoints has shape (1, 17, 2); expected (1, K, 3)"),
    ({"keypoints": np.full((1, 17, 3), np.inf)}, "keypoints holds infinite numbers; give NaN"),
    ({"corners": np.zeros((1, 8))}, "corners has shape (1, 8); expected (1, 4, 2)"),
    ({"data": {"speed": [1, 2]}}, "data['speed'] has 2 rows; expected 1, one for each box"),
    ({"data": {"speed": 1}}, "data['speed'] is one value; expected 1 rows"),
    ({"data": [1]}, "data is list; give a dict, name -> a row for each box"),
    ({"names": ["person"]}, "names is list; give a dict, class number -> name"),
]


@pytest.mark.parametrize(("fields", "message"), BAD, ids=[row[1] for row in BAD])
def test_bad_columns_are_named(fields, message):
    with pytest.raises(InputError) as error:
        Detections([[0, 0, 9, 9]], **fields)
    assert message in str(error.value)


def test_one_value_is_no_column_of_a_frame_without_detections_either():
    with pytest.raises(InputError, match=r"data\['camera'\] is one value; expected 0 rows, one for each box"):
        Detections(np.zeros((0, 4)), data={"camera": 5})


def test_a_column_that_is_converted_is_copied_once():
    points, corners = np.zeros((100, 1000, 3)), np.zeros((100, 4, 2))  # float64, as NumPy makes them
    boxes = np.tile([0, 0, 9, 9], (100, 1))
    tracemalloc.start()
    found = Detections(boxes, keypoints=points, corners=corners)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.7 * found.keypoints.nbytes
