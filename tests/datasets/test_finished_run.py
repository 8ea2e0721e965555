"""A finished run says again what was written."""

import re
from dataclasses import replace

import numpy as np
import pytest
import yaml

from helpers.finished_runs import annotated, leave_run
from tracker.columns.carried import Columns
from tracker.datasets.finished_run import FinishedRun
from tracker.errors import DataError
from tracker.output.writers import CsvWriter, JsonLinesWriter
from tracker.structures import Detections, Status, Tracks
from tracker.video.source import Frame

WIDTH, HEIGHT = 64, 48
NAMES = {0: "person", 1: 'a "quoted", name'}
EMPTY = Frame(np.zeros((HEIGHT, WIDTH, 3), np.uint8), 1, 0.0)


def tracks(*rows: tuple[int, int, bool], masks: bool = False) -> Tracks:
    """Of a frame: id, class and whether it was detected of each."""
    ids, classes, seen = (np.array(column) for column in zip(*rows, strict=True))
    boxes = np.column_stack([4 * ids, ids, 4 * ids + 8, ids + 16]).astype(np.float32)
    index = np.where(seen, np.cumsum(seen) - 1, -1)
    covered = np.zeros((len(ids), HEIGHT, WIDTH), bool)
    for row, box in enumerate(boxes.astype(int)):
        covered[row, box[1] : box[3], box[0] : box[2]] = True
    points = np.stack([boxes[:, :2], boxes[:, 2:]], axis=1)
    points = np.concatenate([points, np.full((len(ids), 2, 1), 0.5)], axis=2)
    found = Detections(boxes[seen], masks=covered[seen], keypoints=points[seen]) if masks else Detections(boxes[seen])
    status = np.where(seen, Status.CONFIRMED, Status.PREDICTED)
    score = np.full(len(ids), 0.875, np.float32)
    made = Tracks(ids, boxes, score, classes, np.where(seen, classes, -1), status, index, 0.0, 0.1, NAMES)
    return replace(made, detected=found.columns)


def leave(folder, frames, json=True, **source):
    """Files of a run of these frames: number -> time and tracks."""
    folder.mkdir(exist_ok=True)
    record = {
        "source": {"given": "clip.mp4", "size": [WIDTH, HEIGHT], "frames_per_s": 10.0, "vid_stride": 1, **source},
        "folder": str(folder),
        "files": ["tracks.csv"],
        "result": {"frames": len(frames)},
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(record))
    writers = [CsvWriter(folder / "tracks.csv"), *([JsonLinesWriter(folder / "tracks.jsonl")] if json else [])]
    for number, (time_s, rows) in frames.items():
        for writer in writers:
            writer.write(replace(EMPTY, number=number, time_s=time_s), rows)
    for writer in writers:
        writer.close()
    return FinishedRun.read(folder)


def test_rows_masks_and_keypoints_are_what_was_written(tmp_path):
    first, second = tracks((2, 1, True), (5, 0, True), masks=True), tracks((2, 1, False), (5, 0, True), masks=True)
    found = leave(tmp_path, {1: (0.0, first), 3: (0.3, second)}).annotations
    assert found.frames.tolist() == [1, 1, 3, 3] and found.ids.tolist() == [2, 5, 2, 5]
    assert found.occluded.tolist() == [False, False, True, False] and found.size == (WIDTH, HEIGHT)
    assert {found.names[number] for number in found.classes.tolist()} == set(NAMES.values())
    np.testing.assert_allclose(found.xyxy[0], [8, 2, 16, 18])
    assert found.columns.masks.known.tolist() == [True, True, False, True]
    np.testing.assert_array_equal(found.columns.masks.dense()[:2], first.masks.dense())
    np.testing.assert_allclose(found.columns.keypoints[[0, 1, 3]].sum(axis=(1, 2)), [8 + 2 + 16 + 18 + 1, 75, 75])
    assert np.isnan(found.columns.keypoints[2]).all()


def test_every_frame_has_a_time_also_where_nothing_was_tracked(tmp_path):
    one = tracks((1, 0, True))
    run = leave(tmp_path, {2: (0.1, one), 4: (0.5, one), 5: (0.6, one), 6: (0.7, one)}, json=False)
    np.testing.assert_allclose(run.annotations.times_s, [0, 0.1, 0.3, 0.5, 0.6, 0.7])


