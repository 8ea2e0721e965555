"""The motion networks by name."""

from __future__ import annotations

from collections.abc import Callable

from tracker.motion.gru import GruNetwork
from tracker.motion.lstm import MotionNetwork
from tracker.motion.network import ForecastNetwork
from tracker.motion.rnn import RnnNetwork
from tracker.motion.transformer import TransformerNetwork

NETWORKS: dict[str, Callable[[], ForecastNetwork]] = {
    "lstm": MotionNetwork,
    "rnn": RnnNetwork,
    "gru": GruNetwork,
    "transformer": TransformerNetwork,
}
