"""A detector as it is exported: its network from pixels to a table, and how frames become its pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tracker.config import DetectorConfig
from tracker.detection import rf_detr, yolo
from tracker.detection.detector import find_weights
from tracker.detection.letterbox import letterbox
from tracker.export.rf_detr_table import FromQueries
from tracker.export.yolo_tables import FromPixels, for_export
from tracker.structures import Image


@dataclass(frozen=True)
class ExportableDetector:
    """
    Attributes:
        module: the network.
        names: class number -> name.
        stride: what the sides of the input are multiples of.
        fit: (H, W, 3) BGR frame -> the pixels that the network takes.
    """

    module: FromPixels | FromQueries
    names: dict[int, str]
    stride: int
    fit: Callable[[Image], Image]


def exportable(settings: DetectorConfig) -> ExportableDetector:
    """The detector of `settings`.

    Raises:
        WeightsError: missing, damaged, of another network. UsageError: words for one that takes none.
    """
    weights = find_weights(settings.model)
    if rf_detr.is_rf_detr(weights):
        network = rf_detr.load(weights, "cpu")
        names = rf_detr.names_of(network)
        queries = FromQueries(network, names)
        return ExportableDetector(queries, names, 1, partial(letterbox, imgsz=queries.side, stride=1, stretched=True))
    layers, names = yolo.load(weights, settings.prompt)
    stride = max(32, int(layers.stride.max()))
    cells = for_export(layers)
    fit = partial(letterbox, imgsz=settings.imgsz, stride=stride, stretched=cells.stretched)
    return ExportableDetector(cells, names, stride, fit)
