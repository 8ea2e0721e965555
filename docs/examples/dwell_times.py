"""How long was each object in the lower half? From a finished run: python dwell_times.py runs/track/video

Any zone will do, of any `zones.yaml`: `track VIDEO --zones zones.yaml` finds the same while it runs.
"""

import csv
import sys
from itertools import groupby
from pathlib import Path

import numpy as np
import yaml

from tracker import Status, Tracks, Zones

if len(sys.argv) != 2:
    sys.exit(__doc__)
run = Path(sys.argv[1])
size = tuple(yaml.safe_load((run / "run.yaml").read_text())["source"]["size"])
half = {"points": [[0, 0.5], [1, 0.5], [1, 1], [0, 1]], "dwell_s": 10}
zones = Zones.parsed({"units": "share", "zones": {"lower half": half}}, "dwell_times.py")

with (run / "tracks.csv").open(newline="") as file:
    for _, group in groupby(csv.DictReader(file), key=lambda row: row["frame"]):
        rows = list(group)
        classes = np.array([int(row["class"]) for row in rows])
        seen = np.array([Status[row["status"].upper()] for row in rows])
        tracks = Tracks(
            ids=np.array([int(row["id"]) for row in rows]),
            xyxy=np.array([[float(row[edge]) for edge in ("left", "top", "right", "bottom")] for row in rows]),
            scores=np.array([float(row["score"]) for row in rows]),
            classes=classes,
            raw_classes=classes,
            status=seen,
            detection_index=np.arange(len(rows)),
            time_s=float(rows[0]["time_s"]),
            interval_s=0.0,
            names={int(row["class"]): row["name"] for row in rows},
        )
        for event in zones.update(tracks, size).to_dicts():
            stayed = f" after {event['seconds']:.1f} s" if event["event"] == "exit" else ""
            print(f"{event['time_s']:.2f} s: {event['class']} {event['id']}: {event['event']}{stayed}")

for count in zones.counts():
    if count.mean_dwell_s is not None:
        print(f"{count.ins} x {count.name}: {count.mean_dwell_s:.1f} s on average, {count.inside} there at the end")
