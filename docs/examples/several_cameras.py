"""One id for a person in all cameras, by appearance: python several_cameras.py DOOR.mp4 HALL.mp4"""

import sys

from tracker import Gallery, Tracker, open_source

if not sys.argv[1:]:
    sys.exit(__doc__)
gallery = Gallery()  # one memory for all; ids are unique across the cameras
offset_s = 0.0
for video in sys.argv[1:]:
    tracker = Tracker(gallery=gallery)
    ids, last_s = set(), 0.0
    with open_source(video) as source:
        for frame in source:  # times of all cameras come from one clock; here the videos follow one another
            tracks = tracker.update(frame.image, time_s=offset_s + frame.time_s)
            ids |= set(tracks.confirmed.ids.tolist())
            last_s = frame.time_s
    offset_s += last_s + 1
    print(f"{video}: ids {sorted(ids)}")
