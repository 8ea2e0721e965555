"""The one home of every setting: frozen dataclasses own the defaults and the bounds, YAML and flags only override.

Settings are in seconds, pixels, probabilities and box sizes, never in frames, so that they mean the same at 5 and at
60 frames/s. `Config.load("sports")` reads a preset of `configs/`, `Config.load("mine.yaml")` a file of one's own:
only what differs from the defaults has to be in it. A key that does not exist is an error that names the nearest one.
"""

from __future__ import annotations

import dataclasses
import numbers
import os
import re
import types
import typing
import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from tracker.errors import ConfigError, nearest
from tracker.system.files import read_yaml
from tracker.system.renamed import FORMER, RenamedKeyWarning, renamed_fields

_SENSED = {"detector": ("conf",), "association": ("high_score",), "bank": ("birth_score", "confirm_score")}
_NEUTRAL, _ODDS = 0.5, 6.0  # at 0 a detection has to be six times as likely true (not .5 but .86), at 1 a sixth (.14)
EVERY = "a number of frames up to 1000 (5), of seconds up to 10 (0.15s), or auto"
PACKAGE = Path(__file__).parent
_PRESET_FOLDERS = (PACKAGE / "configs", PACKAGE.parent / "configs")  # installed, and in a checkout


def setting(
    default: Any,
    about: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    tune: bool = True,
) -> Any:
    """A field of `Settings`, with inclusive bounds or a list of choices.

    Args:
        default: its value where nothing else is said.
        about: what it does, and what raising it does; shown in the reference and as the help of an option.
        low, high: a number's bounds.
        choices: what a text may be.
        tune: whether `track tune` may choose it, where it is a number with bounds.
    """
    about_it = {"about": about, "low": low, "high": high, "choices": choices, "tune": tune}
    return field(default=default, metadata=about_it)


class Settings:
    """Base of a frozen dataclass of `setting`s, which are checked whenever one is made, however that comes about.

    Whole numbers are taken for fractions, lists for tuples and paths for texts; nothing else is converted.
    """

    _place: ClassVar[str] = ""

    def __init_subclass__(cls, section: str = "") -> None:
        cls._place = f"{section}." if section else ""

    def __post_init__(self) -> None:
        """
        Raises:
            ConfigError: a value of a wrong type or out of bounds: its key, what it is and what it may be.
        """
        kinds = typing.get_type_hints(type(self))
        for about in dataclasses.fields(typing.cast(Any, self)):
            one_of = _one_of(kinds[about.name])
            value = getattr(self, about.name)
            kind = one_of[isinstance(value, list | tuple) and len(one_of) > 1]
            value = _converted(value, kind)
            if not _allowed(value, kind, about.metadata):
                shown = f"{value:.15g}" if isinstance(value, float) else repr(value)
                wanted = _wanted(one_of, about)
                raise ConfigError(f"{self._place}{about.name} is {shown}; give {wanted}")
            object.__setattr__(self, about.name, value)


def bounds(about: dataclasses.Field[Any]) -> str:
    """What a field may be, in words: "from 0 to 1", "auto or none"; "" where its type says it all."""
    low, high, choices = (about.metadata.get(name) for name in ("low", "high", "choices"))
    if choices:
        return " or ".join(filter(None, (", ".join(choices[:-1]), choices[-1])))
    if high is None:
        return "" if low is None else f"from {low:.15g}"
    return f"from {low:.15g} to {high:.15g}"


def _converted(value: Any, kind: Any) -> Any:
    """`value` as `kind` where that loses nothing, or else as it is."""
    if kind is str and isinstance(value, os.PathLike):
        return os.fspath(value)
    if typing.get_origin(kind) is tuple:
        items = [value] if isinstance(value, str | int) else value
        item = str if typing.get_args(kind)[0] is str else lambda item: _converted(item, typing.get_args(kind)[0])
        return tuple(map(item, items)) if isinstance(items, list | tuple) else value
    for number, wider in ((int, numbers.Integral), (float, numbers.Real)):
        if kind is number and isinstance(value, wider) and not isinstance(value, bool):
            return number(value)
    return value


def _one_of(kind: Any) -> tuple[Any, ...]:
    """The types of a union, which are that of one value and that of a list; of another type itself."""
    return typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)


def _count(kind: Any) -> int | None:
    """How many numbers a tuple has; 0: one or more; None: it is no tuple of numbers."""
    items = typing.get_args(kind)
    if typing.get_origin(kind) is not tuple or items[0] is str:
        return None
    return 0 if items[-1] is Ellipsis else len(items)


