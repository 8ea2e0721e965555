"""The detector that weights ask for."""

from __future__ import annotations

from tracker.config import DetectorConfig
from tracker.detection.detector import Detector, YoloDetector, find_weights
from tracker.detection.rf_detr import RfDetr, is_rf_detr


def load_detector(settings: DetectorConfig, device: str = "cpu") -> Detector:
    """RF-DETR where the weights are its, else a YOLO network; errors as of either."""
    kind = RfDetr if is_rf_detr(find_weights(settings.model)) else YoloDetector
    return kind(settings, device)
