"""The video with every person pixelated, also while it is missed for a moment: python blur_people.py VIDEO out.mp4"""

import sys

import cv2

from tracker import Config, Tracker

tracker = Tracker(Config().override({"detector": {"classes": ["person"]}}))
writer = None
for frame, tracks in tracker.stream(sys.argv[1]):
    height, width = frame.image.shape[:2]
    if writer is None:
        rate = 1 / tracks.interval_s
        writer = cv2.VideoWriter(sys.argv[2], cv2.VideoWriter_fourcc(*"mp4v"), rate, (width, height))
    image = frame.image.copy()
    for left, top, right, bottom in tracks.xyxy.round().astype(int).clip(0).tolist():
        part = image[top:bottom, left:right]
        if part.size:
            coarse = cv2.resize(part, (8, 12), interpolation=cv2.INTER_AREA)
            part[:] = cv2.resize(coarse, part.shape[1::-1], interpolation=cv2.INTER_NEAREST)
    writer.write(image)
if writer is not None:
    writer.release()
print(f"wrote {sys.argv[2]}")
