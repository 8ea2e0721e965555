"""A search that can be interrupted: the settings as they are come first, the best come out, nothing is seen twice."""

import csv
import json
import sys

import numpy as np
import pytest

from helpers.motion_data import write_sequence
from helpers.walkers import make_sequence
from tracker import Config, Tracker
from tracker.cli import main
from tracker.datasets.mot import find_sequences
from tracker.errors import DataError, MissingExtraError, UsageError
from tracker.evaluation.tracking import score
from tracker.jobs import tune as module
from tracker.jobs.sequences import track_sequence
from tracker.jobs.tune import differences, search_space, tune

BAD = Config().override({"bank": {"birth_score": 0.9}, "motion": {"model": "kalman"}})  # hardly any track begins


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two folders of sequences."""
    root = tmp_path_factory.mktemp("data")
    for folder, names in (("one", ("A", "B")), ("two", ("A",))):
        for seed, name in enumerate(names):
            write_sequence(root / folder, name, frames=40, tracks=4, seed=seed, detections=True)
    return root


@pytest.fixture(scope="module")
def searched(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out, tune([data / "one", data / "two"], out, 14, BAD, command=["track", "tune", "one"])


def rows(out):
    with (out / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_the_first_trial_is_the_settings_as_they_are(data, searched, tmp_path):
    out, found = searched
    hota = []
    for folder in ("one", "two"):
        for sequence in find_sequences([data / folder]):
            (tmp_path / folder).mkdir(exist_ok=True)
            track_sequence(Tracker(BAD), sequence, tmp_path / folder / f"{sequence.name}.txt")
        hota.append(score(data / folder, tmp_path / folder)["combined"]["HOTA"])
        assert float(rows(out)[0][str(data / folder)]) == pytest.approx(hota[-1], abs=1e-3)
    assert found.start == pytest.approx(np.mean(hota))


def test_the_best_comes_out_as_a_configuration_that_opens_with_its_result(searched):
    _, found = searched
    assert found.best > found.start + 5
    text = found.config.read_text()
    assert text.startswith(f"# HOTA {found.best:.2f} on ") and "# Command: track tune one\n" in text
    settings = Config.load(found.config)
    assert settings.bank.birth_score < 0.9 and settings.motion.model == "kalman"
    assert differences(settings) == found.settings


def test_every_trial_has_a_row(searched):
    out, found = searched
    table = rows(out)
    assert [int(row["trial"]) for row in table] == list(range(14)) and found.trials == 14
    done = [float(row["HOTA"]) for row in table if row["state"] == "complete"]
    assert max(done) == pytest.approx(found.best, abs=1e-3) and len(done) >= 10
    assert float(table[0]["bank.birth_score"]) == 0.9


def test_a_search_goes_on_where_it_was(data, searched, monkeypatch):
    out, found = searched
    again = tune([data / "one", data / "two"], out, 15, BAD)
    assert again.trials == 15 and again.best >= found.best and again.start == found.start
    tracked = []
    monkeypatch.setattr(module, "track_frames", lambda *a: tracked.append(a))
    assert tune([data / "one", data / "two"], out, 15, BAD) == again
    assert tracked == []


def test_trials_of_something_else_are_not_mixed_in(data, searched):
    out, _ = searched
    with pytest.raises(UsageError, match="holds trials of other data or settings; give another --out"):
        tune([data / "one"], out, 20, BAD)
    with pytest.raises(UsageError, match="other data or settings"):
        tune([data / "one", data / "two"], out, 20)


def test_the_space_lies_around_the_settings_and_within_their_bounds():
    config = Config().override({"association": {"spread": 0.0, "high_score": 0.6}, "bank": {"confirm_hits": 3}})
    space = search_space(config)
    assert space["association.high_score"] == (0.6, 0.3, 1)
    assert space["bank.confirm_hits"] == (3, 2, 6)
    assert space["association.reid_doubt"] == (-4, -8, -2)
    assert "association.spread" not in space, "what is off stays off"
    assert not {"association.stretch_scores", "bank.memory_s", "bank.report_delay_s"} & set(space)
    for name, (value, low, high) in space.items():
        assert low <= value <= high and low < high, name


def test_what_a_search_leaves_is_read_back_as_it_was_whatever_the_sensitivity():
    config = Config().override({"sensitivity": 0.9, "bank": {"birth_score": 0.5}})
    assert differences(config) == {"bank": {"birth_score": 0.5}, "sensitivity": 0.9}
    assert Config().override(differences(config)) == config


def test_what_changes_nothing_is_not_searched(searched):
    """There are no embeddings and one class."""
    assert not [name for name in rows(searched[0])[0] if "appearance" in name or "reid" in name or "class" in name]


def test_the_command_prints_the_result(data, searched, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(["tune", str(data / "two"), "--trials", "2", "--json", "--no-preproc"])
    assert not end.value.code
    found = json.loads(capsys.readouterr().out)
    assert found["trials"] == 2 and found["config"] == "runs/tune/config.yaml" and found["best"] >= found["start"] > 50


def test_a_search_that_was_killed_while_it_wrote_goes_on(data, tmp_path):
    tune([data / "one"], tmp_path, 2)
    with (tmp_path / "journal.log").open("a") as journal:
        journal.write('{"op_code": 4, "worker')
    assert tune([data / "one"], tmp_path, 3).trials == 3
    assert tune([data / "one"], tmp_path, 4).trials == 4


def test_what_is_missing_is_said(data, tmp_path, monkeypatch):
    make_sequence(tmp_path / "data", "A")
    with pytest.raises(DataError, match=r"det\.txt does not exist"):
        tune([tmp_path / "data"], tmp_path / "out", 1)
    (tmp_path / "data" / "A" / "gt" / "gt.txt").unlink()
    with pytest.raises(DataError, match=r"A has no gt/gt\.txt; tuning needs"):
        tune([tmp_path / "data"], tmp_path / "out", 1)
    with pytest.raises(UsageError, match="trials is 0"):
        tune([data / "one"], tmp_path / "out", 0)
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MissingExtraError, match=r"optuna is not installed; run: pip install 'lstm-tracker\[tune\]'"):
        tune([data / "one"], tmp_path / "out", 1)