def _allowed(value: Any, kind: Any, limits: Mapping[str, Any]) -> bool:
    count = _count(kind)
    if count is not None:
        numbered = isinstance(value, tuple) and bool(value) and len(value) in (count, count or len(value))
        return numbered and all(_allowed(item, typing.get_args(kind)[0], limits) for item in value)
    if not isinstance(value, typing.get_origin(kind) or kind) or (isinstance(value, bool) and kind is not bool):
        return False
    low, high, choices = (limits.get(name) for name in ("low", "high", "choices"))
    return (not choices or value in choices) and (low is None or value >= low) and (high is None or value <= high)


def _wanted(one_of: tuple[Any, ...], about: dataclasses.Field[Any]) -> str:
    kinds = [] if about.metadata.get("choices") else [" or ".join(map(_named, one_of))]
    return " ".join([*kinds, bounds(about)]).strip()


def _named(kind: Any) -> str:
    """A type as a user calls it."""
    if (count := _count(kind)) is not None:
        return f"a list of {count or 'one or more'} numbers"
    names = {float: "a number", int: "a whole number", bool: "true or false", str: "a text", tuple: "a list"}
    return names.get(typing.get_origin(kind) or kind, f"a {getattr(kind, '__name__', kind)}")


@dataclass(frozen=True)
class DetectorConfig(Settings, section="detector"):
    """What is looked for, and how."""

    model: str = setting("", "YOLO weights (.pt, .safetensors) or an export of them (.onnx, a folder); empty: embedded")
    conf: float = setting(0.1, "detections below are dropped; low ones can still extend a track", 0, 1)
    iou: float = setting(0.7, "non-maximum suppression: of two boxes overlapping more, the weaker goes", 0, 1)
    imgsz: int | tuple[int, int] = setting(
        640, "side, or height and width, that the frame is scaled to fit into; higher finds smaller objects", 32, 4096
    )
    classes: tuple[str, ...] = setting((), "names or numbers to keep; empty: all")
    half: bool = setting(False, "16-bit floats on CUDA")
    batch: int = setting(0, "frames of a file looked at together; 0: 8 on CUDA, 1 on the CPU", 0, 256)
    max_detections: int = setting(300, "per frame", 1, 10000)
    skip_repeats: bool = setting(True, "frames that show the picture before them once more are not looked at")
    every: str = setting(
        "1", f"which frames are looked at: every Nth, every so many seconds, or as the tracker needs it: {EVERY}"
    )
    look_within_s: float = setting(
        0.5, "with auto: a newcomer is looked at twice within this; higher: fewer looks", 0.15, 10, tune=False
    )
    prompt: tuple[str, ...] = setting((), "what YOLO-World or YOLOE look for, in words; empty: their own classes")

    def __post_init__(self) -> None:
        if isinstance(self.every, int | float) and not isinstance(self.every, bool):  # as YAML has it
            object.__setattr__(self, "every", str(self.every))
        super().__post_init__()
        number = re.fullmatch(r"(\d+)|(\d*\.?\d+)s", self.every)
        frames, seconds = (float(part or 0) for part in number.groups()) if number else (0, 0)
        if self.every != "auto" and not (1 <= frames <= 1000 or 0 < seconds <= 10):
            raise ConfigError(f"detector.every is {self.every!r}; give {EVERY}")


@dataclass(frozen=True)
class AppearanceConfig(Settings, section="appearance"):
    """What the CNN adds."""

    enabled: bool = setting(True, "whether it is used; off: motion alone, faster")
    model: str = setting("", "weights of an omni-scale network; empty: those embedded")
    refresh_s: float = setting(0.5, "a track's embedding is renewed at least this often; lower is slower", 0, 60)


@dataclass(frozen=True)
class MotionConfig(Settings, section="motion"):
    """What predicts."""

    model: str = setting("", "weights from `track train motion`, or `kalman`; empty: the embedded LSTM")


@dataclass(frozen=True)
class CameraConfig(Settings, section="camera"):
    """Camera motion compensation."""

    method: str = setting("auto", "auto: sparse flow, off while the camera stands still", choices=("auto", "none"))
    height_px: int = setting(240, "height of the grey image the flow is computed on", 60, 2160)


