"""The one home of every setting: frozen dataclasses own the defaults and the bounds, YAML and flags only override.

Settings are in seconds, pixels, probabilities and box sizes, never in frames, so that they mean the same at 5 and at
60 frames/s. `Config.load("sports")` reads a preset of `configs/`, `Config.load("mine.yaml")` a file of one's own:
only what differs from the defaults has to be in it. A key that does not exist is an error that names the nearest one.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracker.errors import ConfigError

PACKAGE = Path(__file__).parent
_PRESET_FOLDERS = (PACKAGE / "configs", PACKAGE.parent / "configs")  # installed, and in a checkout


def setting(
    default: Any,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    tune: bool = True,
) -> Any:
    """A dataclass field with inclusive bounds or a list of choices; `tune`: a number that `track tune` may choose."""
    return field(default=default, metadata={"low": low, "high": high, "choices": choices, "tune": tune})


@dataclass(frozen=True)
class DetectorConfig:
    """What is looked for, and how."""

    model: str = ""  # weights of a YOLO detector (.safetensors or .pt); empty: the embedded one
    conf: float = setting(0.1, 0, 1)  # detections below are dropped; low ones can still extend a track
    iou: float = setting(0.7, 0, 1)  # non-maximum suppression: of two boxes overlapping more, the weaker goes
    imgsz: int | tuple[int, int] = setting(
        640, 32, 4096
    )  # side, or height and width, of what the frame is scaled to fit into; higher finds smaller objects, slower
    classes: tuple[str, ...] = ()  # names or numbers to keep; empty: all
    half: bool = False  # 16-bit floats on CUDA
    batch: int = setting(0, 0, 256)  # frames of a file looked at together; 0: 8 on CUDA, 1 on the CPU
    max_detections: int = setting(300, 1, 10000)  # per frame


@dataclass(frozen=True)
class AppearanceConfig:
    """What the CNN adds."""

    enabled: bool = True
    model: str = ""  # weights of an omni-scale network; empty: the embedded one
    refresh_s: float = setting(0.5, 0, 60)  # a track's look is renewed at least this often; lower is slower


@dataclass(frozen=True)
class MotionConfig:
    """What predicts."""

    model: str = ""  # weights from `track train motion`, or `kalman`; empty: the embedded LSTM


@dataclass(frozen=True)
class CameraConfig:
    """Camera motion compensation."""

    method: str = setting("auto", choices=("auto", "none"))  # auto: sparse flow, off while the camera stands still
    height_px: int = setting(240, 60, 2160)  # height of the grey image the flow is computed on


@dataclass(frozen=True)
class AssociationConfig:
    """Which detection continues which track. Similarities are overlaps in [0, 1], higher is more alike."""

    stretch_scores: bool = True  # thresholds on scores count for stretched ones: 0.5 is as likely true as false
    high_score: float = setting(0.55, 0, 1)  # detections from here on are matched first; lower trusts the detector more
    min_overlap: float = setting(0.15, 0, 1)  # confident detections: least overlap; higher splits more, swaps less
    min_overlap_weak: float = setting(0.3, 0, 1)  # weak detections only extend tracks they overlap this much
    min_overlap_tentative: float = setting(0.3, 0, 1)  # tracks not believed yet
    weak_lead: float = setting(0.15, 0, 1)  # no confident detection is taken that fits so much less than a weak one
    height_power: float = setting(1.0, 0, 4)  # how much a difference in vertical extent lowers an overlap
    spread: float = setting(0.5, 0, 4)  # boxes grow by this many predicted standard deviations before they are compared
    spread_limit: float = setting(0.5, 0, 4)  # at most by this share of their size on each side
    class_factor: float = setting(0.8, 0, 1)  # overlap is multiplied by this where the class differs
    appearance_weight: float = setting(0.3, 0, 4)  # how much a likely (unlikely) look adds to (takes from) an overlap
    return_odds: float = setting(
        1.0, -50, 50
    )  # log-odds from which a lost track is taken up by its look, wherever it is
    return_margin: float = setting(1.0, 0, 50)  # and by which it must stand clear of every other pair
    return_doubt: float = setting(-4.0, -50, 50)  # a new track waits to be believed while it may be one that returns


@dataclass(frozen=True)
class BankConfig:
    """A track's life."""

    birth_score: float = setting(0.5, 0, 1)  # a detection this sure that nobody claims starts a tentative track
    birth_overlap: float = setting(0.7, 0, 1)  # unless it overlaps a live track's detection by more than this
    confirm_hits: int = setting(2, 1, 100)  # detections before a track is believed; higher: fewer false tracks
    confirm_score: float = setting(0.8, 0, 1)  # and one of them at least this sure at first; higher: fewer false tracks
    confirm_s: float = setting(2.0, 0, 3600)  # seen for this long, as sure as `birth_score` is enough; linear between
    report_delay_s: float = setting(0.5, 0, 60, tune=False)  # files wait this long to tell what followed; 0: not
    lost_s: float = setting(1.5, 0, 3600)  # a track unseen for longer is not matched by motion any more
    lost_heights: float = setting(0.7, 0, 1000)  # nor one whose place is vaguer: standard deviation in box heights
    recognise_s: float = setting(2.0, 0, 60)  # a new track can still turn out to be one that returned for this long
    memory_s: float = setting(300.0, 0, 1e6, tune=False)  # but can return by its look for this long (--memory)
    memory_size: int = setting(500, 0, 100000, tune=False)  # and while it is among this many seen last
    memory_looks: int = setting(5, 1, 64, tune=False)  # looks of each; more know more sides of it and take more time
    smoothing: float = setting(
        1.0, 0, 1
    )  # of reported boxes; 0: as they were detected, 1: as near the truth as it gets
    coast_s: float = setting(0.35, 0, 60)  # a hidden track's predicted box is reported this long
    coast_cover: float = setting(0.5, 0, 1)  # while at least this share of it is covered by a seen track


