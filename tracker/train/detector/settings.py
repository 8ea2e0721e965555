"""The settings of a detector's training, with their bounds."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from tracker.config import Settings, setting


@dataclass(frozen=True)
class DataConfig(Settings):
    """How the dataset is made."""

    imgsz: int = setting(
        640, "size of the images in pixels; pseudo-labels must agree with those at half as much again", 64, 4096
    )
    hold_out: float = setting(0.2, "share of the labelled images to measure on, not trained on", 0.01, 0.9)
    every_s: float = setting(
        1.0, "seconds between the frames taken from a video or sequence; less gives more, and more alike, images", 0.01
    )
    agreement: float = setting(0.6, "least IoU between the views of a pseudo-label", 0, 1)
    score: float = setting(0.45, "least mean score of a pseudo-label", 0, 1)
    visible: float = setting(0.3, "least visible share of a box in MOTChallenge's ground truth", 0, 1)
    seed: int = setting(0, "where all chance comes from", 0)


@dataclass(frozen=True)
class FineTuneConfig(DataConfig):
    """How a detector is fine-tuned; what is 0 suits what there is to learn (`suited`)."""

    steps: int = setting(0, "batches to learn from, rounded up to whole passes over the images; 0: `epochs` passes", 0)
    epochs: int = setting(0, "passes over the images where no steps are given; 0: 3, or 200 steps for new classes", 0)
    batch: int = setting(0, "images in a batch; 0: 16, or 4 for new classes", 0)
    learning_rate: float = setting(
        0.0,
        "learning rate at the start; falls to a tenth by a line; higher learns and forgets more; 0: 5e-5, or 1e-3 for "
        "new classes",
        0,
        1,
    )
    mix: float = setting(
        0.0,
        "share of the trained weights in the result, the rest is the start; 1 forgets most; 0: half, or 1 for new "
        "classes",
        0,
        1,
    )

    def suited(self, new_classes: bool) -> FineTuneConfig:
        """Itself with what is 0 filled in.

        Classes that the start knows are learned gently, so that nothing is forgotten. Where there are others, the start
        has nothing to keep: its last layer is new, and half of it would be half of nothing.
        """
        fitting: dict[str, Any] = {"epochs": 3, "batch": 16, "learning_rate": 5e-5, "mix": 0.5}
        if new_classes:
            fitting = {"batch": 4, "learning_rate": 1e-3, "mix": 1.0}
            fitting |= {} if self.epochs else {"steps": 200}
        return replace(self, **{name: getattr(self, name) or value for name, value in fitting.items()})