def test_every_third_frame_was_tracked(tmp_path):
    """The rate in the record is that of the frames that were tracked; numbers and times are the source's."""
    one = tracks((1, 0, True))
    run = leave(tmp_path, {1: (0.0, one), 4: (0.1, one)}, json=False, vid_stride=3, frames_per_s=10.0)
    assert run.annotations.step == 3 and run.annotations.frame_count == 6
    np.testing.assert_allclose(run.annotations.times_s, np.arange(6) / 30)
    np.testing.assert_allclose(run.annotations.without_step.times_s, [0, 0.1])


def test_a_long_table_is_read_in_blocks(tmp_path, monkeypatch):
    frames = {number: (number / 10, tracks((1, 0, True), (number, 1, False))) for number in range(2, 9)}
    whole = leave(tmp_path, frames, json=False).annotations
    monkeypatch.setattr("tracker.datasets.finished_run._BLOCK", 3)
    assert FinishedRun.read(tmp_path).annotations.equals(whole) and len(whole) == 14


def test_a_run_in_which_nothing_was_tracked_is_one(tmp_path):
    (tmp_path / "run").mkdir()
    empty = tracks((1, 0, True)).confirmed
    run = leave(tmp_path / "run", {1: (0.0, replace(empty, status=np.full(1, Status.TENTATIVE)))}, json=False)
    assert len(run.annotations) == 0 and run.annotations.frame_count == 1 and run.events == []


def test_frames_that_were_left_out_are_none_of_the_run(tmp_path):
    one = tracks((1, 0, True))
    none = replace(one, status=np.zeros(1, int))
    frames = {1: (0.0, none), 3: (0.4, one), 5: (0.8, one)}
    run = leave(tmp_path, frames, json=False, vid_stride=2, frames_per_s=2.5)
    assert run.tracked.tolist() == [1, 3, 5]
    np.testing.assert_allclose(run.annotations.times_s, [0, 0.2, 0.4, 0.6, 0.8, 1.0], atol=1e-6)


def test_frames_of_a_live_source_are_those_that_were_not_dropped(tmp_path):
    one = tracks((1, 0, True))
    frames = {2: (0.1, one), 40: (2.0, replace(one, status=np.zeros(1, int))), 77: (5.0, one)}
    assert leave(tmp_path / "told", frames).tracked.tolist() == [2, 40, 77]
    assert leave(tmp_path / "seen", frames, json=False).tracked.tolist() == [2, 77]


def test_what_else_detections_carried_is_what_was_written(tmp_path):
    rows = tracks((2, 1, True), (5, 0, True))
    data = {"plate": np.array(["AB 1", "CD 2"], object), "place": np.array([[1.0, 2.0], [3.0, np.nan]])}
    run = leave(tmp_path, {1: (0.0, replace(rows, detected=Columns(data=data))), 2: (0.1, rows)})
    assert run.annotations.columns.data["plate"].tolist() == ["AB 1", "CD 2", None, None]
    assert run.annotations.columns.data["place"].tolist() == [[1.0, 2.0], [3.0, None], None, None]


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("run.yaml", None, "no run.yaml"),
        ("run.yaml", "- 1", "not the record of a run"),
        ("tracks.csv", "frame,time_s\n1,0\n", "not as `track` writes it"),
        ("tracks.csv", "frame,time_s\n1\n", "not as `track` writes it"),
        ("tracks.csv", "\udcff", "cannot be read as a table"),
        ("tracks.jsonl", "{", "cannot be read as JSON lines"),
        ("tracks.jsonl", '{"frame": 1, "time_s": 0, "tracks": [{"id": 9, "mask": {}}]}', "not as `track` writes it"),
    ],
)
def test_what_is_no_run_is_told_in_a_sentence(tmp_path, file, content, said):
    leave(tmp_path, {1: (0.0, tracks((1, 0, True)))})
    (tmp_path / file).unlink() if content is None else (tmp_path / file).write_bytes(
        content.encode(errors="surrogateescape")
    )
    with pytest.raises(DataError, match=said):
        _ = FinishedRun.read(tmp_path).annotations


def test_a_path_without_a_run_is_told_for_what_it_is(tmp_path):
    (tmp_path / "runs").mkdir()
    leave(tmp_path / "runs" / "video", {1: (0.0, tracks((1, 0, True)))})
    (tmp_path / "empty").mkdir()
    (tmp_path / "video.mp4").touch()
    for name, said in (
        ("runs", f"a folder of runs (1 of them); give one of these, such as {tmp_path / 'runs' / 'video'}"),
        ("empty", "has no run.yaml"),
        ("video.mp4", "video.mp4 is no folder; give the one that `track` left of it"),
        ("nowhere", "there is no folder"),
    ):
        with pytest.raises(DataError, match=re.escape(said)):
            FinishedRun.read(tmp_path / name)


