"""The motion networks by name."""

from __future__ import annotations

from tracker.motion.lstm import MotionNetwork
from tracker.motion.network import ForecastNetwork

NETWORKS: dict[str, type[ForecastNetwork]] = {network.name: network for network in (MotionNetwork,)}
