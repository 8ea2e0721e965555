"""Options that commands share: those made of settings, whose default, help and bounds are the dataclass's, and so is
what is said of a mistake; those of commands on MOTChallenge sequences; and `--download`, with what it does."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast, get_type_hints

import typer

from tracker.config import AppearanceConfig, BankConfig, Config, DetectorConfig, Settings, bounds, merged
from tracker.errors import UsageError

if TYPE_CHECKING:
    from tracker.analytics.ground.plane import GroundPlane
    from tracker.analytics.zones import Zones
    from tracker.jobs.result_folder import Output

Section = TypeVar("Section", bound=Settings)

SENSITIVITY = (
    "0: find only what is beyond doubt, 1: whatever the detector hints at; moves the thresholds for detection, birth "
    "and confirmation together."
)


def option(
    section: type[Settings],
    key: str,
    *names: str,
    about: str = "",
    shown: str = "",
    metavar: str | None = None,
) -> Any:
    """The option that sets `key` of a section.

    Args:
        section, key: the setting.
        names: how it is spelled; by default as the parameter.
        about: its help, in place of the setting's, where it is told in other units or words.
        shown: the same for its default.
        metavar: what stands for the value.
    """
    (setting,) = (field for field in dataclasses.fields(cast(Any, section)) if field.name == key)
    text = about or f"{setting.metadata['about']}{f' ({limits})' if (limits := bounds(setting)) else ''}."
    default = shown or ("" if isinstance(setting.default, bool | tuple) else f"{setting.default}")
    return typer.Option(*names, help=text[:1].upper() + text[1:], show_default=default or False, metavar=metavar)


DetectEvery = Annotated[
    str | None,
    option(
        DetectorConfig,
        "every",
        "--detect-every",
        about="Look at every Nth frame, every so many seconds (0.15s), or when the tracker needs it; all are reported.",
        metavar="N|SECONDSs|auto",
    ),
]

Prompt = Annotated[
    list[str] | None,
    option(
        DetectorConfig,
        "prompt",
        about="What YOLO-World or YOLOE weights look for, in words; repeat or separate by commas.",
        metavar="TEXT",
    ),
]

Download = Annotated[
    bool,
    typer.Option(
        "--download", help="Download weights that are not there from their maker's address; else nothing is downloaded."
    ),
]

Jobs = Annotated[
    int, typer.Option(metavar="N", help="Processes, each for a sequence at a time; the results are the same.", min=1)
]

Hidden = Annotated[
    list[str] | None,
    typer.Option(metavar="CLASSES", help="Pixelate these classes in all pictures, or people's heads: heads."),
]

ZonesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="zones.yaml: count at its lines and in its zones, and what to ignore."),
]
GroundOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="camera.yaml of `track calibrate`: positions in metres and speeds."),
]
At = Annotated[float, typer.Option(metavar="SECONDS", help="The time of the picture to draw on.", min=0)]
PagesAt = Annotated[str, typer.Option(metavar="HOST:PORT", help="Where to serve the page; port 0: any that is free.")]
TokenFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Its first line is asked for at the pages.")]


def listed(items: list[str] | None) -> list[str] | None:
    """The items of an option that is repeated or has its values separated by commas; None where it is not given."""
    return [part.strip() for item in items or () for part in item.split(",") if part.strip()] or None


def hidden(blur: list[str] | None) -> tuple[str, ...]:
    """The classes that --blur names: where it is given, never none, which would leave all pictures clear."""
    classes = tuple(listed(blur) or ())
    if blur and not classes:
        raise UsageError("--blur names no class, and nothing would be hidden; name some, or heads")
    return classes


def overridden(section: Section, options: Mapping[str, tuple[Any, ...]]) -> Section:
    """`section` with what was given on the command line on top: option -> keys down to the setting, and value or None.

    Raises:
        ConfigError: a value out of bounds; the option is named.
    """
    for name, (*keys, value) in options.items():
        if value is not None:
            for key in reversed(keys):
                value = {key: value}
            section = merged(section, value, name)
    return section


def renamed(old: str, new: str) -> Any:
    """The hidden option of an old name, which says in one line what it is called now."""

    def warn(value: Any) -> Any:
        if value not in (None, []):
            print(f"warning: {old} is called {new} now; the old name will go", file=sys.stderr)
        return value

    return typer.Option(old, hidden=True, callback=warn)


@dataclass(frozen=True)
class TrackingOptions:
    """The options that say how videos are tracked and what is left of each, as every command has them that does."""

    model: Annotated[str | None, option(DetectorConfig, "model")] = None
    conf: Annotated[float | None, option(DetectorConfig, "conf")] = None
    iou: Annotated[float | None, option(DetectorConfig, "iou")] = None
    classes: Annotated[
        list[str] | None,
        option(DetectorConfig, "classes", about="Only these, by name or number; repeat or separate by commas."),
    ] = None
    prompt: Prompt = None
    download: Download = False
    imgsz: Annotated[str | None, option(DetectorConfig, "imgsz", metavar="SIDE|HEIGHT,WIDTH")] = None
    device: Annotated[str | None, option(Config, "device")] = None
    half: Annotated[bool, option(DetectorConfig, "half", "--half")] = False
    batch: Annotated[int | None, option(DetectorConfig, "batch")] = None
    reid: Annotated[str | None, option(AppearanceConfig, "model", metavar="WEIGHTS")] = None
    memory: Annotated[
        float | None,
        option(
            BankConfig,
            "memory_s",
            about="Objects that left are re-identified for so long.",
            shown=f"{BankConfig.memory_s / 60:g}",
            metavar="MINUTES",
        ),
    ] = None
    no_reid: Annotated[bool, typer.Option("--no-reid", help="Motion alone, without appearance: faster.")] = False
    sensitivity: Annotated[float | None, option(Config, "sensitivity", about=SENSITIVITY, metavar="0..1")] = None
    detect_every: DetectEvery = None
    vid_stride: Annotated[int, typer.Option(help="Use every Nth frame.")] = 1
    fps: Annotated[
        float | None,
        typer.Option(
            help="Frames/s of images, or of a video whose times are wrong; the video made of it runs as fast.",
            show_default="the source's, 30 of images",
        ),
    ] = None
    zones: ZonesOption = None
    camera: GroundOption = None
    gallery: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Add what the tracks look like to this archive's memory, and find who is in several of its videos.",
        ),
    ] = None
    config: Annotated[str | None, typer.Option(help="Preset or YAML file; the options here override it.")] = None
    no_video: Annotated[bool, typer.Option("--no-video", help="Leave no annotated video: faster.")] = False
    save_crops: Annotated[
        bool, typer.Option("--save-crops", help="Leave crops/ID.jpg, the best picture of every track.")
    ] = False
    parquet: Annotated[
        bool, typer.Option("--parquet", help="Leave tracks.parquet too: the rows of tracks.csv with types and units.")
    ] = False
    blur: Hidden = None
    forecast: Annotated[
        float, typer.Option(metavar="SECONDS", help="Draw where each object will be so far ahead.", min=0)
    ] = 0.0
    no_labels: Annotated[bool, typer.Option("--no-labels", help="Draw boxes without id, class and score.")] = False
    no_trails: Annotated[bool, typer.Option("--no-trails", help="Draw no trails.")] = False
    line_width: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Of boxes and trails.", min=1, max=1000, show_default="by the frame"),
    ] = None
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Offline post-processing when the video has ended: link tracks, fill gaps, smooth."
        ),
    ] = False

    def settings(self, quiet: bool) -> Config:
        """The configuration that they make; what is to be downloaded for it is.

        Raises:
            ConfigError: a value out of bounds; the option is named.
        """
        from tracker.jobs.resume.options import SETTINGS

        for name, items in (("--classes", self.classes), ("--prompt", self.prompt)):
            if items and not listed(items):
                raise UsageError(f"{name} names nothing; name something, or leave it out")
        if self.memory is not None and self.memory < 0:
            raise UsageError(f"--memory is {self.memory:g}; give minutes, 0 or more")
        values = {
            "sensitivity": self.sensitivity,  # first: --conf, where given, is meant as it stands
            "detector.conf": self.conf,
            "detector.iou": self.iou,
            "detector.classes": listed(self.classes),
            "detector.prompt": listed(self.prompt),
            "detector.imgsz": None if self.imgsz is None else _size(self.imgsz),
            "detector.batch": self.batch,
            "detector.half": self.half or None,
            "detector.every": self.detect_every,
            "appearance.model": self.reid,
            "bank.memory_s": None if self.memory is None else 60 * self.memory,
            "appearance.enabled": False if self.no_reid else None,
        }
        given = {SETTINGS[key]: (*key.split("."), value) for key, value in values.items()}
        settings = Config.load(self.config) if self.config else Config()
        settings = overridden(settings, exported_models(self.model) | given)
        if self.download:
            fetched(settings.detector, quiet)
        return settings

    def output(self, project: Path, as_json: bool) -> Output:
        """What is left of a video in a folder of `project`."""
        from tracker.jobs.result_folder import Output

        return Output(
            project,
            video=not self.no_video,
            json=as_json,
            parquet=self.parquet,
            forecast_s=self.forecast,
            labels=not self.no_labels,
            trails=not self.no_trails,
            line_width=self.line_width or 0,
            offline=self.offline,
            crops=self.save_crops,
            blur=hidden(self.blur),
        )

    def places(self) -> tuple[Zones, GroundPlane | None]:
        """What is known of the place: zones, and the ground."""
        from tracker.analytics.ground.plane import GroundPlane
        from tracker.analytics.zones import Zones

        zones = Zones() if self.zones is None else Zones.load(self.zones)
        return zones, None if self.camera is None else GroundPlane.load(self.camera)


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """A command whose parameter is a dataclass of options, as one that has each of them as a parameter of its own."""
    hints = get_type_hints(command, include_extras=True)
    parameters: list[inspect.Parameter] = []
    groups: dict[str, type] = {}
    for parameter in inspect.signature(command).parameters.values():
        kind = hints[parameter.name]
        if not dataclasses.is_dataclass(kind):
            parameters.append(parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        assert isinstance(kind, type)
        groups[parameter.name] = kind
        within = get_type_hints(kind, include_extras=True)
        parameters += [
            inspect.Parameter(
                field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=within[field.name]
            )
            for field in dataclasses.fields(kind)
        ]

    @functools.wraps(command)
    def with_each(**given: Any) -> None:
        made = {
            name: kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
            for name, kind in groups.items()
        }
        command(**given, **made)

    with_each.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    with_each.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return with_each


def _size(imgsz: str) -> int | list[int]:
    """What --imgsz says: a side, or a height and a width."""
    try:
        sides = [int(side) for side in imgsz.split(",")]
    except ValueError as error:
        raise UsageError(f"--imgsz is {imgsz!r}; give pixels, as 640, or as HEIGHT,WIDTH: 384,640") from error
    return sides[0] if len(sides) == 1 else sides


def exported_models(model: str | None) -> dict[str, tuple[str, str, Any]]:
    """What --model sets: the detector, and of a folder of `track export` whatever it holds."""
    from tracker.detection.foreign_export import find as find_foreign
    from tracker.system.engine import find

    if model is None or not Path(model).is_dir() or find_foreign(Path(model)):
        return {"--model": ("detector", "model", model)}

    export = find(model)
    assert export is not None
    return {f"--model ({network})": (network, "model", model) for network in export.networks}


class DetectionsFrom(StrEnum):
    det = "det"
    yolo = "yolo"


class CameraMotionFrom(StrEnum):
    file = "file"
    images = "images"
    none = "none"


DetectionsOption = Annotated[
    DetectionsFrom, typer.Option(help="det: the sequences' det/det.txt; yolo: our detector, on their images.")
]
CameraMotionOption = Annotated[
    CameraMotionFrom | None,
    typer.Option(help="file: gmc.txt; images: estimated. Default: the first of file, images, none that is there."),
]
Preproc = Annotated[
    bool,
    typer.Option(
        "--preproc/--no-preproc",
        help="MOT16/17/20's rule: class 1 counts, distractors are ignored. Off: every flagged row counts.",
    ),
]


def fetched(settings: DetectorConfig, quiet: bool) -> None:
    """Download what the detector needs, is published and is not there, with a bar on stderr.

    Raises:
        WeightsError: it cannot be had; nothing is kept. OutputError: it cannot be written.
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    from tracker.detection.detector import find_weights
    from tracker.detection.downloads.published import fetch
    from tracker.detection.rf_detr import is_rf_detr
    from tracker.detection.yolo_weights import text_encoder

    def shown(path: Path) -> None:
        task = bar.add_task(path.name, total=None)
        fetch(path, lambda done, total: bar.update(task, completed=done, total=total or None))

    columns = (TextColumn("downloading {task.description}", markup=False), BarColumn(), DownloadColumn())
    console = Console(stderr=True, quiet=quiet)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        if settings.model and "://" not in settings.model:
            shown(Path(settings.model))
        weights = find_weights(settings.model)
        told = settings.prompt and weights.suffix in (".pt", ".safetensors") and not is_rf_detr(weights)
        if told and (encoder := text_encoder(weights, settings.prompt)):
            shown(encoder)
