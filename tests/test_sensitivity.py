"""One number from 0 to 1 moves all thresholds on scores: what it leaves, what wins over it, and what it finds."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.clips import pan
from helpers.walkers import make_detected
from tracker import Config, Detections, Tracker
from tracker.cli import main
from tracker.config import BankConfig, presets
from tracker.errors import ConfigError
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.video.source import open_source

CONFIGS = Path(__file__).parents[1] / "configs"
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)
changes = st.floats(-1, 1)
scores = st.floats(0, 1)


def at(sensitivity: float, config: Config | None = None) -> Config:
    return (config or Config()).override({"sensitivity": sensitivity})


def having(birth_score: float, confirm_score: float = 1.0) -> Config:
    return Config().override({"bank": {"birth_score": birth_score, "confirm_score": confirm_score}})


class TestThresholds:
    @settings(deadline=None)
    @given(scores, changes, changes)
    def test_they_never_rise_with_it(self, score: float, one: float, other: float) -> None:
        more, less = (having(score).thresholds(change)["bank"] for change in (max(one, other), min(one, other)))
        assert 0 <= more["birth_score"] <= less["birth_score"] <= 1

    @settings(deadline=None)
    @given(scores, scores, changes)
    def test_they_stay_in_order(self, one: float, other: float, change: float) -> None:
        moved = having(min(one, other), max(one, other)).thresholds(change)["bank"]
        assert moved["birth_score"] <= moved["confirm_score"]

    def test_all_of_them_move_a_long_way(self) -> None:
        least, most = at(0).thresholds(), at(1).thresholds()
        assert least["bank"] == {"birth_score": 0.8571, "confirm_score": 0.96}
        assert most["bank"] == {"birth_score": 0.1429, "confirm_score": 0.4}
        for section, keys in Config().thresholds().items():
            for key, score in keys.items():
                assert least[section][key] > score > most[section][key], key


class TestSettings:
    @pytest.mark.parametrize("name", presets())
    def test_a_half_changes_nothing(self, name: str) -> None:
        assert at(0.5, Config.load(name)) == Config.load(name)

    @pytest.mark.parametrize("name", presets())
    def test_it_moves_what_a_preset_says_there_and_back(self, name: str) -> None:
        preset = Config.load(name)
        more = at(0.9, preset)
        assert more.bank.birth_score < preset.bank.birth_score
        assert more.override(preset.thresholds() | {"sensitivity": 0.5}) == preset, "nothing else has moved"
        for section, keys in at(0.5, more).thresholds().items():
            assert keys == pytest.approx(preset.thresholds()[section], abs=1e-3)

    def test_a_threshold_beside_it_wins_and_so_does_one_after_it(self, tmp_path: Path) -> None:
        path = tmp_path / "c.yaml"
        path.write_text("bank: {birth_score: 0.5, lost_s: 3}\nsensitivity: 0.9\n")
        config = Config.load(path)
        assert config.bank == dataclasses.replace(at(0.9).bank, birth_score=0.5, lost_s=3.0)
        assert config.override({"detector": {"conf": 0.1}}).detector.conf == 0.1
        assert at(0.9).override({"detector": {"conf": 0.1}}).bank == at(0.9).bank

    def test_the_last_word_counts_not_the_sum(self) -> None:
        assert at(0.3, at(0.9)).thresholds()["bank"] == pytest.approx(at(0.3).thresholds()["bank"], abs=1e-3)
        assert at(0.9, at(0.9)) == at(0.9)

    def test_a_constructor_a_copy_and_a_file_of_all_defaults_take_it_too(self) -> None:
        everything = yaml.safe_load((CONFIGS / "default.yaml").read_text()) | {"sensitivity": 0.8}
        assert Config(sensitivity=0.8) == at(0.8) == Config().override(everything)
        assert dataclasses.replace(Config(sensitivity=0.8), device="cpu") == Config(sensitivity=0.8, device="cpu")
        longer = Config(sensitivity=0.8, bank=BankConfig(lost_s=3))
        assert longer == at(0.8).override({"bank": {"lost_s": 3}})

    def test_a_run_that_is_read_back_has_the_same_thresholds(self) -> None:
        config = at(0.9, Config.load("crowd")).override({"bank": {"birth_score": 0.5}})
        assert Config().override(config.to_dict()) == config

    def test_what_it_may_be(self) -> None:
        for wrong in (7, "high", None, float("nan")):
            with pytest.raises(ConfigError, match=r"sensitivity is .*; give a number from 0 to 1"):
                at(wrong)


def stream(sensitivity: float, frames: list[list[float]]) -> list[set[int]]:
    """Objects that stand far apart, with these scores in each frame: which are reported there, seen and confirmed."""
    config = at(sensitivity).override({"association": {"stretch_scores": False}, "motion": {"model": "kalman"}})
    tracker, reported = Tracker(config, device="cpu"), []
    for number, row in enumerate(frames):
        sure = np.array(row, np.float32)
        boxes = np.array([[200 * k, 0, 200 * k + 40, 100] for k in range(len(row))])
        kept = np.flatnonzero(sure >= config.detector.conf)
        tracks = tracker.update(None, Detections(boxes[kept], sure[kept]), time_s=number / 30).confirmed
        reported.append(set(kept[tracks.detection_index[tracks.detection_index >= 0]].tolist()))
    return reported


@settings(max_examples=30, deadline=None)
@given(st.lists(scores, min_size=1, max_size=4), st.integers(1, 30), scores, scores)
def test_what_is_found_is_found_with_more_of_it_too(row: list[float], frames: int, one: float, other: float) -> None:
    """Of objects that stay: where they flicker, it is learned that new ones are to be doubted, and more of it sees more
    of that."""
    less, more = (stream(level, [row] * frames) for level in sorted((one, other)))
    assert all(fewer <= found for fewer, found in zip(less, more, strict=True))


def test_a_real_detector_finds_more_the_higher_it_is(tmp_path: Path) -> None:
    """People and a bus while a camera pans; each frame is looked at once, for all levels."""
    base = Config().override({"detector": {"imgsz": 320}, "appearance": {"enabled": False}, "device": "cpu"})
    eager = Tracker(at(1.0, base))
    with open_source(pan(tmp_path / "pan.mp4", frames=18)) as source:
        frames = [(frame, eager.detector([frame.image])[0]) for frame in source]
    counts = []
    for level in LEVELS:
        tracker = Tracker(at(level, base))
        smoother: FixedLagSmoother[int] = FixedLagSmoother(0.5, tracker.config.offline)
        written = []
        for number, (frame, found) in enumerate(frames):
            found = found[found.scores > tracker.config.detector.conf]
            tracks = tracker.update(frame.image, found, time_s=frame.time_s)
            written += smoother.push(number, tracks, tracker.camera_motion)
        counts.append(sum(len(tracks) for _, tracks in written + smoother.flush()))
    assert counts == sorted(counts) and counts[0] < counts[2] < counts[-1], counts


class TestCommands:
    def configuration(self, out: Path) -> Config:
        return Config().override(yaml.safe_load((out / "run.yaml").read_text())["config"])

    def test_track_takes_it_and_leaves_what_is_given_beside_it(self, tmp_path: Path) -> None:
        clip = pan(tmp_path / "pan.mp4", frames=2)
        words = ["--sensitivity", "0.9", "--conf", "0.1", "--imgsz", "64", "--device", "cpu", "--no-video", "--quiet"]
        with pytest.raises(SystemExit) as end:
            main([str(clip), *words, "--project", str(tmp_path), "--name", "out"])
        assert not end.value.code
        config = self.configuration(tmp_path / "out")
        assert (config.sensitivity, config.detector.conf, config.bank) == (0.9, 0.1, at(0.9).bank)

    def test_eval_takes_it_and_finds_what_it_lets_in(self, tmp_path: Path) -> None:
        make_detected(tmp_path, "A")
        weak = (tmp_path / "A" / "det" / "det.txt").read_text().replace(",0.9\n", ",0.35\n")
        (tmp_path / "A" / "det" / "det.txt").write_text(weak)
        lines = []
        for level in ("0.5", "1"):
            out = tmp_path / level
            with pytest.raises(SystemExit) as end:
                main(["eval", str(tmp_path / "A"), "--sensitivity", level, "--out", str(out), "--quiet"])
            assert not end.value.code
            assert self.configuration(out) == at(float(level))
            lines.append((out / "A.txt").read_text().count("\n"))
        assert lines[0] == 0 < lines[1]

    def test_a_number_out_of_bounds_is_named(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        for words in (["video.mp4"], ["eval", str(tmp_path), "--out", str(tmp_path / "out")]):
            make_detected(tmp_path, "A") if not (tmp_path / "A").exists() else None
            with pytest.raises(SystemExit) as end:
                main([*words, "--sensitivity", "7"])
            assert end.value.code
            assert "--sensitivity: sensitivity is 7; give a number from 0 to 1" in capsys.readouterr().err
