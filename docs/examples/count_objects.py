"""Count the objects of each class in a video, and how many are there at the same time: python count_objects.py VIDEO"""

import sys

from tracker import Config, Tracker, Zones

if len(sys.argv) != 2:
    sys.exit(__doc__)
config = Config().override({"detector": {"conf": 0.2}})
picture = {"points": [[0, 0], [1, 0], [1, 1], [0, 1]], "anchor": "centre"}
zones = Zones.parsed({"units": "share", "zones": {"picture": picture}}, "count_objects.py")
most = 0
for frame, tracks in Tracker(config).stream(sys.argv[1]):
    zones.update(tracks, frame.image.shape[1::-1])
    most = max(most, sum(count.inside or 0 for count in zones.counts()))

for count in zones.counts():
    print(f"{count.ins} x {count.name}")
print(f"at most {most} at the same time")
