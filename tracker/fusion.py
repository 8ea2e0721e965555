"""How much of a detector's box to believe: what is reported lies between it and the motion model's own estimate.

A detector's error lasts for some frames, in widths above all (a swinging arm, a covered half), so it does not show in
how detections differ from predictions, and a filter with a detector's noise as its only idea of it believes too much.
The network knows it: asked, once it has seen the detection, where the object is now, it takes a part of that out.
By coordinate, the share of its answer that comes nearest to the truth differs little from one detector to another.
"""

from __future__ import annotations

import numpy as np

from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.structures import Floats

# Least squares of the true centre x, centre y, width and height on estimate and detection, mean of the five kinds of
# data to tune on (YOLOX, R-CNN and Faster R-CNN detections, damaged ground truth of players and of vehicles).
_SHARE = np.array([0.7, 1.0, 0.6, 0.9], np.float32)


def fused(detected: Floats, estimated: Floats, strength: float) -> Floats:
    """Where objects most likely are that were just seen.

    Args:
        detected: (N, 4) xyxy in pixels. estimated: (N, 4) cxcywh in pixels, of the motion model after its step.
        strength: 0 for boxes as they were detected, 1 for the best share of the estimate.

    Returns:
        (N, 4) xyxy between the two.
    """
    if not strength:
        return detected
    seen = xyxy_to_cxcywh(detected)
    return cxcywh_to_xyxy(seen + np.float32(strength) * _SHARE * (estimated - seen))
