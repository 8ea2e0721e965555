"""Count the objects of each class in a video: python count_objects.py VIDEO"""

import sys
from collections import Counter

from tracker import Config, Tracker

config = Config().override({"detector": {"conf": 0.2}})
tracker = Tracker(config)
classes = {}
for _frame, tracks in tracker.stream(sys.argv[1]):
    seen = tracks.confirmed  # without tentative tracks, which may be false alarms
    classes.update(zip(seen.ids.tolist(), (seen.names[c] for c in seen.classes.tolist()), strict=True))

for name, count in Counter(classes.values()).most_common():
    print(f"{count} x {name}")