def test_metres_and_summary_are_read_in_the_order_of_the_rows(tmp_path):
    found = leave(tmp_path, {1: (0.0, tracks((5, 0, True))), 2: (0.1, tracks((2, 0, True), (5, 0, True)))})
    assert found.on_ground is None and found.summary == {}
    header, *rows = (tmp_path / "tracks.csv").read_text().splitlines()
    more = ["1,2,,", "3,4,0.5,0.1", ",,,"]
    lines = [
        f"{header},x_m,y_m,speed_m_s,speed_std_m_s",
        *(f"{row},{end}" for row, end in zip(rows, more, strict=True)),
    ]
    (tmp_path / "tracks.csv").write_text("\n".join([lines[0], lines[1], lines[3], lines[2]]) + "\n")  # ids out of order
    (tmp_path / "summary.csv").write_text(
        "id,class,name,path_px,path_m,object_name\n2,0,person,12.5,,\n5,0,person,3.0,1.25,Anna\n"
    )
    record = yaml.safe_load((tmp_path / "run.yaml").read_text())
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(record | {"camera": {}}))
    read = FinishedRun.read(tmp_path)
    assert read.annotations.ids.tolist() == [5, 2, 5]
    assert np.array_equal(read.on_ground, [[1, 2, np.nan, np.nan], [3, 4, 0.5, 0.1], [np.nan] * 4], equal_nan=True)
    assert read.object_names == {5: "Anna"}
    assert read.summary["path_px"].tolist() == [12.5, 3.0] and np.isnan(read.summary["path_m"][0])


@pytest.mark.parametrize("file", ["tracks.csv", "summary.csv"])
def test_metres_that_are_no_numbers_are_told(tmp_path, file):
    run = leave(tmp_path, {1: (0.0, tracks((5, 0, True)))})
    run.record["camera"] = {}
    header = (tmp_path / "tracks.csv").read_text().splitlines()[0] + ",x_m,y_m,speed_m_s,speed_std_m_s"
    (tmp_path / file).write_text(f"{header}\n1,0,5,0,person,1,1,1,2,2,confirmed,here,2,,\n")
    with pytest.raises(DataError, match=f"{file} is not as `track` writes it"):
        _ = run.on_ground if file == "tracks.csv" else run.summary


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("size", ["wide", 240]), ("size", [0, 240]), ("size", 5), ("vid_stride", "all"), ("vid_stride", -1),
        ("frames_per_s", "fast"), ("frames_per_s", float("nan")), ("frames_per_s", -30.0),
    ],
)  # fmt: skip
def test_a_record_that_lies_is_refused_in_a_sentence(tmp_path, key, value):
    folder = leave_run(tmp_path / "run", annotated([(1, 1, 0, 0, 9, 9)])).folder
    record = yaml.safe_load((folder / "run.yaml").read_text())
    record["source"][key] = value
    (folder / "run.yaml").write_text(yaml.safe_dump(record))
    with pytest.raises(DataError, match=r"run\.yaml is not the record"):
        FinishedRun.read(folder)


def test_a_folder_without_its_table_is_told_in_a_sentence(tmp_path):
    folder = leave_run(tmp_path / "run", annotated([(1, 1, 0, 0, 9, 9)])).folder
    (folder / "tracks.csv").unlink()
    with pytest.raises(DataError) as refused:
        assert FinishedRun.read(folder).annotations
    assert str(refused.value) == f"{folder} has no tracks.csv; run `track` again, or give another folder"


@pytest.mark.parametrize("row", ["4000000000,1,0,0,9,9", "0,1,0,0,9,9", "1,-1,0,0,9,9", "1,99999999999,0,0,9,9",
                                 "1,1,nan,0,9,9", "1,1,0,0,inf,9"])  # fmt: skip
def test_a_table_that_lies_is_refused_before_it_fills_the_memory(tmp_path, row):
    folder = leave_run(tmp_path / "run", annotated([(1, 1, 0, 0, 9, 9)])).folder
    frame, track, *box = row.split(",")
    line = ",".join([frame, "0.0", track, "0", "person", "0.9", *box, "confirmed"])
    header = (folder / "tracks.csv").read_text().splitlines()[0]
    (folder / "tracks.csv").write_text(f"{header}\n{line}\n")
    with pytest.raises(DataError, match=r"tracks\.csv is not as"):
        assert FinishedRun.read(folder).annotations
