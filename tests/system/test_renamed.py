"""A name that has changed is taken under its former name, too, with one line that says so."""

import subprocess
import sys
import warnings

import numpy as np
import pytest

from tracker.config import BankConfig, Config
from tracker.errors import ConfigError
from tracker.structures import Tracks
from tracker.system.renamed import RenamedKeyWarning, renamed_argument
from tracker.tracker import Tracker
from tracker.train.motion.settings import MotionTraining

SECTIONS = [
    ("bank", "recognise_s", "reid_s", 3.0),
    ("bank", "memory_looks", "memory_embeddings", 3),
    ("bank", "coast_cover", "coast_occluded", 0.3),
    ("association", "return_odds", "reid_odds", 2.0),
    ("association", "return_margin", "reid_margin", 2.0),
    ("association", "return_doubt", "reid_doubt", -3.0),
]


class TestKeys:
    @pytest.mark.parametrize(("section", "former", "name", "value"), SECTIONS)
    def test_a_file_with_the_former_name_means_the_same(self, tmp_path, section, former, name, value):
        path = tmp_path / "mine.yaml"
        path.write_text(f"{section}: {{{former}: {value}}}\n")
        with pytest.warns(RenamedKeyWarning) as said:
            config = Config.load(path)
        assert config == Config().override({section: {name: value}}) != Config()
        (line,) = [str(w.message) for w in said]
        assert line == f"{path}: {section}.{former} is called {name} now; rename it"

    def test_both_names_at_once_are_a_mistake(self):
        with pytest.raises(ConfigError, match=r"recognise_s'? is the former name of '?reid_s"):
            Config().override({"bank": {"recognise_s": 1, "reid_s": 2}})

    def test_the_bounds_are_those_of_the_name_now(self):
        with pytest.warns(RenamedKeyWarning), pytest.raises(ConfigError, match="reid_s is 99"):
            Config().override({"bank": {"recognise_s": 99}})

    def test_a_former_name_is_none_in_another_section(self):
        with pytest.raises(ConfigError, match=r"unknown key '[a-z.]*recognise_s'"):
            Config().override({"detector": {"recognise_s": 1}})

    def test_what_is_written_has_the_names_of_now(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert Config().override(Config().to_dict()) == Config()

    def test_a_training_takes_them_too(self, tmp_path):
        (tmp_path / "t.yaml").write_text("rounds: 7\nfilter_rounds: 3\nlooks_every: 2\n")
        with pytest.warns(RenamedKeyWarning, match="is called"):
            settings = MotionTraining.load(tmp_path / "t.yaml")
        assert (settings.iterations, settings.filter_iterations, settings.embeddings_every) == (7, 3, 2)

    def test_a_command_says_it_in_one_line(self, tmp_path):
        (tmp_path / "mine.yaml").write_text("bank: {recognise_s: 3}\n")
        words = [sys.executable, "-m", "tracker", "run", "none.mp4", "--config", "mine.yaml"]
        done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, timeout=400)
        said, video = done.stderr.splitlines()
        assert said == "warning: mine.yaml: bank.recognise_s is called reid_s now; rename it"
        assert "none.mp4" in video


class TestFields:
    def test_a_dataclass_is_made_with_the_former_name(self):
        with pytest.warns(DeprecationWarning, match="BankConfig: memory_looks is called memory_embeddings now") as said:
            assert BankConfig(memory_looks=3) == BankConfig(memory_embeddings=3)
        assert said[0].filename == __file__

    def test_and_read_by_it(self):
        with pytest.warns(DeprecationWarning, match="recognise_s is called reid_s now") as said:
            assert Config().bank.recognise_s == Config().bank.reid_s
        assert said[0].filename == __file__

    def test_what_never_was_there_is_no_attribute(self):
        with pytest.raises(AttributeError, match="no_such"):
            _ = Config().bank.no_such

    def test_tracks_shake(self):
        none, boxes = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
        with pytest.warns(DeprecationWarning, match="Tracks: shake is called jitter now"):
            tracks = Tracks(none, boxes, boxes[:, 0], none, none, none, none, 0.0, 0.04, shake=0.5)
        with pytest.warns(DeprecationWarning, match="shake"):
            assert tracks.shake == tracks.jitter == 0.5


class TestArguments:
    def test_the_former_name_is_passed_on(self):
        with pytest.warns(DeprecationWarning, match="stream: hindsight is called fixed_lag now") as said:
            Tracker().stream("no-such-video.mp4", hindsight=True)
        assert said[0].filename == __file__

    def test_both_names_at_once_are_a_mistake(self):
        @renamed_argument("colour", "hue")
        def paint(hue):
            return hue

        assert paint(hue=1) == paint(1) == 1
        with pytest.warns(DeprecationWarning), pytest.raises(TypeError, match="hue"):
            paint(1, colour=2)
