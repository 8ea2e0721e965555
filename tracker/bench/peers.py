"""Other trackers on the same clip: `yolo track` with its default tracker and with ByteTrack, and BoxMOT's BoT-SORT.

They get our weights in their own formats, detect at the same size and the same classes, leave video and text, and are
otherwise as their packages have them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracker.bench.runs import Command
from tracker.config import Config
from tracker.errors import DataError, MissingExtraError, UsageError

PEERS = ("ultralytics", "boxmot")
_YOLO = "from ultralytics.cfg import entrypoint; entrypoint()"


def peers(
    names: Sequence[str], clip: Path, size: tuple[int, int], config: Config, folder: Path, boxmot_python: Path | None
) -> dict[str, Command]:
    """The commands of other trackers; the weights they share with ours are written to `folder` in their format.

    Args:
        names: of `PEERS`.
        clip: what they track, with frames of this `size` in pixels, width and height.
        config: whose detector they share, with its size of images and its classes.
        folder: for the weights.
        boxmot_python: the interpreter that has BoxMOT; None: this one.

    Raises:
        UsageError: a peer that is not known; weights that only we read.
        MissingExtraError: one that is not installed.
    """
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise UsageError(f"--against {unknown[0]} is not known; choose of: {', '.join(PEERS)}")
    if not names:
        return {}
    script = boxmot_script(boxmot_python)
    if "boxmot" in names and not script.is_file():
        raise MissingExtraError(
            f"boxmot is not installed beside {script.parent / 'python'}; run: pip install boxmot, or name the "
            "interpreter that has it with --boxmot-python"
        )
    shared = _shared(config, folder)
    found: dict[str, Command] = {}
    if "ultralytics" in names:
        found |= _ultralytics(shared, clip, size)
    if "boxmot" in names:
        words = [str(script), "track", "--source", str(clip), "--detector", str(shared.detector)]
        words += ["--reid", str(shared.reid), *(word for side in shared.sides for word in ("--imgsz", side))]
        words += ["--tracker", "botsort", "--save", "--save-txt", "--project", "boxmot"]
        words += ["--classes", ",".join(shared.classes)] if shared.classes else []
        found["boxmot track (BoT-SORT, ReID)"] = Command(words, tracks=_boxmot_lines)
    return found


def installed(config: Config, boxmot_python: Path | None) -> tuple[list[str], str]:
    """Those of `PEERS` that can run, and a sentence about those that cannot; "": all can."""
    from tracker.detection.detector import find_weights

    if find_weights(config.detector.model).is_dir():
        return [], "an exported detector cannot be given to others: ours runs alone"
    if not boxmot_script(boxmot_python).is_file():
        return ["ultralytics"], "boxmot is not installed and left out; pip install boxmot, or name --boxmot-python"
    return list(PEERS), ""


def boxmot_script(python: Path | None) -> Path:
    """Where BoxMOT's command would be, beside its interpreter."""
    return (python or Path(sys.executable)).with_name("boxmot")


@dataclass(frozen=True)
class _Shared:
    """What all have in common with ours: weights, the sides of a detector's image, and numbers of classes, () all."""

    detector: Path
    reid: Path
    sides: tuple[str, ...]
    classes: tuple[str, ...]


def _shared(config: Config, folder: Path) -> _Shared:
    """Detector and appearance network as checkpoints of Ultralytics and torchreid."""
    import torch

    from tracker.appearance.weights import load_weights
    from tracker.detection import yolo
    from tracker.detection.detector import class_numbers, find_weights

    weights = find_weights(config.detector.model)
    detector, reid = folder / "detector.pt", folder / "osnet_x0_25_msmt17.pt"  # BoxMOT reads the network off the name
    if weights.is_dir():
        raise UsageError(f"{weights} is exported and cannot be given to others; give --against none")
    network, names = yolo.load(weights)
    torch.save({"model": network, "ema": None, "epoch": -1, "train_args": {}}, detector)
    torch.save(dict(load_weights(config.appearance.model).state), reid)
    size = config.detector.imgsz
    sides = [size] if isinstance(size, int) else size
    classes = class_numbers(config.detector.classes, names) or ()
    return _Shared(detector, reid, tuple(map(str, sides)), tuple(map(str, classes)))


def _ultralytics(shared: _Shared, clip: Path, size: tuple[int, int]) -> dict[str, Command]:
    """`yolo track` as it comes, and with ByteTrack."""
    from ultralytics.utils import DEFAULT_CFG_DICT

    words = [sys.executable, "-c", _YOLO, "track", f"source={clip}", f"model={shared.detector}"]
    words += [f"imgsz={','.join(shared.sides)}", "save=True", "save_txt=True", "save_dir=yolo"]
    words += [f"classes=[{','.join(shared.classes)}]"] if shared.classes else []

    def tracks(folder: Path) -> str:
        return "".join(_yolo_lines(folder / "yolo" / "labels", clip.stem, size))

    default = str(DEFAULT_CFG_DICT["tracker"])
    commands = {f"yolo track (default: {default.removesuffix('.yaml')})": Command(words, tracks=tracks)}
    if default != "bytetrack.yaml":
        commands["yolo track (ByteTrack)"] = Command([*words, "tracker=bytetrack.yaml"], tracks=tracks)
    return commands


def _boxmot_lines(folder: Path) -> str:
    """What BoxMOT tracked, in whichever folder of its project."""
    files = list((folder / "boxmot").glob("**/tracks.txt"))
    if len(files) != 1:
        raise DataError("boxmot left no tracks.txt; use version 25")
    return files[0].read_text(encoding="ascii")


def _yolo_lines(folder: Path, stem: str, size: tuple[int, int]) -> Iterator[str]:
    """MOTChallenge lines of Ultralytics' labels: a file a frame with class, centre and size in shares, id."""
    files = {int(path.stem.removeprefix(f"{stem}_")): path for path in folder.glob("*.txt")}
    for frame in sorted(files):
        for row in np.loadtxt(files[frame], ndmin=2):
            if len(row) == 6:  # one that is not tracked has no id
                x, y, width, height = row[1:5] * (*size, *size)
                left, top = x - width / 2, y - height / 2
                yield f"{frame},{row[5]:.0f},{left:.2f},{top:.2f},{width:.2f},{height:.2f},1,-1,-1,-1\n"
