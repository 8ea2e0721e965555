"""Several processes find what one finds: `--jobs` of `track eval` and `track tune`."""

import csv
import json
import signal

import pytest

from helpers.commands import ended
from helpers.motion_data import write_sequence
from helpers.small_inputs import write_inputs
from tracker.cli import main
from tracker.errors import DataError
from tracker.jobs.tune import tune


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    for seed, name in enumerate("ABC"):
        write_sequence(root / "train", name, frames=30 + 10 * seed, tracks=4, seed=seed, detections=True)
    return root / "train"


def evaluated(words: list[str], out, capsys) -> tuple[dict[str, bytes], dict]:
    with pytest.raises(SystemExit) as left:
        main(["eval", *words, "--out", str(out), "--json"])
    assert not left.value.code
    metrics = json.loads(capsys.readouterr().out)
    del metrics["update_fps"]
    return {path.name: path.read_bytes() for path in out.glob("*.txt")}, metrics


@pytest.mark.parametrize("more", [[], ["--offline"]])
def test_eval_writes_and_scores_the_same(data, more, tmp_path, capsys):
    one = evaluated([str(data), *more], tmp_path / "one", capsys)
    assert evaluated([str(data), "--jobs", "2", *more], tmp_path / "two", capsys) == one
    assert sorted(one[0]) == ["A.txt", "B.txt", "C.txt"] and all(one[0].values())


@pytest.mark.slow
def test_eval_by_the_detector_writes_the_same(tmp_path, capsys):
    """The last bits of a convolution depend on how many threads share it, so processes have as many as this one."""
    root = write_inputs(tmp_path)
    words = [str(root / "MOT17/train"), "--detections", "yolo", "--config", str(root / "small.yaml")]
    one = evaluated(words, tmp_path / "one", capsys)
    assert evaluated([*words, "--jobs", "2"], tmp_path / "two", capsys) == one


def test_eval_says_what_is_wrong_as_one_process_does(data, tmp_path, capsys):
    code, err = ended(["eval", str(data), "--detections", "yolo", "--jobs", "2", "--out", str(tmp_path)], capsys)
    assert code == 1 and err.startswith("error: ") and "images for" in err and len(err.splitlines()) == 1


@pytest.mark.slow
def test_tune_makes_the_same_trials(data, tmp_path):
    def table(out):
        with (out / "trials.csv").open(newline="") as file:
            return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]

    for jobs in (1, 2):
        tune([data], tmp_path / str(jobs), 13, jobs=jobs)
    assert table(tmp_path / "1") == table(tmp_path / "2")
    assert any(row["state"] == "pruned" for row in table(tmp_path / "1")), "none was given up, which is to be tested"


def test_tune_says_what_is_wrong_as_one_process_does(data, tmp_path):
    with pytest.raises(DataError, match=r"gmc\.txt does not exist"):
        tune([data], tmp_path, 1, camera_motion="file", jobs=2)


def test_a_signal_ends_both(data, tmp_path):
    def stop(_):
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tune([data], tmp_path, 5, jobs=2, progress=stop)
    assert tune([data], tmp_path, 2, jobs=2).trials == 2
