"""Detectors: frames in, `Detections` out. A YOLO network (Ultralytics), or a MOTChallenge det.txt.

The network is Ultralytics' own (`yolo.py`), run by PyTorch or exported; what surrounds it is written for a frame's
latency, and its results are those of Ultralytics' `predict` to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from tracker.config import PACKAGE, DetectorConfig
from tracker.detection.decoding import NetworkOutput, boxes_of, carried
from tracker.detection.downloads.published import published
from tracker.detection.foreign_export import SUFFIXES, ForeignExport
from tracker.detection.foreign_export import find as find_foreign
from tracker.detection.letterbox import Letterboxed, letterbox, letterbox_sizes
from tracker.detection.suppression import suppress, suppress_oriented
from tracker.errors import UsageError, WeightsError, nearest
from tracker.structures import Detections, Image
from tracker.system import engine

EMBEDDED = PACKAGE / "assets" / "detector.safetensors"
_FEW = 12  # classes that one sentence can hold


class Detector(Protocol):
    """What finds the objects."""

    @property
    def names(self) -> Mapping[int, str]:
        """Class number -> name."""

    def __call__(self, frames: Sequence[Image]) -> list[Detections]:
        """(H, W, 3) uint8 BGR frames -> the objects of each, boxes in its pixels."""


class YoloDetector:
    """A YOLO network of Ultralytics' architecture.

    Attributes:
        names: class number -> name.
        weights: the file or exported folder the network came from.

    Raises:
        WeightsError: weights that are missing, damaged, of another network, or would run code when read.
        UsageError: a class that the network does not know.
    """

    def __init__(self, config: DetectorConfig, device: str = "cpu") -> None:
        self.weights = find_weights(config.model)
        self._network = _network(config, self.weights, device)
        self.names = self._network.names
        self._config = config
        self._keep = class_numbers(config.classes, self.names, config.model)
        self._device = device
        self._one_by_one = device == "cpu" or self.weights.is_dir() or isinstance(self._network, ForeignExport)

    def __call__(self, frames: Sequence[Image]) -> list[Detections]:
        """(H, W, 3) uint8 BGR frames -> the objects of each, by falling score, boxes in its pixels.

        On the CPU a batch is run frame by frame (it is no slower, and a frame's result cannot depend on its
        neighbours); on CUDA frames of one size run together.
        """
        if self._one_by_one:
            return [found for frame in frames for found in self._detect([frame])]
        return [found for _, group in groupby(frames, key=np.shape) for found in self._detect(list(group))]

    def _detect(self, frames: list[Image]) -> list[Detections]:
        """Frames of one size."""
        stride, shape, fixed = self._network.stride, frames[0].shape, self._network.size
        imgsz, how = fixed or self._config.imgsz, (stride, fixed is not None, self._network.stretched)
        sizes = letterbox_sizes(shape, imgsz, *how)
        copies: Any = None
        if not self._one_by_one:  # for the embedder later
            from tracker.detection.yolo import upload

            copies = upload(frames, self._device)
        # On every device OpenCV's pixels: a GPU's own interpolation rounds otherwise, which moves boxes by up to 1 px
        found = self._network(np.stack([letterbox(frame, imgsz, *how) for frame in frames]))
        where = Letterboxed((shape[0], shape[1]), *sizes)
        return [self._finish(found, i, where, None if copies is None else copies[i]) for i in range(len(frames))]

    def _finish(self, found: NetworkOutput, image: int, boxed: Letterboxed, pixels: Any) -> Detections:
        """Of the candidates of an image what is kept, in the frame's pixels."""
        rows = found.rows[found.rows[:, 0] == image, 1:]
        if self._keep is not None:
            rows = rows[np.isin(rows[:, 5], self._keep)]
        if not self._network.end2end:
            rows = rows[(suppress_oriented if found.oriented else suppress)(rows, self._config.iou)]
        rows = rows[: self._config.max_detections]
        xyxy = boxes_of(found, rows, boxed)
        inside = np.clip(xyxy, 0, np.tile(boxed.frame[::-1], 2))
        proper = (inside[:, 2:] > inside[:, :2]).all(axis=1)  # what lies in the padding has no area in the frame
        xyxy, rows = xyxy[proper], rows[proper]
        more = carried(found, image, rows, xyxy, boxed)
        return Detections(xyxy, rows[:, 4], rows[:, 5].astype(np.int64), pixels=pixels, names=self.names, **more)


class _Network(Protocol):
    """A YOLO network, whatever runs it; `yolo.TorchYolo` says more."""

    names: dict[int, str]
    stride: int
    end2end: bool
    stretched: bool
    size: tuple[int, int] | None

    def __call__(self, pixels: Any) -> NetworkOutput:
        """(B, H, W, 3) RGB, 0 to 255 -> the candidates of all images."""


