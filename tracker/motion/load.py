"""The motion model that a configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tracker.errors import WeightsError
from tracker.motion.kalman import KalmanParameters
from tracker.motion.kalman_predictor import KalmanPredictor
from tracker.motion.learned import Core, LearnedPredictor
from tracker.motion.lstm_core import ExportedCore, LstmCore
from tracker.motion.predictor import Predictor
from tracker.motion.weights import COMMAND, EMBEDDED, WEIGHTS, read_weights
from tracker.system.engine import find


def load_predictor(model: str = "", appearance: bool = True) -> Predictor:
    """The motion model by name: "" (the embedded LSTM), "kalman" (its filter alone), or what made it.

    That is a file of `track train motion`, or a folder of `track export`. Without `appearance` the features it gets are
    not those of the embedded network, with which all are trained: none to it.

    Raises:
        WeightsError: the file is missing, damaged or holds another network.
    """
    path = EMBEDDED if model in ("", "lstm", "kalman") else Path(model)
    export = find(path, "motion")
    if export is not None:
        path = path / WEIGHTS
    weights = read_weights(path)
    parameters = KalmanParameters.from_tensors(weights.tensors)
    if model == "kalman":
        return KalmanPredictor(parameters)
    try:
        tensors = dict(weights.tensors)
        core = ExportedCore(export) if export else _core(weights.notes.get("model", ""), tensors)
        return LearnedPredictor(parameters, core, tensors["head.weight"], tensors["head.bias"], appearance)
    except (KeyError, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise WeightsError(f"{path} holds no motion network ({reason}); make one with: {COMMAND}") from error


def _core(name: str, tensors: dict[str, NDArray[Any]]) -> Core:
    """The LSTM by NumPy; the networks it is compared with by PyTorch, imported only then."""
    if name == LstmCore.name:
        return LstmCore(tensors)
    from tracker.motion.networks.base import TorchCore
    from tracker.motion.networks.registry import NETWORKS

    return TorchCore(NETWORKS[name](), tensors)
