"""Motion models with one batched-state protocol: see `predictor.py`."""

from __future__ import annotations

from pathlib import Path

from tracker.motion.kalman import KalmanParameters, KalmanPredictor
from tracker.motion.predictor import Predictor
from tracker.motion.weights import EMBEDDED, read_weights

__all__ = ["load_predictor"]


def load_predictor(model: str = "") -> Predictor:
    """The motion model by name: "" (the embedded LSTM), "kalman" (its filter alone) or a file of `track train motion`.

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """
    weights = read_weights(EMBEDDED if model in ("", "lstm", "kalman") else Path(model))
    return KalmanPredictor(KalmanParameters.from_tensors(weights.tensors))
