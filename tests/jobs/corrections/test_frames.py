"""A run's rows, frame by frame, with what the tables do not say: repeats, and frames that were not looked at."""

from dataclasses import replace

import numpy as np
import pytest
import yaml

from helpers.finished_runs import annotated, leave_run, walking
from tracker.datasets.finished_run import FinishedRun
from tracker.jobs.corrections.corrected import corrected
from tracker.jobs.corrections.edits import Delete, PlaceBox
from tracker.jobs.corrections.frames import by_frame, repeated_frames


@pytest.fixture
def run(tmp_path):
    """Frame 4 shows the picture of frame 3 once more; nothing is there in frame 6."""
    rows = [row for track in (1, 2) for row in walking(track, range(1, 9), (50 * track, 100), (3, 0)) if row[0] != 6]
    again = [(4, *rest) for frame, *rest in rows if frame == 3]
    video = annotated([row for row in rows if row[0] != 4] + again, 8)
    return leave_run(tmp_path / "run", video, result={"frames_repeated": 1})


def with_record(run, **more):
    record = yaml.safe_load((run.folder / "run.yaml").read_text()) | more
    (run.folder / "run.yaml").write_text(yaml.safe_dump(record))
    return FinishedRun.read(run.folder)


def times(run, *edits):
    return [round(tracks.time_s, 6) for _, _, tracks in by_frame(run, corrected(run.annotations, edits))]


def test_a_repeat_is_at_the_time_of_the_picture_that_it_shows(run):
    assert times(run) == [0, 0.1, 0.2, 0.2, 0.4, 0.5, 0.6, 0.7]
    assert [shown for _, shown, _ in by_frame(run, run.annotations)] == pytest.approx(np.arange(8) / 10)
    assert repeated_frames(run).tolist() == [4]


def test_one_that_was_corrected_is_none(run):
    for edit in (Delete(1, 4, 4), PlaceBox(2, 4, (1, 1, 9, 9))):
        assert times(run, edit)[3] == 0.3


def test_what_stands_still_repeats_nothing_where_the_run_had_no_repeats(run):
    run = with_record(run, result={"frames": 8, "frames_repeated": 0})
    assert times(run)[3] == 0.3 and len(repeated_frames(run)) == 0


@pytest.mark.parametrize(("every", "looked"), [("1", [True] * 8), ("2", [True] * 5 + [False] + [True] * 2)])
def test_a_frame_in_which_nothing_was_detected_may_not_have_been_looked_at(run, every, looked):
    run = with_record(run, config={"detector": {"every": every, "skip_repeats": True}})
    assert [tracks.looked for _, _, tracks in by_frame(run, run.annotations)] == looked


def test_rows_are_tracks_as_the_writers_take_them(run):
    rows = replace(run.annotations, occluded=run.annotations.ids == 2)
    _, _, tracks = list(by_frame(run, rows))[1]
    assert (tracks.ids.tolist(), tracks.status.tolist(), tracks.detection_index.tolist()) == ([1, 2], [1, 2], [0, -1])
    assert tracks.interval_s == pytest.approx(0.1) and tracks.names[0] == "person"
