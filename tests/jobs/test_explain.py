"""`track explain`: what a run did in a frame, told from a repetition of it; stories of lost, taken and new tracks."""

import json
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from helpers.clips import BUS, pan
from helpers.walkers import LENGTH, make_sequence
from tracker.cli import main
from tracker.detection.detector import EMBEDDED
from tracker.errors import DataError, UsageError
from tracker.jobs.explain import explain


def rows(*boxes, frames=range(1, LENGTH + 1)):
    """det.txt's lines: each box is (left, top, score), 30 x 60 px, moving 2 px a frame to the right."""
    return [
        f"{f},-1,{left + 2 * f},{top},30,60,{score}\n"
        for f in frames
        for left, top, score, *some in boxes
        if not some or f in some[0]
    ]


@pytest.fixture
def evaluated(tmp_path, monkeypatch, capsys):
    """Makes a sequence with these detections, runs `track eval` on it, returns the run's folder."""
    monkeypatch.chdir(tmp_path)

    def make(lines, *options, pictures=()):
        sequence = tmp_path / "data" / "A"
        make_sequence(sequence.parent, sequence.name)
        (sequence / "det").mkdir()
        (sequence / "det" / "det.txt").write_text("".join(lines))
        (sequence / "img1").mkdir()
        for number, picture in enumerate(pictures, 1):
            cv2.imwrite(str(sequence / "img1" / f"{number:06d}.png"), picture)
        cli(capsys, "eval", "data", "--out", "out", "--quiet", *options)
        return tmp_path / "out"

    return make


def cli(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main(list(map(str, words)))
    assert not end.value.code, capsys.readouterr().err
    return capsys.readouterr().out


def test_a_matched_track_shows_every_term_and_the_runner_up(evaluated):
    found = explain(evaluated(rows((100, 20, 0.9), (118, 20, 0.8))), 1, 10)
    assert (found.state, found.last_seen, found.next_reported, found.last_reported) == ("confirmed", 9, 11, LENGTH)
    assert found.unseen_s == pytest.approx(1 / 25)
    own, other = found.pairs
    assert own.verdict == "matched" and own.stage == "confident" and own.similarity > own.gate
    assert own.iou > other.iou and re.fullmatch(r"track 2 took it \(0\.9\d\)", other.verdict)
    assert "matched to detection 1 in the stage confident" in found.answer and "next, detection 2" in found.answer
    assert found.remark == ""


def test_the_terms_that_are_told_make_up_the_similarity_that_decided(evaluated):
    """In float32, in which the tracker computed it, to the last bit."""
    found = explain(evaluated(rows((100, 20, 0.9), (118, 26, 0.8), (90, 10, 0.7))), 1, 10)
    assert len(found.pairs) == 3
    for pair in found.pairs:
        product = np.float32(pair.grown_iou) * np.float32(pair.vertical) * np.float32(pair.same_class)
        assert product + np.float32(pair.look) == np.float32(pair.similarity)


def test_a_lost_track_says_which_detection_was_too_weak_for_it(evaluated):
    gone = range(1, 11)
    run = evaluated(rows((100, 20, 0.8, gone), (400, 20, 0.9)) + rows((100, 20, 0.2), frames=[13]))
    found = explain(run, 2, 13)
    assert (found.state, found.last_seen, found.next_reported, found.successor) == ("lost", 10, None, None)
    weak = found.pairs[0]
    assert (weak.stage, weak.gate) == (None, None) and "too unsure for a lost track" in weak.verdict
    assert "too unsure for a lost track" in found.answer and "no track has it" in found.answer


def test_a_track_that_is_in_the_file_without_a_detection_says_why(evaluated):
    blink = [*range(1, 9), *range(11, LENGTH + 1)]
    found = explain(evaluated(rows((100, 20, 0.9, blink), (400, 20, 0.9))), 1, 9)
    assert (found.state, found.last_seen, found.next_reported, found.remark) == ("confirmed", 8, 10, "")
    assert "not matched" in found.answer and "has a box of it all the same, by the frames around" in found.answer


def test_a_detection_out_of_reach_begins_a_track_and_both_say_so(evaluated):
    run = evaluated(rows((100, 20, 0.9, range(1, 11)), (200, 20, 0.9, range(11, LENGTH + 1))))
    old, new = explain(run, 1, 11), explain(run, 2, 11)
    assert (old.state, old.successor, old.next_reported) == ("confirmed", 2, None)
    assert "no detection overlaps it" in old.answer and "it began track 2" in old.answer
    assert (new.state, new.predicted, new.pairs[0].track) == ("new", None, 1)
    assert "Track 2 began with detection 1, which no track took" in new.answer
    late = explain(run, 2, 5)
    assert (late.state, late.pairs) == ("absent", []) and "it begins in frame 11" in late.answer


def test_a_track_that_was_given_up_is_not_expected(evaluated, tmp_path):
    (tmp_path / "quick.yaml").write_text("bank: {lost_s: 0.1}\n")
    run = evaluated(rows((100, 20, 0.9, range(1, 6)), (400, 20, 0.9)), "--config", "quick.yaml")
    found = explain(run, 1, 15)
    assert found.state == "absent" and "unseen for too long" in found.answer


def test_a_reidentified_track_goes_by_the_id_that_the_run_wrote(evaluated, tmp_path):
    """A person leaves and comes back elsewhere: a new track that turns out to be the old one."""
    person = cv2.resize(cv2.imread(str(BUS))[400:900, 50:240], (76, 200))
    places = {f: 100 if f <= 8 else 450 for f in range(1, LENGTH + 1) if not 8 < f < 15}
    pictures = []
    for frame in range(1, LENGTH + 1):
        pictures.append(np.full((480, 640, 3), 120, np.uint8))
        if frame in places:
            pictures[-1][100:300, places[frame] : places[frame] + 76] = person
    (tmp_path / "quick.yaml").write_text("bank: {lost_s: 0.1}\n")
    lines = [f"{f},-1,{x},100,76,200,0.9\n" for f, x in places.items()]
    run = evaluated(lines, "--config", "quick.yaml", pictures=pictures)
    away = explain(run, 1, 12)
    assert away.state == "departed" and "only its appearance can bring it back" in away.answer
    found = explain(run, 1, 15)
    assert (found.state, found.next_reported, found.remark) == ("new", 16, "")
    assert "came back" in found.answer and "new track 2 was re-identified as this one by its appearance" in found.answer
    assert [(back.absent, back.new) for back in found.returns] == [(1, 2)] and found.returns[0].odds > 1


def test_what_differs_from_the_run_is_said(evaluated):
    run = evaluated(rows((100, 20, 0.9)))
    detections = run.parent / "data" / "A" / "det" / "det.txt"
    detections.write_text("".join(rows((104, 20, 0.9))))
    assert "gives other tracks in frame 10 than" in explain(run, 1, 10).remark


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"track_id": 9}, UsageError, "no track 9 in out/A.txt; its ids run from 1 to 1"),
        ({"frame": 0}, UsageError, "frame is 0; frames count from 1"),
        ({"frame": 21}, UsageError, "frame 21 is not in out; it has frames 1 to 20"),
        ({"sequence": "B"}, UsageError, "out holds no sequence 'B'; it has: A"),
        ({"run": Path("data")}, DataError, "data has no run.yaml"),
    ],
)
def test_what_cannot_be_explained_is_said(evaluated, arguments, error, message):
    evaluated(rows((100, 20, 0.9)))
    with pytest.raises(error, match=re.escape(message)):
        explain(**{"run": Path("out"), "track_id": 1, "frame": 10} | arguments)


