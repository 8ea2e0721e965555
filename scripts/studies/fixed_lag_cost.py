"""What fixed-lag smoothing costs: milliseconds of processor time a frame, by the number of tracks.

    python scripts/studies/fixed_lag_cost.py

Generated: each track is seen in nine frames of ten, somewhere; the camera pans.
"""

from __future__ import annotations

import time

import numpy as np

from tracker import Config, Status, Tracks
from tracker.smoothing.fixed_lag import FixedLagSmoother

TRACKS = (10, 30, 100, 300)
FRAMES, WARMUP = 300, 60
PAN = np.array([[1.0, 0, 2], [0, 1, 0]])


def cost_ms(tracks: int) -> float:
    """Processor time a frame of so many tracks."""
    config, rng = Config(), np.random.default_rng(0)
    smoother: FixedLagSmoother[int] = FixedLagSmoother(config.bank.report_delay_s, config.offline)
    spent = 0.0
    for frame in range(FRAMES):
        ids = np.flatnonzero(rng.random(tracks) < 0.9) + 1
        corner = rng.uniform(0, 1000, (len(ids), 2)).astype(np.float32)
        nothing = np.zeros(len(ids), np.int64)
        now = Tracks(
            ids=ids, xyxy=np.hstack([corner, corner + 50]), scores=np.ones(len(ids), np.float32), classes=nothing,
            raw_classes=nothing, status=nothing + int(Status.CONFIRMED), detection_index=np.arange(len(ids)),
            time_s=frame / 30, interval_s=1 / 30,
        )  # fmt: skip
        begun = time.process_time()
        smoother.push(frame, now, PAN)
        spent += (time.process_time() - begun) * (frame >= WARMUP)
    return 1000 * spent / (FRAMES - WARMUP)


if __name__ == "__main__":
    for number in TRACKS:
        print(f"{number:4d} tracks: {cost_ms(number):.2f} ms a frame")
