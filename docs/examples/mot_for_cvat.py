"""A run as "MOT 1.1" for an import into CVAT: python mot_for_cvat.py runs/track/video annotations.zip"""

import csv
import sys
import zipfile
from pathlib import Path

if len(sys.argv) != 3:
    sys.exit(__doc__)
with (Path(sys.argv[1]) / "tracks.csv").open(newline="") as file:
    rows = list(csv.DictReader(file))

labels = sorted({row["name"] for row in rows})
lines = []
for row in rows:
    left, top, right, bottom = (float(row[edge]) for edge in ("left", "top", "right", "bottom"))
    visible = 1 if row["status"] == "confirmed" else 0  # predicted boxes are of occluded objects
    lines.append(
        f"{row['frame']},{row['id']},{left:.2f},{top:.2f},{right - left:.2f},{bottom - top:.2f},"
        f"1,{labels.index(row['name']) + 1},{visible}\n"
    )
with zipfile.ZipFile(sys.argv[2], "w") as archive:
    archive.writestr("gt/gt.txt", "".join(lines))
    archive.writestr("gt/labels.txt", "\n".join(labels) + "\n")
print(f"{len(lines)} boxes of {len({row['id'] for row in rows})} tracks, labels: {', '.join(labels)}")
