"""supervision's annotators, line and zone on tracks, masks and all: python supervision_zones.py VIDEO out.mp4

What moves in front of a still camera is found here; a network's masks go the same way: in the place of `detect(image)`
give `Detections.from_ultralytics(model(image)[0])`, or leave it out where `--model` has masks.
"""

import sys

import cv2
import numpy as np
import supervision as sv

from tracker import Detections, Tracker, open_source

if len(sys.argv) != 3:
    sys.exit(__doc__)
background = cv2.createBackgroundSubtractorMOG2(detectShadows=False)


def detect(image: np.ndarray) -> Detections:
    """Masks, and boxes around them, of everything that moves."""
    moving = cv2.morphologyEx(background.apply(image), cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    _, labels, about, _ = cv2.connectedComponentsWithStats(moving)
    large = np.flatnonzero((about[:, cv2.CC_STAT_AREA] > 400) & (about[:, cv2.CC_STAT_AREA] < moving.size / 4))
    large = large[large > 0]  # 0 is what stands still
    left, top, width, height = about[large, :4].T
    boxes = np.stack([left, top, left + width, top + height], axis=1)
    return Detections(boxes, masks=labels == large[:, None, None], names={0: "moving"})


tracker, most = Tracker(), 0
mask, box, trace, label = sv.MaskAnnotator(), sv.BoxAnnotator(), sv.TraceAnnotator(), sv.LabelAnnotator()
with open_source(sys.argv[1]) as source:
    width, height = source.size
    line = sv.LineZone(sv.Point(width // 2, 0), sv.Point(width // 2, height))  # who crosses it to the right goes in
    zone = sv.PolygonZone(np.array([[0, 0], [width // 2, 0], [width // 2, height], [0, height]]))
    draw_line, draw_zone = sv.LineZoneAnnotator(), sv.PolygonZoneAnnotator(zone)
    with sv.VideoSink(sys.argv[2], sv.VideoInfo(width, height, round(source.fps))) as sink:
        for frame in source:
            tracks = tracker.update(frame.image, detect(frame.image), time_s=frame.time_s).to_supervision()
            line.trigger(tracks)
            most = max(most, int(zone.trigger(tracks).sum()))
            image = trace.annotate(box.annotate(mask.annotate(frame.image.copy(), tracks), tracks), tracks)
            names = [f"{name} {i}" for name, i in zip(tracks["class_name"], tracks.tracker_id, strict=True)]
            image = draw_zone.annotate(draw_line.annotate(label.annotate(image, tracks, labels=names), line))
            sink.write_frame(image)
print(f"{line.in_count} in, {line.out_count} out, {most} at once in the zone")
