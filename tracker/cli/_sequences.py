"""Options that commands on MOTChallenge sequences share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


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
