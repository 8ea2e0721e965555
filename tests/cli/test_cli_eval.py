"""`track eval`: what it writes, what it prints, and what it says where it cannot."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml

from helpers.walkers import LENGTH, make_detected, perfect, write_results
from tracker.cli import main
from tracker.detection import yolo
from tracker.detection.detector import EMBEDDED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two sequences with two people each, detected perfectly."""
    for name in ("A", "B"):
        make_detected(tmp_path / "data", name)
    return tmp_path / "data"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of `track eval`."""
    with pytest.raises(SystemExit) as done:
        main(["eval", *map(str, arguments)])
    out, err = capsys.readouterr()
    return int(done.value.code or 0), out, err


def left(out: Path) -> set[str]:
    """Names of what is in a folder, but for the mark by which it is known again."""
    return {path.name for path in out.iterdir()} - {".made-by-track-eval"}


def test_results_metrics_and_report_are_written(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    code, table, _ = run(capsys, root, "--out", out)
    assert code == 0
    assert left(out) == {"A.txt", "B.txt", "metrics.json", "report.html", "run.yaml"}
    lines = (out / "A.txt").read_text().splitlines()
    assert len(lines) == 2 * LENGTH  # the first frames too, written once the tracks are confirmed
    assert lines[0].split(",")[0] == "1" and len(lines[0].split(",")) == 10
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["combined"]["HOTA"] > 98 and set(metrics["sequences"]) == {"A", "B"}
    assert metrics["update_fps"] > 0
    assert "HOTA" in table and "all" in table


def test_fewer_frames_are_looked_at_and_all_are_reported(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, share in (((), 1.0), (("--detect-every", "4"), 0.25), (("--detect-every", "0.12s"), 0.35)):
        out = tmp_path / f"out{share}"
        code, _, _ = run(capsys, root, "--out", out, *options)
        metrics = json.loads((out / "metrics.json").read_text())
        assert code == 0 and metrics["looked_at_share"] == share
        assert metrics["combined"]["HOTA"] > 97
        assert len((out / "A.txt").read_text().splitlines()) == 2 * LENGTH
    with pytest.raises(SystemExit):
        main(["explain", str(tmp_path / "out0.25"), "--sequence", "A", "--id", "1", "--frame", "6"])
    assert "frame 6 was not looked at (--detect-every)" in capsys.readouterr().err
    code, _, said = run(capsys, root, "--out", tmp_path / "none", "--detect-every", "often")
    assert code != 0 and "--detect-every: detector.every is 'often'; give a number of frames" in said


def test_names_with_brackets_are_names(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Rich reads `[name]` as markup: it swallowed it, and fell over what closes nothing, `[` and `/x]`."""
    (root / "A").rename(root / "A[bold] :car:")
    for command, options in (("eval", ()), ("eval-motion", ("--models", "kalman", "--horizons", "1"))):
        out = tmp_path / "out [" / "x] :car:" / command
        with pytest.raises(SystemExit) as done:
            main([command, str(root), "--out", str(out), *options])
        assert not done.value.code
        shown, said = capsys.readouterr()
        assert str(out) in said
        assert command == "eval-motion" or "A[bold] :car:" in shown


def test_ids_start_anew_in_each_sequence(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, root, "--out", tmp_path / "out", "--quiet")
    assert (tmp_path / "out" / "A.txt").read_bytes() == (tmp_path / "out" / "B.txt").read_bytes()


def test_strictly_online_nothing_is_written_late(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "careful.yaml"
    config.write_text("bank: {confirm_hits: 3}")
    for mode, first in ((["--strict-online"], 2), ([], 1)):
        out = tmp_path / f"from-{first}"
        run(capsys, root / "A", "--out", out, "--quiet", "--config", config, *mode)
        frames = [int(line.split(",")[0]) for line in (out / "A.txt").read_text().splitlines()]
        assert min(frames) == first and max(frames) == LENGTH


def test_json_is_all_that_is_printed(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, root / "A", "--out", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "metrics.json").read_text())


def test_quiet_prints_nothing(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, root / "A", "--out", tmp_path / "out", "--quiet") == (0, "", "")


