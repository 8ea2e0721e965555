"""The networks as the engine of a configuration runs them, each loaded when it is first needed."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from tracker.config import Config

if TYPE_CHECKING:
    from tracker.appearance.embedder import Embedder
    from tracker.appearance.similarity import Calibration
    from tracker.detection.detector import Detector
    from tracker.motion.predictor import Predictor


class Networks:
    """The networks that look at pictures, what is known of the embeddings, and what moves the tracks.

    Args:
        config: of all. lasting: as of `Embedder`.
    """

    def __init__(self, config: Config, lasting: bool = False) -> None:
        self._config, self._lasting = config, lasting

    @property
    def detects(self) -> bool:
        """Was the detector needed?"""
        return "detector" in vars(self)

    @cached_property
    def detector(self) -> Detector:
        """What finds objects."""
        from tracker.detection.chosen import load_detector
        from tracker.detection.detector import find_weights
        from tracker.system.device import resolve_device

        device = resolve_device(self._config.device)  # whose absence is told before that of weights
        find_weights(self._config.detector.model)  # what is not there is told before one is made for another engine
        return load_detector(self._run.detector, device)

    @cached_property
    def embedder(self) -> Embedder:
        """The CNN that turns crops into features."""
        from tracker.appearance.embedder import Embedder
        from tracker.system.device import resolve_device

        return Embedder(self._run.appearance, resolve_device(self._config.device), self._lasting)

    @cached_property
    def motion(self) -> Predictor:
        """The motion model; to it, features are "none" unless they are of the network that it was trained with."""
        from tracker.appearance.similarity import is_embedded
        from tracker.motion.load import load_predictor

        settings = self._config.appearance
        return load_predictor(self._config.motion.model, settings.enabled and is_embedded(settings.model))

    @cached_property
    def calibration(self) -> Calibration:
        """What a similarity of two embeddings says: the embedder's knowledge, also for features that are handed in."""
        from tracker.appearance.similarity import load_notes

        return load_notes(self._config.appearance.model).calibration

    @cached_property
    def _run(self) -> Config:
        """The configuration with what its engine runs in the place of the weights."""
        if self._config.engine == "torch":
            return self._config
        from tracker.export.int8 import prepared

        return prepared(self._config)
