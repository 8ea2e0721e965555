"""A corrected run is a ground truth: scores of the run against it are as computed by hand, and trainings read it."""

import json
from math import sqrt

import pytest

from helpers.finished_runs import annotated, as_sequence, leave_run, walking
from tracker.cli import main
from tracker.datasets.finished_run import FinishedRun
from tracker.evaluation.tracking import score
from tracker.jobs.conversion.convert import convert
from tracker.jobs.corrections.apply import apply
from tracker.jobs.corrections.edits import Delete, EditList, Interpolate, Merge, PlaceBox, Split, Swap, fingerprint

FIRST = walking(1, range(1, 21), (40, 100), (4, 0))
SECOND = walking(2, range(1, 21), (280, 200), (-4, 0))


def numbered(rows, change):
    return [(frame, change(frame, track), *rest) for frame, track, *rest in rows]


def corrected(tmp_path, rows, *edits):
    """The run of these rows, and as it is corrected."""
    run = leave_run(tmp_path / "run", annotated(rows, 20))
    EditList(fingerprint(run.folder), edits).save(run.folder)
    return run, FinishedRun.read(apply(run.folder, video=False).folder)


SWAPPED = numbered(FIRST + SECOND, lambda frame, track: 3 - track if frame > 10 else track)
BROKEN = numbered(FIRST, lambda frame, _: 1 if frame <= 10 else 5)
STRANGER = walking(9, range(1, 6), (150, 60), (0, 0))


@pytest.mark.parametrize(
    ("rows", "edits", "hota", "switches"),
    [
        # each object is under each id for half of its time: 10 / (10 + 10 + 10) for every box
        pytest.param(SWAPPED, [Swap((1, 2), 11)], sqrt(1 / 3), 2, id="swap"),
        # one object under two ids, half of its time each: 10 / (10 + 10)
        pytest.param(BROKEN, [Merge(5, 1)], sqrt(1 / 2), 1, id="merge"),
        # one id for two objects, half of its time each
        pytest.param(numbered(BROKEN, lambda *_: 1), [Split(1, 11, 2)], sqrt(1 / 2), 0, id="split"),
        # 20 boxes of an object and 5 of nothing
        pytest.param(FIRST + STRANGER, [Delete(9)], sqrt(20 / 25), 0, id="delete"),
        # 15 of 20 boxes: of those that are found, and of those that are under the id
        pytest.param(FIRST[:10] + FIRST[15:], [Interpolate(1, 10, 16)], sqrt(15 / 20 * 15 / 20), 0, id="interpolate"),
        # 19 of 20 boxes right, one beside the object: 19 / (19 + 1 + 1), twice
        pytest.param(
            [*FIRST[:19], (20, 1, 200, 10, 220, 50)],
            [PlaceBox(1, 20, FIRST[19][2:])],
            sqrt(19 / 21 * 19 / 21),
            0,
            id="box",
        ),
    ],
)
def test_hota_of_a_run_against_its_correction_is_as_computed_by_hand(tmp_path, rows, edits, hota, switches):
    run, better = corrected(tmp_path, rows, *edits)
    as_sequence(better, tmp_path / "truth" / "tracks")  # the name of the result file, tracks.txt
    before = score(tmp_path / "truth", run.folder, preproc=False)["combined"]
    after = score(tmp_path / "truth", better.folder, preproc=False)["combined"]
    assert before["HOTA"] == pytest.approx(100 * hota, abs=1e-6) and before["IDSW"] == switches
    assert (after["HOTA"], after["IDF1"], after["IDSW"], after["FP"], after["FN"]) == pytest.approx((100, 100, 0, 0, 0))


def test_what_was_drawn_between_boxes_is_truth_by_way_of_track_convert_too_in_all_classes(tmp_path):
    """A person that was interpolated, and a car, which no rule of MOT16's is to take away."""
    car = [(*row, 2) for row in numbered(SECOND, lambda frame, _: 2 if frame <= 10 else 5)]
    run, better = corrected(tmp_path, FIRST[:10] + FIRST[15:] + car, Interpolate(1, 10, 16), Merge(5, 2))
    convert(better.folder, "mot", tmp_path / "truth" / "tracks")
    assert (tmp_path / "truth" / "tracks" / "gt" / "labels.txt").read_text() == "person\ncar\n"
    after = score(tmp_path / "truth", better.folder)["combined"]
    assert (after["HOTA"], after["FP"], after["FN"]) == pytest.approx((100, 0, 0))
    before = score(tmp_path / "truth", run.folder)["combined"]
    assert (before["FP"], before["FN"], before["IDSW"]) == (0, 5, 1)


class TestADatasetOfACorrectedRun:
    @pytest.fixture
    def folder(self, tmp_path):
        _, better = corrected(tmp_path, SWAPPED, Swap((1, 2), 11))
        as_sequence(better, tmp_path / "data" / "corrected", detections=True)
        return tmp_path / "data"

    def test_is_evaluated(self, folder, tmp_path):
        with pytest.raises(SystemExit) as ended:
            main(["eval", str(folder), "--out", str(tmp_path / "out"), "--quiet"])
        assert not ended.value.code
        found = json.loads((tmp_path / "out" / "metrics.json").read_text())["combined"]
        assert found["HOTA"] > 95 and found["IDSW"] == 0

    def test_is_learned_from(self, folder):
        from tracker.train.motion.tracks import read_tracks

        tracks = read_tracks([folder])
        assert len(tracks) == 2 and tracks.length.tolist() == [20, 20]
        assert tracks.xyxy[0].tolist() == pytest.approx(FIRST[0][2:])

    def test_is_tuned_on(self, folder, tmp_path):
        pytest.importorskip("optuna")
        with pytest.raises(SystemExit) as ended:
            main(["tune", str(folder), "--trials", "1", "--out", str(tmp_path / "tuned"), "--quiet"])
        assert not ended.value.code and (tmp_path / "tuned").is_dir()
