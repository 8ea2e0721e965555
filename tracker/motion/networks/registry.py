"""The motion networks by name."""

from __future__ import annotations

from collections.abc import Callable

from tracker.motion.networks.base import ForecastNetwork
from tracker.motion.networks.gru import GruNetwork
from tracker.motion.networks.lstm import MotionNetwork
from tracker.motion.networks.rnn import RnnNetwork
from tracker.motion.networks.transformer import TransformerNetwork

NETWORKS: dict[str, Callable[[], ForecastNetwork]] = {
    "lstm": MotionNetwork,
    "rnn": RnnNetwork,
    "gru": GruNetwork,
    "transformer": TransformerNetwork,
}