@renamed_fields(FORMER)
@dataclass(frozen=True)
class AssociationConfig(Settings, section="association"):
    """Which detection continues which track. Similarities are overlaps in [0, 1], higher is more alike."""

    stretch_scores: bool = setting(True, "thresholds count for calibrated scores: 0.5 is as likely true as false")
    high_score: float = setting(
        0.55, "detections from here on are matched first; lower relies more on the detector", 0, 1
    )
    min_overlap: float = setting(0.15, "confident detections: least overlap; higher splits more, swaps less", 0, 1)
    min_overlap_weak: float = setting(0.3, "weak detections only extend tracks they overlap this much", 0, 1)
    min_overlap_tentative: float = setting(0.3, "tracks not confirmed yet", 0, 1)
    weak_lead: float = setting(0.15, "no confident detection is taken that fits so much less than a weak one", 0, 1)
    height_power: float = setting(1.0, "how much a difference in vertical extent lowers an overlap", 0, 4)
    spread: float = setting(0.5, "boxes grow by this many predicted standard deviations before they are compared", 0, 4)
    spread_limit: float = setting(0.5, "at most by this share of their size on each side", 0, 4)
    class_factor: float = setting(0.8, "overlap is multiplied by this where the class differs", 0, 1)
    appearance_weight: float = setting(
        0.3, "how much a likely (unlikely) embedding adds to (takes from) an overlap", 0, 4
    )
    reid_odds: float = setting(1.0, "log-odds from which a lost track is re-identified, anywhere", -50, 50)
    reid_margin: float = setting(1.0, "and by which it must stand clear of every other pair", 0, 50)
    reid_doubt: float = setting(-4.0, "a new track is pending while it may be an old one", -50, 50)


@renamed_fields(FORMER)
@dataclass(frozen=True)
class BankConfig(Settings, section="bank"):
    """A track's life."""

    birth_score: float = setting(0.5, "a detection this sure that no track takes starts a tentative one", 0, 1)
    birth_overlap: float = setting(0.7, "unless it overlaps a live track's detection by more than this", 0, 1)
    confirm_hits: int = setting(2, "detections before a track is confirmed; higher: fewer false tracks", 1, 100)
    confirm_score: float = setting(0.8, "and one of them at least this sure at first; higher: fewer false tracks", 0, 1)
    confirm_s: float = setting(2.0, "seen for this long, as sure as `birth_score` is enough; linear between", 0, 3600)
    double_overlap: float = setting(
        0.5, "a new track that overlaps a less surely seen one by more than this may be a second box of it", 0, 1
    )
    double_s: float = setting(0.5, "and is not confirmed until they part, or until it was seen for this long", 0, 3600)
    filling: float = setting(
        0.8, "a new track covering more of the picture is believed for all its detections, not for the surest", 0, 1
    )
    report_delay_s: float = setting(0.5, "lag of fixed-lag smoothing, for files; 0: none", 0, 60, tune=False)
    lost_s: float = setting(
        1.5, "so long motion searches for an unseen track; up to twice as long if followed for long", 0, 3600
    )
    lost_heights: float = setting(0.7, "nor with more positional uncertainty: deviation in box heights", 0, 1000)
    reid_s: float = setting(2.0, "a new track can still be re-identified as an old one for this long", 0, 60)
    memory_s: float = setting(300.0, "but is re-identified for this long (--memory)", 0, 1e6, tune=False)
    memory_size: int = setting(500, "and while it is among this many seen last", 0, 100000, tune=False)
    memory_embeddings: int = setting(5, "embeddings of each; more know more sides of it, slower", 1, 64, tune=False)
    smoothing: float = setting(
        1.0, "of reported boxes; 0: as they were detected, 1: as near the truth as it gets", 0, 1
    )
    coast_s: float = setting(0.35, "the predicted box of an occluded or well-known track is reported this long", 0, 60)
    coast_occluded: float = setting(0.5, "occluded is a track of which a seen one covers at least this share", 0, 1)


@dataclass(frozen=True)
class OfflineConfig(Settings, section="offline"):
    """What later frames say of earlier ones: at the end of a video (`--offline`), or within `bank.report_delay_s`."""

    double_overlap: float = setting(
        0.5, "a track that begins overlapping another of its class by more may be a second box of it", 0, 1
    )
    double_s: float = setting(1.0, "and is merged with it if one of them ends so within this; 0: never", 0, 3600)
    least_s: float = setting(0.1, "a track seen for less, but at the video's ends, is left out; 0: none", 0, 3600)
    link_s: float = setting(3.0, "longest gap over which two tracks are joined", 0, 3600)
    link_odds: float = setting(-0.5, "least log-odds that they are one object; higher: fewer joined", -50, 50)
    fill_s: float = setting(2.0, "gaps up to this long are filled with interpolated boxes", 0, 3600)
    smooth_s: float = setting(0.07, "standard deviation of the Gaussian that smooths boxes; 0: not", 0, 10)


