"""Defaults live in one place; whatever overrides them is checked."""

import dataclasses
from pathlib import Path

import pytest

from tracker.config import Config, presets
from tracker.errors import ConfigError

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
    ("out of bounds", "detector: {conf: 1.7}", "it must be from 0 to 1"),
    ("wrong type", "detector: {conf: high}", "expected float"),
    ("true is not a number", "detector: {imgsz: true}", "expected int"),
    ("fraction for a whole number", "detector: {imgsz: 640.5}", "expected int"),
    ("a fraction of two", "detector: {imgsz: [384, 640.5]}", "expected int"),
    ("a side out of bounds", "detector: {imgsz: [384, 8]}", "it must be from 32 to 4096"),
    ("three sides", "detector: {imgsz: [1, 2, 3]}", "expected one number, or two: height and width"),
    ("not a choice", "camera: {method: magic}", "auto, none"),
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
