"""Worker processes that do one task at a time each, and outlive each other.

An executor of the standard library gives up all its work when one of its processes dies, and does not say over which
task. Here every process has a pipe of its own, so a crash, or a kill where memory runs out, costs the task that it
happened in and no other. Each process computes in a number of threads that does not depend on how many processes there
are, and neither do the results: of a convolution, the last bits are others where more threads share it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Protocol, Self, cast

from tracker.errors import WorkerError
from tracker.jobs.batch.worker import DONE, FAILED, NEWS, READY, UNFIT, Work, serve
from tracker.system.signal_handling import ENDING, handled

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
_WAKE_S = 0.5  # a signal that came meanwhile is acted on
_SPAWN = multiprocessing.get_context("spawn")  # what a fork would copy of PyTorch's and OpenCV's threads is broken


@dataclass(frozen=True, eq=False)
class TaskBegun:
    """A process has taken the task."""

    task: Any


@dataclass(frozen=True, eq=False)
class TaskNews:
    """What the work told of its progress."""

    task: Any
    news: Any


@dataclass(frozen=True, eq=False)
class TaskDone:
    """The work has returned."""

    task: Any
    result: Any


@dataclass(frozen=True, eq=False)
class TaskFailed:
    """The work has raised, or its process has died (`WorkerError`)."""

    task: Any
    error: BaseException


Heard = TaskBegun | TaskNews | TaskDone | TaskFailed


class TaskPool(Protocol):
    """Who does tasks, here or elsewhere, within its context; members as of `WorkerPool`."""

    stopped: int

    def heard(self, tasks: Iterable[Any]) -> Generator[Heard, None, None]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class WorkerPool:
    """Processes for tasks, started when there is something to do.

    Args:
        jobs: how many at most.
        prepare: called once in each of them (so it has to be picklable); what it returns does a task.
        threads: that each computes in.

    Attributes:
        stopped: the number of the signal that ended the work; 0: none.
    """

    def __init__(self, jobs: int, prepare: Callable[[], Work], threads: int = 1) -> None:
        self._jobs = jobs
        self._prepare = prepare
        self._threads = threads
        self._workers: list[_Worker] = []
        self.stopped = 0

    def heard(self, tasks: Iterable[Any]) -> Generator[Heard, None, None]:
        """Have tasks done, and hear of each as it happens; a signal ends those that run and begins no more.

        Where the caller stops listening, what runs is no longer heard of. A queue is emptied from the left, and who
        listens may change what waits in it.

        Raises:
            BaseException: what `prepare` raised.
            WorkerError: no process lives long enough to get ready.
        """
        queue = tasks if isinstance(tasks, deque) else deque(tasks)
        for worker in self._workers:
            worker.heard = False
        with handled(lambda number, _: self._note(number)) as taken:
            del taken
            told = 0  # of the signal
            while True:
                if self.stopped and not told:
                    told = self.stopped
                    self._pass_on(told)
                running = sum(worker.heard for worker in self._workers)
                if not running and (told or not queue):
                    return
                if not told:
                    self._start(min(self._jobs, running + len(queue)))
                    for worker in self._workers:
                        if worker.idle and queue:
                            task = queue.popleft()
                            if worker.give(task):
                                yield TaskBegun(task)
                            else:  # it has died meanwhile, over nothing
                                queue.appendleft(task)
                yield from self._news()

    def _note(self, number: int) -> None:
        self.stopped = self.stopped or number

    def _pass_on(self, number: int) -> None:
        """Tell every process that has something to end."""
        for worker in self._workers:
            if worker.heard and worker.process.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(worker.process.pid, number)

    def _start(self, wanted: int) -> None:
        while len(self._workers) < wanted:
            self._workers.append(_Worker(self._prepare, self._threads))

    def _news(self) -> Iterator[Heard]:
        """What has come by now, of whichever process."""
        pipes = {worker.pipe: worker for worker in self._workers}
        for pipe in cast("list[Connection]", wait(list(pipes), _WAKE_S)):
            worker = pipes[pipe]
            try:
                kind, content = pipe.recv()
            except (EOFError, OSError):  # OSError: in the middle of a message
                yield from self._lost(worker)
                continue
            if kind == UNFIT:
                raise content
            if kind == READY:
                worker.idle = True
            elif kind == NEWS:
                if worker.heard:
                    yield TaskNews(worker.task, content)
            else:
                assert kind in (DONE, FAILED)
                task, of_interest = worker.task, worker.heard
                worker.idle, worker.heard, worker.task = True, False, None
                if of_interest:
                    yield TaskDone(task, content) if kind == DONE else TaskFailed(task, content)

    def _lost(self, worker: _Worker) -> Iterator[Heard]:
        """A process has died: over its task, or before it was ready for one."""
        self._workers.remove(worker)
        worker.close()
        if worker.heard:
            yield TaskFailed(worker.task, WorkerError(_told(worker.process.exitcode)))
        elif worker.task is None and not worker.idle:
            self._jobs -= 1  # there may be memory for fewer
            if not self._jobs:
                raise WorkerError(f"{_told(worker.process.exitcode)}; it was still loading the networks")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End all processes, whatever they do."""
        for worker in self._workers:
            worker.close()
        self._workers.clear()


class _Worker:
    """A process, and what it does.

    Attributes:
        idle: it waits for a task. task: what it does. heard: whether somebody wants to hear of that.
    """

    def __init__(self, prepare: Callable[[], Work], threads: int) -> None:
        self.pipe, theirs = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=serve, args=(theirs, prepare), daemon=True)
        with _threads_each(threads), _signals_wait():
            self.process.start()
        theirs.close()
        self.idle, self.heard = False, False
        self.task: Any = None

    def give(self, task: Any) -> bool:
        """Hand it a task; False where it has died."""
        try:
            self.pipe.send(task)
        except OSError:
            return False
        self.task, self.idle, self.heard = task, False, True
        return True

    def close(self) -> None:
        """End it; what it has written is complete, as after any kill."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


@contextmanager
def _threads_each(count: int) -> Iterator[None]:
    """Within it processes are started whose libraries compute in so many: they read these when they are loaded."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _signals_wait() -> Iterator[None]:
    """Within it processes are started that hear the signals which end a process once they can handle them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _told(code: int | None) -> str:
    """How a process ended."""
    name = "" if code is None or code >= 0 else next((s.name for s in signal.Signals if s == -code), f"signal {-code}")
    if name == "SIGKILL":
        return "its process was killed (SIGKILL), as where memory runs out; free some, or give fewer --jobs"
    return f"its process crashed ({name or f'exit code {code}'}), as by a damaged file; check it in a video player"