def test_other_trackers_stand_beside(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # no path is broken into lines
    other = tmp_path / "rival"
    write_results(other, "A", [row for row in perfect() if row[1] == 11])
    _, table, _ = run(capsys, root / "A", "--out", tmp_path / "out", "--against", other)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["against"][str(other)]["combined"]["FN"] == LENGTH
    assert "rival" in table


def test_identities_stand_in_the_metrics_and_in_a_second_table(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "rival"
    write_results(other, "A", [(f, i + 5 * (f > 15 and i == 11), *box) for f, i, *box in perfect()])
    _, table, _ = run(capsys, root / "A", "--out", tmp_path / "out", "--against", other)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    found = metrics["against"][str(other)]["combined"]
    assert found["Purity"] == 100 and found["Completeness"] == pytest.approx(100 * 35 / 40)
    assert found["WrongID"] == pytest.approx(100 * 5 / 40)
    assert found["WrongID_frames"] == 5 and found["WrongID_s"] == pytest.approx(5 / 25)
    assert metrics["combined"]["Purity"] == metrics["sequences"]["A"]["Completeness"] == 100
    assert "100.00 87.50 12.50 0.20 unknown" in " ".join(table.split())


@pytest.mark.parametrize("width", [80, 100])
def test_both_tables_fit_in_a_terminal(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    (root / "A").rename(root / "MOT17-02-FRCNN")
    sequence, other = root / "MOT17-02-FRCNN", tmp_path / ("a-folder-whose-path-is-too-long" * 3)
    write_results(other, sequence.name, perfect())
    _, table, _ = run(capsys, sequence, "--out", tmp_path / "out", "--against", other)
    titles = ["HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "Frag", "FP", "FN"]
    titles += ["Purity", "Completeness", "WrongID", "WrongID_s", "Written"]
    assert [word for word in table.split() if word in titles] == titles
    assert "…" not in table and max(map(len, table.splitlines())) <= width
    whole = [line.split() for line in table.splitlines() if line.split()[:1] in (["MOT17-02-FRCNN"], ["all"])]
    assert [len(words) for words in whole] == [10, 10, 8, 8]  # "0.5 s late" are three
    assert table.count("100.00") >= 9 and table.count("unknown") == 1


def test_how_late_each_file_was_written_is_said(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, option in (("online", "--strict-online"), ("offline", "--offline")):
        run(capsys, root, "--out", tmp_path / name, "--quiet", option)
    for name in "AB":
        late = [(f + 9, *row) for f, *row in perfect() if f + 9 <= LENGTH]
        write_results(tmp_path / "rival", name, late if name == "B" else perfect())
    folders = [tmp_path / name for name in ("online", "offline", "rival")]
    options = [word for folder in folders for word in ("--against", folder)]
    run(capsys, root, "--out", tmp_path / "out", "--quiet", *options)
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    told = {Path(key).name: value["written"] for key, value in metrics["against"].items()} | {"": metrics["written"]}
    modes = {name: {late["mode"] for late in written.values()} for name, written in told.items()}
    assert modes == {"": {"fixed lag"}, "online": {"online"}, "offline": {"offline"}, "rival": {"unknown"}}
    assert {late["lag_s"] for late in told[""].values()} == {0.5}
    shifts = {name: [late["shift_frames"] for late in written.values()] for name, written in told.items()}
    assert shifts == {"": [0, 0], "online": [0, 0], "offline": [0, 0], "rival": [0, 9]}
    page = (tmp_path / "out" / "report.html").read_text()
    assert '<td class="words">0.5 s late</td>' in page and '<td class="words">strictly online</td>' in page
    assert ">unknown; but B: unknown, boxes numbered 9 frames (0.36 s) too late</td>" in page


def test_without_ground_truth_there_are_results_and_no_scores(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "A" / "gt" / "gt.txt").unlink()
    code, out, _ = run(capsys, root / "A", "--out", tmp_path / "out")
    assert code == 0 and "no ground truth" in out
    assert left(tmp_path / "out") == {"A.txt", "run.yaml"}


@pytest.fixture
def detecting(root: Path, tmp_path: Path) -> list[object]:
    """Sequence A with images, and what lets our detector look at them."""
    (root / "A" / "img1").mkdir()
    for frame in range(1, LENGTH + 1):
        cv2.imwrite(str(root / "A" / "img1" / f"{frame:06d}.png"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "small.yaml").write_text("detector: {imgsz: 64}\n")
    return [root / "A", "--detections", "yolo", "--config", tmp_path / "small.yaml"]


@pytest.mark.parametrize(("classes", "said"), [((), True), (("--classes", "person"), False)])
def test_that_more_than_people_was_scored_is_said(
    detecting: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str], classes: tuple[str, ...], said: bool
) -> None:
    code, _, err = run(capsys, *detecting, "--out", tmp_path / "out", *classes)
    assert code == 0 and ("not people alone; see --classes" in err) == said


def test_any_detector_looks_at_the_images(
    detecting: list[object], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tmp_path / "pallets.pt"
    torch.save({"model": yolo.with_classes(yolo.load(EMBEDDED)[0], {0: "forklift", 1: "pallet"})}, weights)
    arguments = [*detecting, "--out", tmp_path / "out", "--model", weights, "--classes", "pallet"]
    code, _, err = run(capsys, *arguments)
    assert code == 0, err
    record = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
    assert record["weights"]["detector"]["file"] == str(weights)
    code, _, err = run(capsys, *arguments[:-1], "person")
    assert code == 2 and "no class 'person'; it knows forklift, pallet" in err


@pytest.mark.parametrize("option", ["--model=a.pt", "--classes=person", "--prompt=fish", "--download"])
def test_what_only_our_detector_takes_is_not_passed_over(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    code, _, err = run(capsys, root, "--out", tmp_path / "out", option)
    assert code == 2 and not (tmp_path / "out").exists()
    name = option.partition("=")[0]
    assert err == f"error: {name} is for our detector, which --detections det leaves out; give --detections yolo, too\n"


def test_scores_of_an_earlier_run_do_not_stay(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys, root / "A", "--out", tmp_path / "out", "--quiet")
    (root / "A" / "gt" / "gt.txt").unlink()
    run(capsys, root / "A", "--out", tmp_path / "out", "--quiet")
    assert left(tmp_path / "out") == {"A.txt", "run.yaml"}


def test_camera_motion_comes_from_the_file_unless_told_otherwise(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shift = "1 1 0 0 0 1 0\n" + "".join(f"{f} 1 0 150 0 1 0\n" for f in range(2, LENGTH + 1))
    (root / "A" / "gmc.txt").write_text(shift)  # the camera is said to jump; the boxes do not
    ids = {}
    for method in ((), ("--camera-motion", "none")):
        run(capsys, root / "A", "--out", tmp_path / "out", "--quiet", *method)
        ids[method] = {line.split(",")[1] for line in (tmp_path / "out" / "A.txt").read_text().splitlines()}
    assert len(ids["--camera-motion", "none"]) == 2
    assert ids[()] != ids["--camera-motion", "none"]


@pytest.mark.parametrize(
    ("case", "arguments", "message"),
    [
        ("no such root", ["nowhere"], "is not a folder"),
        ("images that are not there", ["data", "--detections", "yolo"], "0 images for 20 frames"),
        ("camera motion that is not there", ["data", "--camera-motion", "file"], "gmc.txt does not exist"),
        ("results that are not there", ["data", "--against", "nowhere"], "does not exist"),
        ("no such preset", ["data", "--config", "nonsense"], "no configuration"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    case: str,
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(capsys, *arguments, "--out", "out", "--quiet")
    assert code in (1, 2), case
    assert err.startswith("error: ") and message in err and len(err.splitlines()) == 1


def test_what_another_tracker_wrote_stays_also_in_a_folder_of_ours(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run(capsys, root / "A", "--out", out, "--quiet")[0] == 0
    (out / "B.txt").write_text("of another tracker")
    before = {path: path.read_bytes() for path in out.iterdir()}
    code, _, said = run(capsys, root, "--out", out)
    assert code == 1 and f"{out / 'B.txt'} was not made by track eval" in said
    assert before == {path: path.read_bytes() for path in out.iterdir()}
