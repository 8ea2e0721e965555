"""The settings of a motion training, with their bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tracker.config import merged, setting
from tracker.errors import ConfigError
from tracker.motion.networks.registry import NETWORKS
from tracker.train.motion.augmentation import Augmentation


@dataclass(frozen=True)
class MotionTraining:
    """Everything that decides what comes out, but for the data itself."""

    model: str = setting("lstm", choices=tuple(NETWORKS))
    seed: int = setting(0, 0)
    rounds: int = setting(4000, 1)  # of four optimiser steps each
    filter_rounds: int = setting(200, 1)  # steps of the search for the filter's constants
    learning_rate: float = setting(2e-3, 0, 1)
    weight_decay: float = setting(0.01, 0)
    warmup_steps: int = setting(100, 0)
    decay: float = setting(1.0, 1)  # the rate follows half a cosine, which takes so many times the training
    cooldown: float = setting(0.0, 0, 1)  # last share of the training, in which the rate falls to zero
    clip: float = setting(1.0, 0)  # longest gradient
    average: float = setting(0.999, 0, 1)  # decay of the weights' moving average, which is what is kept
    short_windows: int = setting(96, 1)  # a step of a short round: windows x observations
    short_steps: int = setting(20, 2)
    long_windows: int = setting(32, 1)  # a step of a long round; four steps go on where the one before ended
    long_steps: int = setting(60, 2)
    real: float = setting(0.25, 0, 1)  # share of windows made of a detector's boxes where the data has them
    looks_every: int = setting(8, 1)  # one round in so many has appearance vectors
    images: bool = True  # they are the appearance network's where a sequence has images; else, and without, simulated
    validation: float = setting(0.06, 0, 0.5)  # share of the sequences set aside to stop by
    validate_every: int = setting(100, 1)  # rounds
    patience: int = setting(12, 1)  # validations without a better one before the training stops
    hold_out: tuple[str, ...] = ()  # sequences (shell patterns) never trained on
    first_half: tuple[str, ...] = ()  # sequences of which only the first half is trained on
    familiar: tuple[str, ...] = ()  # sequences whose detections come from a detector that was trained on their images
    precision: str = setting("float32", choices=("float32", "bfloat16"))  # bfloat16: on CUDA, by autocast
    licences: tuple[str, ...] = ()  # of the data, for the model card
    augmentation: Augmentation = field(default_factory=Augmentation)  # what windows of the data go through

    @classmethod
    def load(cls, path: Path | None) -> MotionTraining:
        """The settings of a YAML file on top of the defaults.

        Raises:
            ConfigError: not a YAML mapping, an unknown key or a value out of bounds.
        """
        if path is None:
            return cls()
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ConfigError(
                f"{path} is not a readable YAML file ({str(error).splitlines()[0]}); see configs/"
            ) from error
        return merged(cls(), values, str(path))
