"""A picture of where people walk: python heat_map.py VIDEO heat.png"""

import sys

import cv2
import numpy as np

from tracker import Tracker

if len(sys.argv) != 3:
    sys.exit(__doc__)
heat, last = None, None
for frame, tracks in Tracker().stream(sys.argv[1]):
    if heat is None:
        heat = np.zeros(frame.image.shape[:2], np.float32)
    boxes = tracks.confirmed.xyxy
    feet = np.stack([boxes[:, [0, 2]].mean(axis=1), boxes[:, 3]], axis=1)  # middle of the lower edge
    column, row = np.clip(feet.round().astype(int), 0, np.array(heat.shape[::-1]) - 1).T
    np.add.at(heat, (row, column), 1)
    last = frame.image

if heat is None:
    sys.exit("no frames")
blurred = cv2.GaussianBlur(heat, (0, 0), heat.shape[0] / 40)
coloured = cv2.applyColorMap((255 * blurred / max(blurred.max(), 1e-6)).astype(np.uint8), cv2.COLORMAP_INFERNO)
cv2.imwrite(sys.argv[2], cv2.addWeighted(last, 0.5, coloured, 0.5, 0))
print(f"wrote {sys.argv[2]}")
