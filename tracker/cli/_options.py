"""Options that commands share: those made of settings, whose default, help and bounds are the dataclass's, and so is
what is said of a mistake; those of commands on MOTChallenge sequences; and `--download`, with what it does."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

import typer

from tracker.config import DetectorConfig, Settings, bounds, merged
from tracker.errors import UsageError

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

Hidden = Annotated[
    list[str] | None,
    typer.Option(metavar="CLASSES", help="Pixelate these classes in all pictures, or people's heads: heads."),
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
