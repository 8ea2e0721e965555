"""One detector for all cameras: who is waiting when it is free is looked at together."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from tracker.detection.detector import Detector
from tracker.jobs.prefetch import cores_of_networks
from tracker.structures import Detections, Image

_WORKERS = 4  # frames detected at once on a CPU, at most, each by its share of the cores
_CUDA_BATCH = 8  # where the configuration leaves it open


@dataclass(eq=False)
class _Question:
    image: Image
    found: Detections | None = None
    error: BaseException | None = None


class SharedDetector:
    """A detector that many threads ask, each for one frame of its camera.

    There is no thread of its own and nothing to wait for but the machine: whoever's turn it is takes along the frames
    that came meanwhile, up to `batch`. On a CPU frames are looked at one by one, as many side by side as that is worth.

    Args:
        detector: what looks, from any thread.
        device: where: "cpu", "cuda" or "cuda:N".
        batch: frames together on CUDA; 0: 8.

    Attributes:
        busy_with: cameras at work at once that keep it busy; with more of them each frame is later.
        threads: of PyTorch, for each thread that asks.
    """

    def __init__(self, detector: Detector, device: str, batch: int = 0) -> None:
        self._detector = detector
        alone = device == "cpu"
        self._batch = 1 if alone else batch or _CUDA_BATCH
        cores = cores_of_networks()
        at_once = min(_WORKERS, cores) if alone else 1
        self.busy_with = at_once + 1 if alone else 2 * self._batch
        self.threads = max(1, cores // at_once)
        self._turn = threading.Semaphore(at_once)
        self._waiting: deque[_Question] = deque()
        self._lock = threading.Lock()

    @property
    def names(self) -> Mapping[int, str]:
        """Class number -> name."""
        return self._detector.names

    def __call__(self, image: Image) -> Detections:
        """The objects of a frame (H, W, 3) uint8 BGR."""
        job = _Question(image)
        with self._lock:
            self._waiting.append(job)
        with self._turn:
            if job.found is None and job.error is None:
                self._look(job)
        if job.error is not None:
            raise job.error
        assert job.found is not None
        return job.found

    def _look(self, own: _Question) -> None:
        """At this frame, and others that wait."""
        with self._lock:
            self._waiting.remove(own)
            others = min(self._batch - 1, len(self._waiting))
            jobs = sorted([own, *(self._waiting.popleft() for _ in range(others))], key=lambda job: job.image.shape)
        try:
            for job, found in zip(jobs, self._detector([job.image for job in jobs]), strict=True):
                job.found = found
        except BaseException as error:
            for job in jobs:
                job.error = error
