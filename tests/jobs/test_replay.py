"""A run repeated from its record is the same run; what cannot be repeated says why."""

import re
import warnings
from contextlib import closing
from pathlib import Path

import pytest
import yaml

from helpers.walkers import LENGTH, make_detected
from tracker.cli import main
from tracker.errors import ConfigError, DataError, SourceError, UsageError
from tracker.jobs.replay import repetition
from tracker.tracker import Tracker


@pytest.fixture
def run(tmp_path, monkeypatch):
    """`track eval` of sequences A and B, in `out`."""
    monkeypatch.chdir(tmp_path)
    for name in ("A", "B"):
        make_detected(tmp_path / "data", name)
    with pytest.raises(SystemExit):
        main(["eval", "data", "--out", "out", "--quiet", "--strict-online", "--camera-motion", "none"])
    return Path("out")


def rewritten(run, **changes):
    record = yaml.safe_load((run / "run.yaml").read_text())
    (run / "run.yaml").write_text(yaml.safe_dump(record | changes))


def test_the_tracks_are_those_of_the_run_and_each_frame_can_be_looked_into(run):
    again = repetition(run, "B")
    lines, matched = [], []
    with closing(again.frames()) as frames:
        for frame in frames:
            again.tracker.keep_decision = True
            tracks = again.tracker.update(frame.image, frame.detections, frame.camera_motion, frame.time_s)
            lines.append(tracks.confirmed.to_mot(frame.number))
            matched.append(len(again.tracker.decision.matches.tracks))
    assert "".join(lines) == (run / "B.txt").read_text() == again.file.read_text()
    assert matched == [0] + [2] * (LENGTH - 1)
    assert (again.delay_s, again.changed, type(again.tracker)) == (0.0, "", Tracker)


def test_weights_that_have_changed_are_named(run):
    rewritten(run, weights={"motion": {"sha256": "another"}, "appearance": {"sha256": "another"}})
    assert repetition(run, "A").changed == "the weights of appearance and motion have changed since"


def test_a_record_of_the_version_before_is_read_without_a_word_about_its_names(run):
    record = yaml.safe_load((run / "run.yaml").read_text())
    bank = record["config"]["bank"]
    bank["recognise_s"], bank["coast_cover"] = bank.pop("reid_s"), 0.25
    del bank["coast_occluded"]
    rewritten(run, config=record["config"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config = repetition(run, "A").tracker.config
    assert config.bank.coast_occluded == 0.25


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"sequences": {}}, UsageError, "out holds no sequence 'A'"),
        ({"offline": True}, UsageError, "was made with --offline"),
        ({"parts": {"count": 2}}, UsageError, "was tracked in parts (--part)"),
        ({"weights": None}, DataError, "is not the record of a run of this version"),
        ({"config": {"bank": {"lost": 1}}}, ConfigError, "unknown key 'bank.lost'"),
        ({"source": {"given": "gone.mp4", "vid_stride": 1}}, UsageError, "leave out --sequence"),
    ],
)
def test_a_record_that_cannot_be_replayed_says_why(run, changes, error, message):
    rewritten(run, **changes)
    with pytest.raises(error, match=re.escape(message)):
        repetition(run, "A")


def test_one_of_several_sequences_is_to_be_chosen(run):
    with pytest.raises(UsageError, match="holds 2 sequences; choose one with --sequence: A, B"):
        repetition(run)


@pytest.mark.parametrize(("source", "message"), [("gone.mp4", "no file gone.mp4"), ("0", "camera")])
def test_a_source_that_is_gone_says_so(run, source, message):
    rewritten(run, source={"given": source, "vid_stride": 1})
    with pytest.raises(SourceError, match=message):
        next(repetition(run).frames())
