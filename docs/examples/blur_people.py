"""The video with every person pixelated, also while it is missed for a moment: python blur_people.py VIDEO out.mp4"""

import sys

import cv2

from tracker import Blur, Config, Tracker, open_source

if len(sys.argv) != 3:
    sys.exit(__doc__)
tracker = Tracker(Config().override({"detector": {"classes": ["person"]}}))
blur = Blur(["person"], tracker.detector.names)  # or ["heads"]
with open_source(sys.argv[1]) as source:
    writer = cv2.VideoWriter(sys.argv[2], cv2.VideoWriter_fourcc(*"mp4v"), source.fps, source.size)
    for frame in source:
        found = tracker.detector([frame.image])[0]
        tracks = tracker.update(frame.image, found, time_s=frame.time_s)
        blur(frame.image, tracks, found, time_s=frame.time_s)  # what no track has come of (yet), too
        writer.write(frame.image)
    writer.release()
print(f"wrote {sys.argv[2]}")