@dataclass(frozen=True)
class Config(Settings):
    """All settings of a tracker; one section a part."""

    detector: DetectorConfig = field(default_factory=DetectorConfig)
    appearance: AppearanceConfig = field(default_factory=AppearanceConfig)
    motion: MotionConfig = field(default_factory=MotionConfig)
    camera: CameraConfig = field(default_factory=CameraConfig)
    association: AssociationConfig = field(default_factory=AssociationConfig)
    bank: BankConfig = field(default_factory=BankConfig)
    offline: OfflineConfig = field(default_factory=OfflineConfig)
    device: str = setting("auto", "where the networks run: auto, cpu, cuda or cuda:N")
    engine: str = setting("torch", "what runs detector and CNN; int8: on the CPU", choices=("torch", "openvino-int8"))
    frame_rate: float = setting(30.0, "frames/s assumed where a frame comes without a time", 0.01, 10000)
    sensitivity: float = setting(
        _NEUTRAL,
        "0: finds only what is beyond doubt, 1: whatever the detector hints at; moves `detector.conf`, "
        "`association.high_score`, `bank.birth_score` and `bank.confirm_score`, but for those given beside or after it",
        0,
        1,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sensitivity != _NEUTRAL and self.thresholds() == Config().thresholds():  # `Config(sensitivity=0.8)`
            for name, scores in self.thresholds(self.sensitivity - _NEUTRAL).items():
                object.__setattr__(self, name, dataclasses.replace(getattr(self, name), **scores))

    @classmethod
    def load(cls, name_or_path: str | Path) -> Config:
        """A preset by name (`crowd`, `sports`, ...) or a YAML file.

        Raises:
            ConfigError: no such preset or file, not safe YAML, an unknown key or a value out of bounds.
        """
        path = _find(name_or_path)
        return cls().override(read_yaml(path), str(path))

    def override(self, values: Mapping[str, Any], where: str = "") -> Config:
        """A copy with nested `values` on top: `config.override({"detector": {"conf": 0.3}})`.

        `where` they come from, such as a file or an option, is named in errors.

        Raises:
            ConfigError: an unknown key (with the nearest valid one), a wrong type or a value out of bounds.
        """
        return merged(self, values, where)

    def thresholds(self, change: float = 0.0) -> dict[str, dict[str, float]]:
        """What `sensitivity` moves, as it is once that is so much (-1 to 1) more: section -> key -> score."""
        scores = {name: {key: getattr(getattr(self, name), key) for key in keys} for name, keys in _SENSED.items()}
        f = _ODDS ** (-2 * change)  # of the odds of each, so that their order stays
        return {n: {key: round(p * f / (1 - p + p * f), 4) for key, p in keys.items()} for n, keys in scores.items()}

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


Section = typing.TypeVar("Section", bound=Settings)


def merged(section: Section, values: Any, where: str = "") -> Section:
    """A copy of any `Settings` with nested `values` on top; errors as `Config.override`."""
    try:
        return typing.cast(Section, _merge(section, values, "", where))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}" if where else str(error)) from error


def _merge(section: Any, values: Any, place: str, where: str) -> Any:
    if not isinstance(values, Mapping):
        found = f"{place.rstrip('.')} is {values!r}" if place else f"found {type(values).__name__}"
        raise ConfigError(f"{found}; expected keys and values, see configs/default.yaml")
    names = [about.name for about in dataclasses.fields(section)]
    changes: dict[str, Any] = {}
    if isinstance(section, Config) and "sensitivity" in values:  # first: a threshold beside it is meant as it stands
        change = Config(sensitivity=values["sensitivity"]).sensitivity - section.sensitivity
        section = _merge(section, section.thresholds(change) if change else {}, place, where)
    for key, value in _renamed(values, names, place, where).items():
        if key not in names:
            near = nearest(str(key), names)
            hint = f"did you mean {near!r}?" if near else f"valid keys: {', '.join(names)}"
            raise ConfigError(f"unknown key '{place}{key}'; {hint}")
        current = getattr(section, key)
        changes[key] = _merge(current, value, f"{place}{key}.", where) if isinstance(current, Settings) else value
    return dataclasses.replace(section, **changes)


def _renamed(values: Mapping[str, Any], names: Collection[str], place: str, where: str) -> Mapping[str, Any]:
    """The values under the names that keys have now."""
    now, told = {}, f"{where}: " if where else ""
    for key, value in values.items():
        name = FORMER.get(key, key)
        if key in names or name not in names:
            name = key
        elif name in values:
            raise ConfigError(f"{place}{key} is the former name of {name}, which is there, too; leave it out")
        else:
            warnings.warn(f"{told}{place}{key} is called {name} now; rename it", RenamedKeyWarning, stacklevel=5)
        now[name] = value
    return now


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
