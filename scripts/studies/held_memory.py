"""What the half second of a 4K stream at 240 frames/s holds: `python scripts/studies/held_memory.py [--video]`.

Sends 360 frames through the frames that wait as a run does, without networks, and prints the peak of resident memory.
"""

import resource
import sys
import time
from collections import deque

import cv2
import numpy as np

from tracker.jobs.result_files import HeldFrames
from tracker.video.source import Frame


def main() -> None:
    rng = np.random.default_rng(0)
    scene = cv2.resize(rng.integers(0, 256, (54, 96, 3), np.uint8), (3840, 2160), interpolation=cv2.INTER_CUBIC)
    scene = np.asarray(cv2.add(scene, rng.integers(0, 12, scene.shape, np.uint8)), np.uint8)
    waiting, queue = HeldFrames(pictures="--video" in sys.argv), deque()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, time.perf_counter()
    for number in range(360):
        queue.append(waiting.hold(Frame(scene.copy(), number, number / 240)))
        if len(queue) > 120:
            waiting.release(queue.popleft())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = (time.perf_counter() - start) / 360
    print(f"{peak - before:.0f} MiB above the {before:.0f} MiB before, {seconds:.3f} s a frame")


if __name__ == "__main__":
    main()
