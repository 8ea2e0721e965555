"""The settings of a motion training, with their bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tracker.config import Settings, merged, setting
from tracker.system.files import read_yaml
from tracker.system.renamed import FORMER, renamed_fields
from tracker.train.motion.augmentation import Augmentation

NETWORKS = ("lstm", "rnn", "gru", "transformer")  # names in `motion.networks.registry`, which takes PyTorch to read


@renamed_fields(FORMER)
@dataclass(frozen=True)
class MotionTraining(Settings):
    """Everything that decides what comes out, but for the data itself."""

    model: str = setting(
        "lstm", "the network; lstm is the one in use, the others are to compare it with", choices=NETWORKS
    )
    seed: int = setting(0, "where all chance comes from", 0)
    iterations: int = setting(4000, "of four steps each, which is what --steps counts; 1000 take about five minutes", 1)
    filter_iterations: int = setting(200, "steps of the search for the filter's constants", 1)
    learning_rate: float = setting(2e-3, "learning rate at its highest; higher learns more and diverges sooner", 0, 1)
    weight_decay: float = setting(0.01, "share of the rate by which weights shrink in a step; higher forgets more", 0)
    warmup_steps: int = setting(100, "steps in which the rate rises", 0)
    decay: float = setting(1.0, "the rate follows half a cosine, which takes so many times the training", 1)
    cooldown: float = setting(0.0, "last share of the training, in which the rate falls to zero", 0, 1)
    clip: float = setting(1.0, "gradients that are longer are shortened to this", 0)
    average: float = setting(0.999, "decay of the weights' moving average, which is what is kept", 0, 1)
    short_windows: int = setting(96, "windows of a step in a short round", 1)
    short_steps: int = setting(20, "and the observations of each", 2)
    long_windows: int = setting(
        32, "windows of a step in a long round, whose steps go on where the one before ended", 1
    )
    long_steps: int = setting(60, "and the observations of each", 2)
    real: float = setting(0.25, "share of windows made of a detector's boxes where the data has them", 0, 1)
    embeddings_every: int = setting(8, "one iteration in so many has appearance embeddings", 1)
    images: bool = setting(
        True, "appearance vectors are the network's where a sequence has images; else, and without, simulated"
    )
    validation: float = setting(0.06, "share of the sequences set aside to stop by", 0, 0.5)
    validate_every: int = setting(100, "rounds from one validation and checkpoint to the next", 1)
    patience: int = setting(12, "validations without a better one before the training stops", 1)
    hold_out: tuple[str, ...] = setting((), "sequences (shell patterns) never trained on")
    first_half: tuple[str, ...] = setting((), "sequences of which only the first half is trained on")
    familiar: tuple[str, ...] = setting(
        (), "sequences whose detections come from a detector that was trained on their images"
    )
    precision: str = setting(
        "float32", "floats that are calculated with; bfloat16: on CUDA, by autocast", choices=("float32", "bfloat16")
    )
    licences: tuple[str, ...] = setting((), "licences of the data, for the model card")
    augmentation: Augmentation = field(default_factory=Augmentation)

    @classmethod
    def load(cls, path: Path | None) -> MotionTraining:
        """The settings of a YAML file on top of the defaults.

        Raises:
            ConfigError: not a YAML mapping, an unknown key or a value out of bounds.
        """
        if path is None:
            return cls()
        return merged(cls(), read_yaml(path), str(path))
