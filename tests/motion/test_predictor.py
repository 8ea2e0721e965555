"""What holds of every motion model behind the protocol."""

import numpy as np
import pytest

from tracker.motion.baselines.constant_velocity import ConstantVelocity, LastBox
from tracker.motion.baselines.frame_kalman import CLASSIC, FrameKalman
from tracker.motion.load import load_predictor
from tracker.motion.predictor import Observations

MODELS = {
    "lstm": load_predictor,
    "kalman": lambda: load_predictor("kalman"),
    "last box": LastBox,
    "constant velocity": ConstantVelocity,
    "frame kalman, aspect": lambda: FrameKalman(1 / 25, CLASSIC["xyah"], aspect=True),
    "frame kalman, width": lambda: FrameKalman(1 / 25, CLASSIC["xywh"], aspect=False),
}


def seen(rng, count, frame):
    corner = rng.uniform(0, 30, (count, 2)) + 8 * frame
    size = rng.uniform(20, 90, (count, 2))
    xyxy = np.concatenate([corner, corner + size], axis=1, dtype=np.float32)
    return Observations(xyxy, rng.uniform(0.3, 1, count).astype(np.float32), frame / 25)


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
def test_the_estimate_is_what_is_predicted_for_the_time_of_the_observation_itself(make):
    rng, model = np.random.default_rng(4), make()
    for frame in range(12):
        slots = np.arange(6) if frame % 3 else np.arange(0, 6, 2)
        observed = seen(rng, len(slots), frame)
        model.update(slots, observed, np.full(len(slots), not frame) | (frame == 1) & (slots % 2 == 1))
        np.testing.assert_array_equal(model.estimate(slots), model.predict(slots, observed.time_s).cxcywh)
