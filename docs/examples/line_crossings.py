"""Count the objects that cross a vertical line in the middle, and which way: python line_crossings.py VIDEO"""

import sys

from tracker import Tracker, Zones

if len(sys.argv) != 2:
    sys.exit(__doc__)
# From the top to the bottom: on the way down the left hand is on the right of the picture, and that way is "in".
middle = {"points": [[0.5, 0], [0.5, 1]], "anchor": "centre"}
zones = Zones.parsed({"units": "share", "lines": {"middle": middle}}, "line_crossings.py")
for frame, tracks in Tracker().stream(sys.argv[1]):
    for event in zones.update(tracks, frame.image.shape[1::-1]).to_dicts():
        way = "right" if event["direction"] == "in" else "left"
        print(f"{event['time_s']:.2f} s: {event['class']} {event['id']} to the {way}")

for count in zones.counts():
    print(f"{count.name or 'all'}: {count.ins} to the right, {count.outs} to the left")
