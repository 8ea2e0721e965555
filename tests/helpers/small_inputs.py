"""A folder with everything that the commands of the README name, small."""

import shutil
from pathlib import Path

import cv2
import numpy as np

from helpers.clips import BUS, pan
from helpers.motion_data import write_sequence
from tracker.appearance.similarity import EMBEDDED


def write_inputs(root: Path) -> Path:
    """`video.mp4`, sequences with images in `MOT17/train`, others in `SportsMOT/train`, labelled `my-images`, weights
    `osnet.safetensors`, points of the ground in `points.csv`, and settings that make a training (`quick.yaml`) or
    detection (`small.yaml`) short."""
    pan(root / "video.mp4", frames=10)
    for name in ("SEQ-01", "SEQ-02"):
        sequence = write_sequence(root / "MOT17" / "train", name, frames=30, tracks=3, detections=True)
        (sequence / "img1").mkdir()
        for frame in range(1, 31):
            cv2.imwrite(str(sequence / "img1" / f"{frame:06d}.jpg"), np.full((72, 128, 3), frame, np.uint8))
        write_sequence(root / "SportsMOT" / "train", name, seed=1)
    (root / "my-images" / "images").mkdir(parents=True)
    (root / "my-images" / "labels").mkdir()
    photo = cv2.imread(str(BUS))
    for i in range(6):
        cv2.imwrite(str(root / "my-images" / "images" / f"{i}.jpg"), cv2.convertScaleAbs(photo, alpha=0.7 + 0.1 * i))
        boxes = "0 0.18 0.6 0.24 0.47\n0 0.35 0.59 0.15 0.42\n0 0.91 0.59 0.17 0.45\n"
        (root / "my-images" / "labels" / f"{i}.txt").write_text(boxes)
    (root / "my-images" / "data.yaml").write_text("names: [person]\n")
    (root / "quick.yaml").write_text(
        "filter_iterations: 2\nshort_windows: 8\nlong_windows: 4\nlong_steps: 8\nvalidate_every: 1\n"
    )
    (root / "points.csv").write_text("x_px,y_px,x_m,y_m\n0,240,0,0\n320,240,6,0\n80,60,0,9\n240,60,6,9\n")
    (root / "small.yaml").write_text("detector: {imgsz: 64}\n")
    shutil.copy(EMBEDDED, root / "osnet.safetensors")
    return root
