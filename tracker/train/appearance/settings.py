"""The settings of a training of the appearance network, with their bounds."""

from __future__ import annotations

from dataclasses import dataclass

from tracker.config import Settings, setting

CROPS_ASIDE, IDENTITIES_ASIDE = 0.05, 0.1  # shares that are only looked at where nothing else is said
TEACHERS_PART = 3  # one in so many crops of a batch is for the teacher, where identities are learned beside it


@dataclass(frozen=True)
class TrainConfig(Settings):
    """How the network is taught."""

    steps: int = setting(3000, "batches to learn from", 1, 10_000_000)
    batch: int = setting(64, "crops in a batch", 2, 4096)
    learning_rate: float = setting(5e-4, "learning rate at its highest; falls to 0 by a cosine", 0, 1)
    weight_decay: float = setting(1e-4, "share of the rate by which weights shrink in a step", 0, 1)
    height: int = setting(128, "height of the crops in pixels; the width is half of it", 32, 1024)
    ema: float = setting(0.998, "decay of the running mean of the weights, which is what is kept", 0, 1)
    amp: bool = setting(False, "16-bit floats (bfloat16) where they lose nothing: faster on CUDA")
    hold_out: float = setting(
        0.0,
        f"share of the data that is only looked at; 0: {CROPS_ASIDE} of crops, {IDENTITIES_ASIDE} of identities",
        0,
        0.9,
    )
    distillation_weight: float = setting(
        4.5,
        "weight of the teacher's loss where that of identities, which weighs 1, is added; more forgets less",
        0,
        100,
    )
    seed: int = setting(0, "where all chance comes from", 0)
    checkpoint_every: int = setting(250, "steps from one checkpoint to the next", 1)

    @property
    def crop_size(self) -> tuple[int, int]:
        return self.height, self.height // 2
