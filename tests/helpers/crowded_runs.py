"""Run folders, as `track` leaves them, of any size."""

import csv
from pathlib import Path

import cv2
import numpy as np
import yaml

SIZE = (640, 360)
RATE = 25.0
NUMBER_BITS = 12  # blocks that say a frame's number, so that a test can read it in its picture


def write_video(path: Path, frames: int, size: tuple[int, int] = SIZE) -> Path:
    """A video whose frames say their number in blocks of black and white along the upper edge."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, size)
    for number in range(1, frames + 1):
        image = np.full((size[1], size[0], 3), 90, np.uint8)
        for bit in range(NUMBER_BITS):
            image[:40, 40 * bit : 40 * bit + 40] = 255 * (number >> bit & 1)
        writer.write(image)
    writer.release()
    return path


def number_in(image) -> int:
    """The number that a frame of such a video says."""
    wide = image.shape[1] / SIZE[0]
    return sum(
        int(image[int(20 * wide), int((40 * bit + 20) * wide)].mean() > 128) << bit for bit in range(NUMBER_BITS)
    )


def write_run(folder: Path, rows, frames: int, source: str = "gone.mp4", size=SIZE, record=None) -> Path:
    """A run of (frame, id, left, top, right, bottom, class name, status) rows."""
    rows = list(rows)
    folder.mkdir(parents=True, exist_ok=True)
    known = sorted({row[6] for row in rows})
    said = {
        "source": {"given": source, "size": list(size), "frames_per_s": RATE, "frame_count": frames, "vid_stride": 1},
        "folder": str(folder.parent),
        "files": {"tracks": "tracks.txt"},
        "result": {"frames": frames},
        **(record or {}),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(said))
    with (folder / "tracks.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["frame", "time_s", "id", "class", "name", "score", "left", "top", "right", "bottom", "status"])
        for frame, track, *box, name, status in sorted(rows, key=lambda row: row[:2]):
            edges = [f"{edge:.2f}" for edge in box]
            writer.writerow(
                [frame, f"{(frame - 1) / RATE:.4f}", track, known.index(name), name, "0.9000", *edges, status]
            )
    return folder


def crowd(objects: int, each: int, frames: int):
    """Rows of many objects that come one after another, each for some frames, the last third predicted."""
    for track in range(1, objects + 1):
        begin = 1 + (track - 1) * (frames - each) // max(objects - 1, 1)
        top = 50 + (track * 37) % 250
        for step in range(each):
            left = 10 + (track * 53) % 500 + step
            status = "predicted" if each // 3 < step < each // 2 else "confirmed"
            yield begin + step, track, left, top, left + 24, top + 48, "person" if track % 3 else "car", status
