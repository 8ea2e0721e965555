"""RF-DETR (Roboflow): a detection transformer, run by its own library, the extra `[rfdetr]`.

It looks at the whole frame, scaled to a square, and gives each object once: nothing is letterboxed or suppressed.
"""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tracker.config import DetectorConfig
from tracker.detection.detector import class_numbers, find_weights
from tracker.errors import UsageError, WeightsError
from tracker.structures import Detections, Image
from tracker.system.extras import extra

_EXTRA = "rfdetr"


def is_rf_detr(weights: Path) -> bool:
    """Whether a file is RF-DETR's, which writes .pth, and .pt under names of its own."""
    return weights.suffix == ".pth" or (weights.suffix == ".pt" and weights.name.startswith("rf-detr"))


class RfDetr:
    """An RF-DETR network for detection or segmentation.

    Attributes:
        names: class number -> name. weights: the file.

    Raises:
        WeightsError: missing, damaged, of another network, or would run code when read.
        MissingExtraError: the library is not installed. UsageError: a class that it does not know, or a prompt.
    """

    def __init__(self, config: DetectorConfig, device: str = "cpu") -> None:
        self.weights = find_weights(config.model)
        if config.prompt:
            raise UsageError(
                f"{self.weights} takes no words; give weights that do (--model yoloe-11s-seg.pt), or leave --prompt out"
            )
        self._network = load(self.weights, device)
        self.names = names_of(self._network)
        self._config = config
        self._keep = class_numbers(config.classes, self.names, config.model)

    def __call__(self, frames: Sequence[Image]) -> list[Detections]:
        """(H, W, 3) uint8 BGR frames -> the objects of each, by falling score, boxes in its pixels."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Image) -> Detections:
        with _quiet():
            found: Any = self._network.predict(
                np.ascontiguousarray(frame[..., ::-1]), threshold=self._config.conf, include_source_image=False
            )
        objects = Detections.from_supervision(found)
        height, width = frame.shape[:2]
        xyxy = np.clip(objects.xyxy, 0, np.array([width, height, width, height], np.float32))
        kept = np.isin(objects.classes, list(self.names) if self._keep is None else self._keep)
        kept &= (xyxy[:, 2:] > xyxy[:, :2]).all(axis=1)
        order = np.flatnonzero(kept)[np.argsort(-objects.scores[kept], kind="stable")]
        order = order[: self._config.max_detections]
        masks = None if objects.masks is None else objects.masks[order]
        return Detections(xyxy[order], objects.scores[order], objects.classes[order], names=self.names, masks=masks)


def load(path: Path, device: str) -> Any:
    """The network as its library has it; errors as of `RfDetr`."""
    with _quiet(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        library = extra("rfdetr", _EXTRA)
        from tracker.detection.yolo_architecture import Bounded  # of PyTorch, which runs without do not need

        try:
            with Bounded(path.stat().st_size // 2):
                # By its whole path: a bare name is looked for in the library's own folder, and fetched into it
                network = library.RFDETR.from_checkpoint(path.resolve(), device=device)
        except Exception as error:  # whatever a file that is none makes the library raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                f"{path} is not a whole RF-DETR checkpoint that can be read without running code ({reason}); give "
                "weights saved by rfdetr"
            ) from error
    if getattr(network.model.args, "use_grouppose_keypoints", False):
        raise WeightsError(f"{path} is an RF-DETR network for keypoints; give one for detection or segmentation")
    return network


def names_of(network: Any) -> dict[int, str]:
    """Class number -> name. Those trained on COCO count as that does: from 1, with gaps."""
    names = list(network.class_names)
    coco = extra("rfdetr.assets.coco_classes", _EXTRA)
    if network.model.args.num_classes > len(names) and names == list(coco.COCO_CLASS_NAMES):
        return dict(zip(coco.COCO_CLASSES, names, strict=True))
    return dict(enumerate(names))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the library logs for those who train with it."""
    log = logging.getLogger("rf-detr")
    before = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(before)
