"""Scores are TrackEval's, whatever the quirks of the files; a file that cannot be scored is said."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers.walkers import LENGTH, make_sequence, perfect, write_results
from tracker.datasets.mot import CLASS, FLAG, find_sequences
from tracker.errors import DataError
from tracker.evaluation.tracking import METRICS, score

SHARED = Path(__file__).parents[3] / "shared"
PERFECT = [100] * 5 + [0] * 4 + [100] * 2 + [0] * 3


@pytest.mark.parametrize(
    "line",
    [
        "{f},{i},{x},20,30,60,1,1,1",
        "{f}, {i}, {x}, 20, 30, 60, 1, 1, 1",
        "{f},{i},{x},20,30,60,1,-3.1,14.2,0.5",
        "{f},{i},{x},20,30,60,1,-1,-1,-1",
    ],
    ids=["MOT17", "SportsMOT", "PETS", "MOT15"],
)
def test_perfect_tracks_score_100(tmp_path: Path, line: str) -> None:
    make_sequence(tmp_path / "gt", "A", line)
    write_results(tmp_path / "out", "A", perfect())
    scores = score(tmp_path / "gt", tmp_path / "out")
    assert tuple(scores["combined"]) == METRICS
    assert scores["combined"] == scores["sequences"]["A"]
    assert [scores["combined"][m] for m in METRICS] == pytest.approx(PERFECT)


def test_a_switched_identity_counts_once(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A")
    rows = [(f, i + 5 * (f > 10 and i == 11), *box) for f, i, *box in perfect()]
    write_results(tmp_path / "out", "A", rows)
    combined = score(tmp_path / "gt", tmp_path / "out")["combined"]
    assert combined["IDSW"] == 1
    assert combined["MOTA"] == pytest.approx(100 * (1 - 1 / (2 * LENGTH)))
    assert combined["IDF1"] == pytest.approx(75)  # half of one of two objects belongs to another track
    assert combined["Purity"] == 100 and combined["Completeness"] == pytest.approx(75)
    assert combined["WrongID"] == pytest.approx(25) and combined["WrongID_frames"] == LENGTH / 2
    assert combined["WrongID_s"] == pytest.approx(LENGTH / 2 / 25)


def test_no_tracks_at_all_score_0(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A")
    write_results(tmp_path / "out", "A", [])
    combined = score(tmp_path / "gt", tmp_path / "out")["combined"]
    assert combined["HOTA"] == 0 and combined["FN"] == 2 * LENGTH


def test_other_classes_count_only_without_preprocessing(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A", "{f},{i},{x},20,30,60,1,{i},1")  # a pedestrian and a person on a vehicle
    write_results(tmp_path / "out", "A", [row for row in perfect() if row[1] == 11])
    assert score(tmp_path / "gt", tmp_path / "out", preproc=True)["combined"]["FN"] == 0
    assert score(tmp_path / "gt", tmp_path / "out", preproc=False)["combined"]["FN"] == LENGTH


def test_boxes_on_distractors_are_not_held_against_the_tracker(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A", "{f},{i},{x},20,30,60,1,{i},1")
    write_results(tmp_path / "out", "A", perfect())
    assert score(tmp_path / "gt", tmp_path / "out")["combined"]["FP"] == 0


def test_only_the_sequences_asked_for_are_scored(tmp_path: Path) -> None:
    for name in ("A", "B"):
        make_sequence(tmp_path / "gt", name)
    write_results(tmp_path / "out", "B", perfect())
    assert list(score(tmp_path / "gt", tmp_path / "out", ["B"])["sequences"]) == ["B"]


def test_scoring_is_silent_and_leaves_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_sequence(tmp_path / "gt", "A")
    write_results(tmp_path / "out", "A", perfect())
    score(tmp_path / "gt", tmp_path / "out")
    assert capfd.readouterr() == ("", "")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["A.txt"]


def test_what_cannot_be_scored_is_said(tmp_path: Path) -> None:
    make_sequence(tmp_path / "gt", "A")
    with pytest.raises(DataError, match=r"A\.txt does not exist"):
        score(tmp_path / "gt", tmp_path / "out")
    write_results(tmp_path / "out", "A", [*perfect(), perfect()[3]])
    with pytest.raises(DataError, match=r"A\.txt line 41: id 12 twice in frame 2"):
        score(tmp_path / "gt", tmp_path / "out")
    write_results(tmp_path / "out", "A", [(LENGTH + 1, 1, 0, 0, 9, 9)])
    with pytest.raises(DataError, match="frame 21, but A has 20 frames"):
        score(tmp_path / "gt", tmp_path / "out")
    with pytest.raises(DataError, match=r"no ground truth .* for sequence Z"):
        score(tmp_path / "gt", tmp_path / "out", ["Z"])


TRACKEVALS_SCRIPT = """
import sys, trackeval
from trackeval.cli.modify_with_cmd_line import modify_with_cmd_line
evaluation = trackeval.Evaluator.get_default_eval_config()
dataset = trackeval.datasets.MotChallenge2DBox.get_default_dataset_config()
config = {**evaluation, **dataset}
modify_with_cmd_line(config, sys.argv[1:])
metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR(), trackeval.metrics.Identity()]
trackeval.Evaluator({key: config[key] for key in evaluation}).evaluate(
    [trackeval.datasets.MotChallenge2DBox({key: config[key] for key in dataset})], metrics
)
"""  # TrackEval's run_mot_challenge.py, which is in its repository and not in its package


def test_scores_are_those_of_trackevals_command_line(tmp_path: Path) -> None:
    """In the layout that it reads, with distractors, jitter, misses and switches; all that it writes of our metrics."""
    rng = np.random.default_rng(0)
    truth, results = tmp_path / "gt" / "MOT17-train", tmp_path / "trackers" / "MOT17-train" / "ours" / "data"
    for name in ("A", "B"):
        make_sequence(truth, name, "{f},{i},{x},20,30,60,1,{i},1")  # a pedestrian and a person on a vehicle
        rows = [
            (f, i + 5 * (f > 10), *(box + rng.normal(0, 4, 4)).round(2))
            for f, i, *box in perfect()
            if rng.random() < 0.9
        ]
        write_results(results, name, rows)
    (tmp_path / "gt" / "seqmaps").mkdir()
    (tmp_path / "gt" / "seqmaps" / "MOT17-train.txt").write_text("name\nA\nB\n")
    arguments = f"--BENCHMARK MOT17 --GT_FOLDER {tmp_path}/gt --TRACKERS_FOLDER {tmp_path}/trackers --PLOT_CURVES False"
    subprocess.run([sys.executable, "-c", TRACKEVALS_SCRIPT, *arguments.split()], capture_output=True, check=True)
    with (results.parent / "pedestrian_detailed.csv").open(newline="") as file:
        theirs = {row["seq"]: row for row in csv.DictReader(file)}
    ours = score(truth, results)
    shares = {"HOTA": "HOTA___AUC", "DetA": "DetA___AUC", "AssA": "AssA___AUC", "MOTA": "MOTA", "IDF1": "IDF1"}
    counts = {"IDSW": "IDSW", "Frag": "Frag", "FP": "CLR_FP", "FN": "CLR_FN"}
    for name, scores in {"COMBINED": ours["combined"], **ours["sequences"]}.items():
        for key, column in shares.items():
            assert scores[key] == 100 * float(theirs[name][column]), (name, key)
        assert {key: float(theirs[name][column]) for key, column in counts.items()} == {k: scores[k] for k in counts}
    assert 0 < ours["combined"]["HOTA"] < 100 and ours["combined"]["IDSW"] > 0


@pytest.mark.slow
@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
def test_all_of_mot17_against_itself_scores_100(tmp_path: Path) -> None:
    for sequence in find_sequences([SHARED / "data" / "mot17"]):
        truth = sequence.ground_truth()
        rows = truth[(truth[:, FLAG] > 0) & (truth[:, CLASS] == 1)][:, :6]
        write_results(tmp_path, sequence.name, [tuple(row) for row in rows])
    scores = score(SHARED / "data" / "mot17", tmp_path)
    assert len(scores["sequences"]) == 7
    assert [scores["combined"][m] for m in METRICS] == pytest.approx(PERFECT)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
def test_a_damaged_mot17_scores_as_the_papers_script_says(tmp_path: Path) -> None:
    sequences = find_sequences([SHARED / "data" / "mot17"])[2:3]
    root, names = SHARED / "data" / "mot17", [s.name for s in sequences]
    rng = np.random.default_rng(0)
    for sequence in sequences:
        truth = sequence.ground_truth()
        rows = truth[(truth[:, FLAG] > 0) | (rng.random(len(truth)) < 0.3)][:, :6]
        rows[:, 2:4] += rng.normal(0, 6, (len(rows), 2)).round(2)
        rows[rng.random(len(rows)) < 0.02, 1] += 1000
        write_results(tmp_path / "damaged", sequence.name, [tuple(r) for r in rows])

    script = (
        "import json, sys; from pathlib import Path; import mot17_half as m;"
        "print(json.dumps(m.evaluate(Path(sys.argv[1]), Path(sys.argv[2]), ['damaged'], sys.argv[3:])['damaged']))"
    )
    arguments = [str(root), str(tmp_path), *names]
    environment = os.environ | {"PYTHONPATH": str(SHARED / "bench")}
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    theirs = json.loads(done.stdout)
    ours = score(root, tmp_path / "damaged", names)
    assert {name: ours["combined"][name] for name in theirs["ALL"]} == theirs["ALL"]
    assert ours["combined"]["IDSW"] > 0 and 0 < ours["combined"]["HOTA"] < 100
