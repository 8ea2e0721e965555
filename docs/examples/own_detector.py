"""Track what another detector finds, here whatever moves in front of a still camera: python own_detector.py VIDEO"""

import sys

import cv2
import numpy as np

from tracker import Detections, Tracker, open_source

background = cv2.createBackgroundSubtractorMOG2()


def detect(image: np.ndarray) -> Detections:
    """Boxes around everything that moves."""
    moving = cv2.dilate(background.apply(image), np.ones((7, 7), np.uint8))
    contours, _ = cv2.findContours(moving, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = [cv2.boundingRect(contour) for contour in contours]
    return Detections([[x, y, x + w, y + h] for x, y, w, h in boxes if w * h > 400])


tracker = Tracker()  # its own detector is never loaded
with open_source(sys.argv[1]) as source:
    for frame in source:
        found = detect(frame.image)
        tracks = tracker.update(frame.image, detections=found, time_s=frame.time_s)
        print(frame.number, tracks.ids.tolist(), "rows of the detections:", tracks.detection_index.tolist())
