"""How memory grows with the length of a video that is written: `python scripts/studies/video_memory.py [FRAMES
[PART]]`.

Writes FRAMES frames (300,000) of 64 x 48 px at 25 frames/s, in parts of PART frames (what a live source's video takes),
and prints the resident memory on the way. With PART = FRAMES it is one file, whose index is held until it is closed.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from tracker.jobs.result_files import _LIVE_PART
from tracker.output.video_writer import VideoWriter
from tracker.structures import Tracks
from tracker.video.source import Frame

STEPS = 12


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 300_000
    part = int(sys.argv[2]) if len(sys.argv) > 2 else _LIVE_PART
    none, boxes = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    nobody = Tracks(none, boxes, boxes[:, 0], none, none, none, none, 0.0, 0.04)
    pictures = [np.random.default_rng(seed).integers(0, 256, (48, 64, 3), np.uint8) for seed in range(4)]
    process, start = psutil.Process(), time.perf_counter()
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        writer = VideoWriter(Path(folder) / "video.mp4", 25, part_frames=part)
        print("frames,resident_mib,bytes_a_frame,seconds")
        for number in range(1, frames + 1):
            writer.write(Frame(pictures[number // 50 % 4], number, number / 25), nobody)
            if number == 5000:
                first = process.memory_info().rss  # encoder, libraries
            if number % (frames // STEPS) == 0:
                now = process.memory_info().rss
                grown = (now - first) / (number - 5000)
                print(f"{number},{now / 2**20:.1f},{grown:.1f},{time.perf_counter() - start:.0f}", flush=True)
        writer.close()


if __name__ == "__main__":
    main()
