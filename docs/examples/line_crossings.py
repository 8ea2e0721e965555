"""Count the objects that cross the vertical line in the middle, and which way: python line_crossings.py VIDEO"""

import sys
from collections import Counter

from tracker import Tracker

side: dict[int, int] = {}  # id -> the side of the line on which it was last
crossings: Counter[str] = Counter()
for frame, tracks in Tracker().stream(sys.argv[1]):
    line, margin = frame.image.shape[1] / 2, frame.image.shape[1] * 0.01  # a margin, so that jitter is no crossing
    seen = tracks.confirmed
    for track_id, x in zip(seen.ids.tolist(), seen.xyxy[:, [0, 2]].mean(axis=1).tolist(), strict=True):
        now = (x > line + margin) - (x < line - margin)
        if now and now != side.setdefault(track_id, now):
            crossings["left to right" if now > 0 else "right to left"] += 1
            side[track_id] = now

print(dict(crossings) or "no crossings")
