"""MOTChallenge sequences tracked by one process or by several, with the same results."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tracker.config import Config
from tracker.datasets.mot import MotSequence
from tracker.jobs.batch.pool import TaskDone, TaskFailed, TaskNews, WorkerPool
from tracker.jobs.batch.worker import Tell, Work
from tracker.jobs.interruption import pass_on
from tracker.jobs.sequences import track_sequence
from tracker.tracker import Tracker


@dataclass(frozen=True)
class SequencePlan:
    """How sequences are tracked, as `tracker.jobs.sequences.track_sequence` takes it, and the folder of the results."""

    config: Config
    device: str | None
    out: Path
    detections: str = "det"
    camera_motion: str | None = None
    strict_online: bool = False
    offline: bool = False

    def ready(self) -> Work:
        """What tracks a sequence: it tells of frames done, and returns the seconds of `update` and the looks."""
        tracker = Tracker(self.config, device=self.device)

        def track(sequence: MotSequence, tell: Tell) -> tuple[float, int]:
            frames = looked = 0

            def progress(look: bool) -> None:
                nonlocal frames, looked
                frames, looked = frames + 1, looked + look
                tell(frames)

            seconds = track_sequence(
                tracker,
                sequence,
                self.out / f"{sequence.name}.txt",
                detections=self.detections,
                camera_motion=self.camera_motion,
                strict_online=self.strict_online,
                offline=self.offline,
                progress=progress,
            )
            return seconds, looked

        return track


def track_sequences(
    plan: SequencePlan,
    sequences: Sequence[MotSequence],
    jobs: int = 1,
    progress: Callable[[str, int], None] = lambda _, __: None,
) -> tuple[float, int]:
    """Write OUT/SEQUENCE.txt for each sequence.

    Args:
        jobs: processes. progress: called with a sequence's name and how many frames were tracked so far, of all.

    Returns:
        Seconds spent in `Tracker.update`, and how many frames were looked at.

    Raises:
        TrackerError: as `track_sequence` does; WorkerError: a process died.
    """
    seconds, looked = 0.0, 0
    frames: dict[str, int] = {}

    def tell(sequence: MotSequence, so_far: int) -> None:
        frames[sequence.name] = so_far
        progress(sequence.name, sum(frames.values()))

    if jobs == 1:
        track = plan.ready()
        for sequence in sequences:
            spent, looks = track(sequence, partial(tell, sequence))
            seconds, looked = seconds + spent, looked + looks
        return seconds, looked
    with WorkerPool(jobs, plan.ready, threads_here()) as pool:
        for sequence, news, result in followed(pool, sequences):
            tell(sequence, sequence.length if result else news)
            if result:
                seconds, looked = seconds + result[0], looked + result[1]
    return seconds, looked


def followed(pool: WorkerPool, tasks: Sequence[Any]) -> Generator[tuple[Any, Any, Any], None, None]:
    """Tasks with what was told of each and None, or None and its result.

    Raises:
        BaseException: that of the first task that fails; KeyboardInterrupt after a signal.
    """
    with closing(pool.heard(tasks)) as events:
        for event in events:
            match event:
                case TaskFailed(error=error) if not pool.stopped:
                    raise error
                case TaskNews(task=task, news=news):
                    yield task, news, None
                case TaskDone(task=task, result=result):
                    yield task, None, result
    if pool.stopped:
        pass_on(pool.stopped)


def threads_here() -> int:
    """How many threads PyTorch computes in here; with more or fewer, the last bits of its results are others."""
    import torch

    return torch.get_num_threads()
