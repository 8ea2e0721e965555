"""The frames of a source with what the detector finds in those that are looked at, some detected ahead."""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import copy
from typing import TYPE_CHECKING

from tracker.detection.looks import Looks
from tracker.errors import SourceError
from tracker.structures import Detections, Image
from tracker.system.stopwatch import Timed
from tracker.video.source import Frame

if TYPE_CHECKING:
    from tracker.detection.detector import Detector

_CPU_WORKERS = 4  # frames detected at once on a CPU, at most; each is held in memory meanwhile
_CUDA_BATCH = 8  # where the configuration leaves it open
_AUTO_AHEAD = 16  # frames between two looks that wait, at most
_ALONE: AbstractContextManager[object] = nullcontext()


def batch_size(live: bool, device: str, batch: int, adaptive: bool) -> int:
    """How many frames are looked at together: of `detector.batch`, or what suits the device.

    Args:
        live: whether the source is. adaptive: whether the tracker says which frames are looked at.
    """
    return 1 if live or adaptive else batch or (1 if device == "cpu" else _CUDA_BATCH)


def detected(
    frames: Iterable[Frame],
    detector: Detector,
    device: str,
    stage_seconds: dict[str, float],
    looks: Looks,
    due: Callable[[float, int], bool],
    batch: int = 0,
    live: bool = False,
    turn: AbstractContextManager[object] = _ALONE,
) -> Generator[tuple[Frame, Detections | None], None, None]:
    """Marked frames (`Repeats`) with what the detector finds in each, some detected ahead; None: not looked at.

    Frames that show the picture before them once more are not, and count for nothing.

    On a CPU several frames are looked at side by side, each by its share of the cores: that wastes less than all cores
    on one frame. A GPU looks at batches (of `batch` frames where that is not 0). A live source is never looked at
    ahead: that would only add delay. Sources that share a detector take turns, each within `turn`.

    Which frames are looked at is known ahead by `looks`, the tracker's own as they are before the first of the frames,
    unless these are adaptive. There the tracker says whether it is `due` at a time so many frames ahead, once all
    before the last look were tracked; what is between two looks is tracked while the detector is at the second.

    Raises:
        SourceError: the source's own, after the last frame that could be read.
    """
    cores = cores_of_networks()
    workers = 1 if live or looks.adaptive or device != "cpu" else min(_CPU_WORKERS, cores)
    size = batch_size(live, device, batch, looks.adaptive)
    ahead = 0 if live else _AUTO_AHEAD if looks.adaptive else workers
    pending: deque[tuple[list[tuple[Frame, bool]], Future[tuple[list[Detections], float]]]] = deque()
    failure: SourceError | None = None
    looks = copy(looks)

    def looked_at(frame: Frame) -> bool:
        if frame.repeated:  # the tracker never hears of it
            return False
        time_s = frame.captured_s
        passed = sum(not frame.repeated for together, _ in pending for frame, _ in together)
        look = due(time_s, passed) if looks.adaptive else looks.due(time_s)
        looks.looked(time_s) if look else looks.passed()
        return look

    def detect(images: list[Image]) -> tuple[list[Detections], float]:
        if not images:
            return [], 0.0
        with turn:
            start = time.perf_counter()
            return detector(images), time.perf_counter() - start

    def finish() -> Iterator[tuple[Frame, Detections | None]]:
        together, job = pending.popleft()
        found, seconds = job.result()
        stage_seconds["detect"] += seconds  # here: several threads that add to one number would lose some
        results = iter(found)
        for frame, look in together:
            yield frame, next(results) if look else None

    with (
        _torch_threads(max(1, cores // workers)),
        ThreadPoolExecutor(workers, "detect", set_torch_threads, (max(1, cores // workers),)) as pool,
    ):
        try:
            for read in _batches(frames, size, stage_seconds):
                together = [(frame, looked_at(frame)) for frame in read]
                images = [frame.image for frame, look in together if look]
                pending.append((together, pool.submit(detect, images)))
                while len(pending) > (0 if images and looks.adaptive else ahead):
                    yield from finish()
        except SourceError as error:
            failure = error
        while pending:
            yield from finish()
    if failure is not None:
        raise failure


def _batches(source: Iterable[Frame], size: int, stage_seconds: dict[str, float]) -> Iterator[list[Frame]]:
    """The frames in lists of `size`; a shorter one at the end or before the source's error."""
    frames: list[Frame] = []
    failure: SourceError | None = None
    coming = iter(source)
    while True:
        try:
            with Timed(stage_seconds, "decode"):
                frame = next(coming, None)
        except SourceError as error:
            frame, failure = None, error
        if frame is not None:
            frames.append(frame)
        if frames and (frame is None or len(frames) == size):
            yield frames
            frames = []
        if frame is None:
            break
    if failure is not None:
        raise failure


def cores_of_networks() -> int:
    """How many cores the networks have: as PyTorch says where it is in use, which with exported ones it is not."""
    torch = sys.modules.get("torch")
    return os.cpu_count() or 1 if torch is None else int(torch.get_num_threads())


def set_torch_threads(count: int) -> None:
    """Of this thread."""
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(count)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Let PyTorch use `count` threads in this thread, and give it back its own number afterwards."""
    before = cores_of_networks()
    set_torch_threads(count)
    try:
        yield
    finally:
        set_torch_threads(before)