def _network(config: DetectorConfig, weights: Path, device: str) -> _Network:
    export = engine.find(weights, "detector")
    if config.prompt and (export is not None or weights.suffix in SUFFIXES):
        raise UsageError(f"the vocabulary of {weights} was set when it was exported; leave --prompt out")
    if export is not None:
        return _ExportedYolo(export, config.conf)
    if weights.suffix in SUFFIXES:
        return ForeignExport(weights, config.conf)
    from tracker.detection.yolo import TorchYolo

    return TorchYolo(weights, device, config.half, config.conf, config.prompt)


class _ExportedYolo:
    """A YOLO network that `track export` has written."""

    def __init__(self, export: engine.Export, conf: float) -> None:
        about = export.networks["detector"]
        self.names = {int(number): str(name) for number, name in about["names"].items()}
        self.stride, self.end2end = int(about["stride"]), bool(about["end2end"])
        sides = about.get("stretched_to")
        self.stretched, self.size = sides is not None, None if sides is None else (int(sides[0]), int(sides[1]))
        self._beside = int(about.get("of_point", 0)), bool(about.get("oriented", False))
        self._conf = conf
        self._network = export.open("detector", any_shape=False)

    def __call__(self, pixels: NDArray[np.uint8]) -> NetworkOutput:
        table, *prototypes = self._network(pixels)  # (B, A, 6 + E): every cell of every image
        image, cell = np.nonzero(table[..., 4] > self._conf)
        rows = np.concatenate([image[:, None].astype(np.float32), table[image, cell]], axis=1)
        if self.stretched:
            rows[:, 1:5] *= np.tile(pixels.shape[2:0:-1], 2)
        return NetworkOutput(rows, prototypes[0] if prototypes else None, *self._beside)


def class_numbers(wanted: Sequence[str], names: Mapping[int, str], model: str = "") -> list[int] | None:
    """Names or numbers of classes -> numbers; None, which means all, where none is wanted.

    Raises:
        UsageError: a class that is not among `names` of `model`, with the nearest that is, or what to do.

    >>> class_numbers(["person", "2"], {0: "person", 2: "car"})
    [0, 2]
    """
    numbers = {name.lower(): number for number, name in names.items()}
    kept = []
    for item in wanted:
        name = item.strip().lower()
        if name in numbers:
            kept.append(numbers[name])
        elif name.isdecimal() and int(name) in names:
            kept.append(int(name))
        else:
            raise UsageError(f"the detector knows no class {item!r}; {_way_on(name, list(numbers), model)}")
    return sorted(set(kept)) or None


def _way_on(name: str, known: list[str], model: str) -> str:
    """What whoever asked for a class that is not among `known` can do: a slip, another class, or another detector."""
    near = nearest(name, known)
    info = " ".join(filter(None, ("track info", model)))
    listed = f"it knows {', '.join(known)}" if len(known) <= _FEW else f"{info} lists the {len(known)} it knows"
    words = f"--model yoloe-11s-seg.pt --prompt '{name}'"
    way = f"{listed}; for others give a network that knows them (--model), or one that looks for words ({words})"
    return f"did you mean {near!r}? If not: {way}" if near else way


def find_weights(model: str) -> Path:
    """The file or exported folder of `DetectorConfig.model`, the embedded file for an empty string.

    Nothing is downloaded: that is `published.fetch`.

    Raises:
        WeightsError: no such file, or not a format we read.
    """
    if not model and not EMBEDDED.is_file():
        raise WeightsError(
            "this installation has no embedded detector; give weights with --model yolo11n.pt, or make one: "
            "track train detector IMAGES --model yolo11n.pt --out DIR"
        )
    if "://" in model:  # which may have a password
        name = Path(urlsplit(model).path).name or "yolo11n.pt"
        raise WeightsError(
            f"the detector's weights are given as an address; give a file, or a name that is published: "
            f"--model {name} --download"
        )
    path = Path(model) if model else EMBEDDED
    if path.is_dir():
        foreign = find_foreign(path)
        if foreign is None:
            engine.find(path, "detector")
        return foreign or path
    if not path.is_file():
        source = published(path.name)
        if source is not None:
            raise WeightsError(
                f"no detector weights at {str(path)!r}, and nothing is downloaded unasked; get them from {source.url}, "
                "or give --download (track, track eval, track info)"
            )
        raise WeightsError(
            f"no detector weights at {str(path)!r}, and no maker that is known publishes a file of this name, so "
            "nothing is downloaded; give the path of a YOLO .pt or .safetensors file, or none for the embedded one"
        )
    if path.suffix not in (".pt", ".pth", ".safetensors", *SUFFIXES):
        raise WeightsError(
            f"{path} is not a .pt, .pth, .safetensors or .onnx file; give the weights of a YOLO or RF-DETR detector"
        )
    return path
