"""Folders of pictures named as re-identification benchmarks name them: whose picture it is, and which camera's.

Market-1501 (Zheng et al., ICCV 2015): `0002_c1s1_000451_03.jpg` is person 2 in camera 1; 0000 is background, -1 junk.
MSMT17 (Wei et al., CVPR 2018): `train/0000/0000_000_01_0303morning_0008_0.jpg` is person 0 in camera 1; the folders
`train` and `test` each count people from 0.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tracker.datasets.mot import find_images

_MARKET = re.compile(r"^(\d+)_c(\d+)")
_MSMT = re.compile(r"^(\d+)_\d+_(\d+)_")


@dataclass(frozen=True)
class ReidImage:
    """A file, whose picture it is, and the camera's number."""

    file: Path
    identity: str
    camera: int


def pictures(folder: Path) -> list[ReidImage]:
    """All pictures in `folder` and below whose names say who is on them, in natural order of their paths."""
    found = []
    for file in find_images(folder, below=True):
        if (market := _MARKET.match(file.name)) and int(market[1]) > 0:
            found.append(ReidImage(file, market[1], int(market[2])))
        elif msmt := _MSMT.match(file.name):
            found.append(ReidImage(file, f"{file.parent.parent.name}/{msmt[1]}", int(msmt[2])))
    return found
