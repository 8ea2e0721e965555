"""Track boxes without any image, at uneven times, with one frame in which nothing was found: python boxes_only.py"""

from tracker import Detections, Tracker

tracker = Tracker()
for time_s, boxes in (
    (0.00, [[100, 50, 140, 150], [300, 60, 340, 160]]),
    (0.10, [[106, 50, 146, 150], [294, 60, 334, 160]]),
    (0.25, []),
    (0.30, [[118, 50, 158, 150], [282, 60, 322, 160]]),
):
    tracks = tracker.update(None, detections=Detections(boxes), time_s=time_s)
    for track_id, box in zip(tracks.ids, tracks.xyxy, strict=True):
        print(f"{time_s:.2f} s  id {track_id}  {box.round().tolist()}")
