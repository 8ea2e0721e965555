"""Motion models with one batched-state protocol: see `predictor.py`."""

from __future__ import annotations

from pathlib import Path

from tracker.errors import WeightsError
from tracker.motion.kalman import KalmanParameters, KalmanPredictor
from tracker.motion.learned import LearnedPredictor, LstmCore
from tracker.motion.predictor import Predictor
from tracker.motion.weights import COMMAND, EMBEDDED, read_weights

__all__ = ["load_predictor"]

_CORES = {"lstm": LstmCore}


def load_predictor(model: str = "") -> Predictor:
    """The motion model by name: "" (the embedded LSTM), "kalman" (its filter alone) or a file of `track train motion`.

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """
    path = EMBEDDED if model in ("", "lstm", "kalman") else Path(model)
    weights = read_weights(path)
    parameters = KalmanParameters.from_tensors(weights.tensors)
    if model == "kalman":
        return KalmanPredictor(parameters)
    core = _CORES.get(weights.notes.get("model", ""))
    if core is None:
        raise WeightsError(f"{path} holds no motion network; make one with: {COMMAND}")
    try:
        tensors = dict(weights.tensors)
        return LearnedPredictor(parameters, core(tensors), tensors["head.weight"], tensors["head.bias"])
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} does not fit its network ({error}); make one with: {COMMAND}") from error
