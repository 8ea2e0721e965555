"""Options that commands share: those made of settings, whose default, help and bounds are the dataclass's, and so is
what is said of a mistake; and those of commands on MOTChallenge sequences."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, TypeVar, cast

import typer

from tracker.config import DetectorConfig, Settings, bounds, merged

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
