"""Defaults live in one place; whatever overrides them is checked."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tracker.config import Config, DetectorConfig, presets
from tracker.errors import ConfigError
from tracker.train.appearance.settings import TrainConfig
from tracker.train.detector.settings import DataConfig, FineTuneConfig
from tracker.train.motion.settings import MotionTraining

CONFIGS = Path(__file__).parents[1] / "configs"


def write(path, text):
    path.write_text(text)
    return path


def test_a_file_overrides_only_what_it_names(tmp_path):
    config = Config.load(write(tmp_path / "c.yaml", "detector: {conf: 0.3}\nbank:\n  lost_s: 3\n"))
    assert (config.detector.conf, config.bank.lost_s, config.detector.imgsz) == (0.3, 3.0, 640)


def test_a_size_is_a_side_or_a_height_and_a_width(tmp_path):
    config = Config.load(write(tmp_path / "c.yaml", "detector: {imgsz: [384, 640]}"))
    assert config.detector.imgsz == (384, 640)
    assert Config().override(config.to_dict()) == config, "as run.yaml has it"


def test_an_empty_file_is_the_default(tmp_path):
    assert Config.load(write(tmp_path / "c.yaml", "")) == Config()


BAD = [
    ("unknown key", "detector: {confidence: 0.3}", "did you mean 'conf'?"),
    ("unknown section", "detektor: {conf: 0.3}", "did you mean 'detector'?"),
    ("out of bounds", "detector: {conf: 1.7}", "detector.conf is 1.7; give a number from 0 to 1"),
    ("wrong type", "detector: {conf: high}", "detector.conf is 'high'; give a number from 0 to 1"),
    ("true is not a number", "detector: {imgsz: true}", "give a whole number or a list of 2 numbers from 32 to 4096"),
    (
        "fraction for a whole number",
        "detector: {imgsz: 640.5}",
        "give a whole number or a list of 2 numbers from 32 to 4096",
    ),
    ("a fraction of two", "detector: {imgsz: [384, 640.5]}", "detector.imgsz is (384, 640.5); give a whole number"),
    ("a side out of bounds", "detector: {imgsz: [384, 8]}", "detector.imgsz is (384, 8); give a whole number"),
    ("three sides", "detector: {imgsz: [1, 2, 3]}", "or a list of 2 numbers from 32 to 4096"),
    ("not a choice", "camera: {method: magic}", "camera.method is 'magic'; give auto or none"),
    ("a list", "- detector", "expected keys and values"),
    ("a value for a section", "detector: 3", "expected keys and values"),
    ("broken YAML", "detector: {conf: 0.3", "not plain YAML"),
    ("YAML that runs code", "detector: !!python/object/apply:os.system ['true']", "not plain YAML"),
    ("not text", b"\xff\xfe\x00\x01", "not plain YAML"),
]


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_a_mistake_is_named_with_the_file(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as error:
        Config.load(path)
    assert message in str(error.value) and str(path) in str(error.value)


WRONG = [
    ("detector", "conf", 7, "detector.conf is 7; give a number from 0 to 1"),
    ("detector", "conf", float("nan"), "detector.conf is nan; give a number from 0 to 1"),
    ("detector", "imgsz", 0, "detector.imgsz is 0; give a whole number or a list of 2 numbers from 32 to 4096"),
    ("detector", "half", 1, "detector.half is 1; give true or false"),
    ("detector", "classes", 1.5, "detector.classes is 1.5; give a list"),
    ("bank", "lost_s", None, "bank.lost_s is None; give a number from 0 to 3600"),
    ("camera", "method", "magic", "camera.method is 'magic'; give auto or none"),
    ("motion", "model", 3, "motion.model is 3; give a text"),
]


@pytest.mark.parametrize(("section", "key", "value", "sentence"), WRONG)
def test_a_mistake_is_the_same_sentence_from_python_and_from_a_file(tmp_path, section, key, value, sentence):
    import yaml

    with pytest.raises(ConfigError) as made:
        type(getattr(Config(), section))(**{key: value})
    with pytest.raises(ConfigError) as changed:
        Config().override({section: {key: value}})
    path = write(tmp_path / "c.yaml", yaml.safe_dump({section: {key: value}}))
    with pytest.raises(ConfigError) as read:
        Config.load(path)
    assert str(made.value) == str(changed.value) == sentence
    assert str(read.value) == f"{path}: {sentence}"


def test_a_section_is_checked_when_it_is_replaced_and_is_of_its_own_kind():
    with pytest.raises(ConfigError, match=r"bank\.confirm_hits is 0"):
        dataclasses.replace(Config().bank, confirm_hits=0)
    with pytest.raises(ConfigError, match="detector is 3; give a DetectorConfig"):
        Config(detector=3)


def test_what_loses_nothing_is_taken_as_the_type_of_its_field():
    made = DetectorConfig(model=Path("a.pt"), conf=1, imgsz=np.int64(320), iou=np.float32(0.5), classes=["person", 2])
    assert made == DetectorConfig("a.pt", 1.0, 0.5, 320, ("person", "2"))
    kinds = [str, float, float, int, tuple, bool, int, int, bool, str, float, tuple]
    assert [type(value) for value in vars(made).values()] == kinds


@pytest.mark.parametrize("section", [Config, MotionTraining, TrainConfig, DataConfig, FineTuneConfig])
def test_every_setting_says_what_it_does_and_every_number_has_bounds(section):
    for field in dataclasses.fields(section):
        if not dataclasses.is_dataclass(getattr(section(), field.name)):
            assert field.metadata["about"], field.name
            if type(field.default) in (int, float):
                assert field.metadata["low"] is not None, field.name
    for field in dataclasses.fields(Config()):
        if section is Config and dataclasses.is_dataclass(getattr(Config(), field.name)):
            assert getattr(Config(), field.name)._place == f"{field.name}.", "errors name its place"


def test_a_missing_file_lists_the_presets():
    with pytest.raises(ConfigError, match="default"):
        Config.load("no-such-preset")


def test_every_preset_loads_and_differs_from_the_defaults():
    assert {"default", "mot17", "crowd", "sports", "traffic", "edge"} <= set(presets())
    for name in presets():
        assert (Config.load(name) == Config()) == (name == "default"), name


@pytest.mark.parametrize("name", ["mot17", "crowd", "sports"])
def test_a_tuned_preset_opens_with_its_result_and_the_commands(name):
    head = [line for line in (CONFIGS / f"{name}.yaml").read_text().splitlines() if line.startswith("#")]
    assert any("HOTA" in line for line in head) and any("the defaults: " in line for line in head)
    assert any("track tune " in line for line in head)
    assert head[-1] == f"# Command: track video.mp4 --config {name}"


def test_the_default_file_says_what_the_code_says():
    assert Config.load("default") == Config()
    text = (CONFIGS / "default.yaml").read_text()
    for section in dataclasses.fields(Config):
        assert section.name in text


def test_a_configuration_survives_writing_and_reading(tmp_path):
    import yaml

    config = Config().override({"detector": {"classes": ["person", "car"]}, "bank": {"confirm_hits": 4}})
    assert Config.load(write(tmp_path / "c.yaml", yaml.safe_dump(config.to_dict()))) == config
