"""What a detector gives beside boxes is in the files of a run, at once and offline, and changes no track."""

import json

import numpy as np
import pytest

from helpers.clips import pan
from tracker import Config, Detections, Tracker
from tracker.jobs.run import Output, run

CONFIG = Config().override({"detector": {"imgsz": 320}, "device": "cpu", "appearance": {"enabled": False}})


class Segmenting:
    """The embedded detector, each box filled by a mask."""

    def __init__(self, detector):
        self._detector, self.names = detector, detector.names

    def __call__(self, frames):
        return [
            self._filled(found, frame.shape[:2]) for found, frame in zip(self._detector(frames), frames, strict=True)
        ]

    @staticmethod
    def _filled(found, size):
        masks = np.zeros((len(found), *size), bool)
        for mask, (left, top, right, bottom) in zip(masks, found.xyxy.astype(int), strict=True):
            mask[top:bottom, left:right] = True
        data = {"box": found.xyxy}
        return Detections(found.xyxy, found.scores, found.classes, masks=masks, data=data, names=found.names)


@pytest.mark.parametrize("offline", [False, True])
def test_each_row_has_what_its_own_detection_carried(tmp_path, offline):
    clip = pan(tmp_path / "pan.mp4", 12)
    plain = Tracker(CONFIG)
    (without,) = run([clip], plain, Output(project=tmp_path / "plain", video=False, json=True, offline=offline))
    segmenting = Tracker(CONFIG)
    vars(segmenting.networks)["detector"] = Segmenting(plain.detector)
    (result,) = run([clip], segmenting, Output(project=tmp_path / "runs", json=True, offline=offline))
    assert (result.folder / "tracks.txt").read_bytes() == (without.folder / "tracks.txt").read_bytes()
    rows = [
        row for line in (result.folder / "tracks.jsonl").read_text().splitlines() for row in json.loads(line)["tracks"]
    ]
    assert len(rows) > 12 and "mask" not in (without.folder / "tracks.jsonl").read_text()
    for row in rows:
        if row["status"] == "predicted":
            assert row["mask"] is row["data"] is None
            continue
        detected, reported = np.array(row["data"]["box"]), np.array(row["box"])
        assert np.abs(detected - reported).max() < 0.1 * (reported[3] - reported[1]) + 3
        height, width = row["mask"]["size"]
        assert height > width / 4 and row["mask"]["counts"]