def test_an_offline_result_cannot_be_explained(evaluated):
    with pytest.raises(UsageError, match="--offline, which joins tracks afterwards"):
        explain(evaluated(rows((100, 20, 0.9)), "--offline"), 1, 10)


def test_the_run_is_found_again_from_another_folder(evaluated, tmp_path, monkeypatch, capsys):
    run = evaluated(rows((100, 20, 0.9)))
    (tmp_path / "pictures").mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / "pictures" / f"{number}.png"), cv2.imread(str(BUS)))
    shutil.copy(EMBEDDED, tmp_path / "own.safetensors")
    options = ["--imgsz", 320, "--no-video", "--quiet", "--model", "own.safetensors"]
    cli(capsys, "pictures/1.png", "pictures/2.png", "pictures/3.png", *options)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert explain(run, 1, 10).remark == ""
    assert explain(tmp_path / "runs" / "track" / "pictures", 1, 2).remark == ""


def test_the_video_is_looked_at_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pan(tmp_path / "pan.mp4", frames=8)
    cli(capsys, "pan.mp4", "--imgsz", 320, "--no-video", "--quiet", "--vid-stride", 2)
    run = "runs/track/pan"
    found = json.loads(cli(capsys, "explain", run, "--id", 1, "--frame", 5, "--json"))
    assert (found["state"], found["last_seen"], found["next_reported"], found["remark"]) == ("confirmed", 3, 7, "")
    assert found["pairs"][0]["verdict"] == "matched"
    table = cli(capsys, "explain", run, "--id", 1, "--frame", 5)
    assert "Track 1 (confirmed) was matched" in table and "detection 1: matched" in table
    assert max(map(len, table.splitlines()[2:])) <= 80