@dataclass(frozen=True)
class OfflineConfig:
    """What later frames say of earlier ones: at the end of a video (`--offline`), or within `bank.report_delay_s`."""

    link_s: float = setting(3.0, 0, 3600)  # longest gap over which two tracks are joined
    link_odds: float = setting(-0.5, -50, 50)  # least log-odds that they are one object; higher: fewer joined
    fill_s: float = setting(2.0, 0, 3600)  # gaps up to this long are filled with interpolated boxes
    smooth_s: float = setting(0.07, 0, 10)  # standard deviation of the Gaussian that smooths boxes; 0: not


@dataclass(frozen=True)
class Config:
    """All settings of a tracker; one section a part."""

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    association: AssociationConfig = field(default_factory=AssociationConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    offline: OfflineConfig = field(default_factory=OfflineConfig)
    device: str = "auto"  # auto, cpu, cuda or cuda:N
    engine: str = setting("torch", choices=("torch", "openvino-int8"))  # what runs detector and CNN; int8: on the CPU
    frame_rate: float = setting(30.0, 0.01, 10000)  # frames/s assumed where a frame comes without a time

    @classmethod
    def load(cls, name_or_path: str | Path) -> Config:
        """A preset by name (`crowd`, `sports`, ...) or a YAML file.

        Raises:
            ConfigError: no such preset or file, not safe YAML, an unknown key or a value out of bounds.
        """
        path = _find(name_or_path)
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            where = getattr(error, "problem_mark", None)
            line = f" line {where.line + 1}" if where else ""
            problem = str(getattr(error, "problem", None) or error).splitlines()[0]
            raise ConfigError(f"{path}{line} is not plain YAML ({problem}); see configs/default.yaml") from error
        return cls().override(values or {}, str(path))

    def override(self, values: Mapping[str, Any], where: str = "settings") -> Config:
        """A copy with nested `values` on top: `config.override({"detector": {"conf": 0.3}})`.

        Raises:
            ConfigError: an unknown key (with the nearest valid one), a wrong type or a value out of bounds.
        """
        return typing.cast(Config, _merge(self, values, where))

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists and numbers, ready for YAML or JSON."""
        return typing.cast(dict[str, Any], _plain(dataclasses.asdict(self)))


def presets() -> list[str]:
    """Names of the presets that ship with the package."""
    return sorted({path.stem for folder in _PRESET_FOLDERS if folder.is_dir() for path in folder.glob("*.yaml")})


def _find(name_or_path: str | Path) -> Path:
    path = Path(name_or_path)
    if path.is_file():
        return path
    for folder in _PRESET_FOLDERS:
        preset = folder / f"{name_or_path}.yaml"
        if preset.is_file():
            return preset
    raise ConfigError(f"no configuration {str(name_or_path)!r}; give a YAML file or one of: {', '.join(presets())}")


Section = typing.TypeVar("Section")


def merged(section: Section, values: Any, where: str) -> Section:
    """A copy of any dataclass of `setting`s with nested `values` on top; errors as `Config.load`."""
    return typing.cast(Section, _merge(section, values, where))


def _merge(section: Any, values: Any, where: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{where}: expected keys and values, found {type(values).__name__}; see configs/default.yaml")
    fields = {f.name: f for f in dataclasses.fields(section)}
    hints = typing.get_type_hints(type(section))
    changes: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{where}: {key}"
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]!r}?" if near else f"valid keys: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key {key!r}; {hint}")
        current = getattr(section, key)
        if dataclasses.is_dataclass(current):
            changes[key] = _merge(current, value, name)
        else:
            changes[key] = _checked(value, hints[key], fields[key].metadata, name)
    return dataclasses.replace(section, **changes)


def _checked(value: Any, kind: Any, bounds: Mapping[str, Any], name: str) -> Any:
    """`value` as `kind`, within `bounds`."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if typing.get_origin(kind) is tuple:
        items = [value] if isinstance(value, str | int) else value
        if not isinstance(items, list | tuple):
            raise ConfigError(f"{name} is {value!r}; expected a list")
        return tuple(str(item) for item in items)
    if kind == int | tuple[int, int]:
        if isinstance(value, list | tuple):
            if len(value) != 2:
                raise ConfigError(f"{name} is {value!r}; expected one number, or two: height and width")
            return tuple(_checked(side, int, bounds, name) for side in value)
        kind = int
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        expected = kind if isinstance(kind, types.UnionType) else kind.__name__
        raise ConfigError(f"{name} is {value!r}; expected {expected}")
    low, high, choices = bounds.get("low"), bounds.get("high"), bounds.get("choices")
    if choices and value not in choices:
        raise ConfigError(f"{name} is {value!r}; choose one of: {', '.join(choices)}")
    if (low is not None and not value >= low) or (high is not None and not value <= high):
        bound = f"at least {low}" if high is None else f"from {low} to {high}"
        raise ConfigError(f"{name} is {value}; it must be {bound}")
    return value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
