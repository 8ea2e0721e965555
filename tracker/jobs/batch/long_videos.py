"""Those videos of a batch that are tracked in parts: their tasks, and what of them is still to be done."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from tracker.jobs.batch.manifest import VideoRow, VideoState
from tracker.jobs.batch.tracking import JoinTask, NoPartsError, PartTask, Video
from tracker.jobs.outcome import Progress


@dataclass
class _Underway:
    """A video of which parts are tracked.

    Attributes:
        frames: part's number -> how many of its frames are done; 0: of the joined ones.
    """

    join: JoinTask
    waiting: set[int]
    frames: dict[int, int] = field(default_factory=dict)
    since: float = field(default_factory=time.monotonic)


class LongVideos:
    """The parts of a batch's long videos.

    Args:
        queue: tasks that wait, to which theirs are added.
    """

    def __init__(self, queue: deque[Any]) -> None:
        self._queue = queue
        self._open: dict[str, _Underway] = {}

    def told(self, task: Video | PartTask | JoinTask, news: Progress) -> Progress:
        """Where a task's video stands, by what the task told."""
        video = self._open.get(task.source)
        if video is None:
            return news
        video.frames[task.part.number if isinstance(task, PartTask) else 0] = news.frames
        total = video.join.frames
        frames = min(sum(video.frames.values()), total)  # joined ones count where they are looked at once more
        return replace(news, frames=frames, frame_count=total, seconds=time.monotonic() - video.since)

    def done(self, task: Video | PartTask | JoinTask, result: VideoRow | JoinTask) -> VideoRow | None:
        """The row of a video that has ended by this; None: there is more to be done."""
        if isinstance(result, JoinTask):
            self._open[task.source] = _Underway(result, {part.number for part in result.parts})
            self._queue.extendleft(PartTask(result.video, part) for part in reversed(result.parts))
            return None
        if isinstance(task, Video):
            return result
        video = self._open.get(task.source)
        if video is None or (isinstance(task, PartTask) and result.state == VideoState.INTERRUPTED):
            return None
        if isinstance(task, JoinTask):
            del self._open[task.source]
            return result
        video.frames[task.part.number] = result.frames  # also of one that an earlier call has done
        video.waiting.discard(task.part.number)
        if not video.waiting:
            self._queue.appendleft(video.join)
        return None

    def failed(self, task: Video | PartTask | JoinTask, error: BaseException) -> bool:
        """Whether that ends the video; not where another part of it has ended it, or it is to be tracked as a whole."""
        if isinstance(task, Video):
            return True
        if self._open.pop(task.source, None) is None:
            return False
        others = [waiting for waiting in self._queue if waiting.source != task.source]
        self._queue.clear()
        self._queue.extend(others)
        if isinstance(error, NoPartsError):
            self._queue.appendleft(replace(task.video, whole=True))
            return False
        return True
