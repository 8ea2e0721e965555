"""How long was each object in view? From a finished run: python dwell_times.py runs/track/video"""

import csv
import sys
from pathlib import Path

with (Path(sys.argv[1]) / "tracks.csv").open(newline="") as file:
    rows = list(csv.DictReader(file))

times: dict[tuple[str, str], list[float]] = {}
for row in rows:
    times.setdefault((row["id"], row["name"]), []).append(float(row["time_s"]))
for (track_id, name), seen in sorted(times.items(), key=lambda item: -(item[1][-1] - item[1][0])):
    print(f"id {track_id} ({name}): {seen[-1] - seen[0]:.1f} s, from {seen[0]:.1f} s to {seen[-1]:.1f} s")
