"""Say where each object will be in half a second, and how certain that is: python forecast.py VIDEO"""

import sys

from tracker import Tracker

if len(sys.argv) != 2:
    sys.exit(__doc__)
tracker = Tracker()
for frame, tracks in tracker.stream(sys.argv[1]):
    seen = tracks.confirmed
    ahead = seen.forecast(steps=5, step_s=0.1)  # ahead.xyxy and ahead.std: (N, 5, 4) pixels
    left, spread = ahead.xyxy[:, -1, 0], 1.6 * ahead.std[:, -1, 0]  # 90 % of a Laplace distribution
    for track_id, middle, half in zip(seen.ids, left, spread, strict=True):
        print(f"{frame.time_s:.2f} s  id {track_id}: left edge at {middle:.0f} ± {half:.0f} px in half a second")
