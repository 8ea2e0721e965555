"""The machines of a Ray cluster as a pool of workers: what `pool.py` is for the cores of one.

Ray gives each task to a machine with room for it, and to another one where that machine, or the process, dies. A
process of Ray's serves many tasks and loads the networks for the first. How tasks come along is told to an actor
beside the driver, which asks it twice a second; it holds nothing but the last news of each.
"""

from __future__ import annotations

import re
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Generator, Iterable
from itertools import count
from types import TracebackType
from typing import Any, Self

from tracker.errors import UsageError, WorkerError
from tracker.jobs.batch.pool import Heard, TaskBegun, TaskDone, TaskFailed, TaskNews
from tracker.jobs.batch.resources import PROCESS_BYTES
from tracker.jobs.batch.worker import Work
from tracker.system.extras import extra
from tracker.system.signal_handling import handled

ATTEMPTS = 3  # that a task gets where its process or machine dies
_NEWS_S = 0.5
_ANSWER_S = 5.0
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


class RayPool:
    """Workers of a cluster that runs already.

    Args:
        address: `auto` for the cluster that this machine is part of, or HOST:PORT of its head.
        prepare: as for `WorkerPool`; everything that it reads has to have the same path on every machine.
        jobs: tasks at once at most; None: as many as the cluster has cores, also where it grows.
        gpu: share of a GPU that a task gets where the cluster has any.

    Attributes:
        stopped: the number of the signal that ended the work; 0: none.

    Raises:
        MissingExtraError: Ray is not installed. UsageError: no cluster answers.
    """

    def __init__(self, address: str, prepare: Callable[[], Work], jobs: int | None = None, gpu: float = 0.25) -> None:
        self._ray = extra("ray", "batch")
        self._address, self._jobs, self._gpu = address, jobs, gpu
        self._prepare = prepare
        self.stopped = 0

    def __enter__(self) -> Self:
        ray = self._ray
        try:
            if at := re.fullmatch(r"(.+):([0-9]+)", self._address):  # Ray itself would try for minutes
                socket.create_connection((at[1].removeprefix("ray://"), int(at[2])), _ANSWER_S).close()
            ray.init(
                self._address,
                runtime_env={"env_vars": _THREADS},
                log_to_driver=False,
                configure_logging=False,
                logging_level="ERROR",
            )
        except (OSError, RuntimeError, ValueError) as error:
            raise UsageError(
                f"no Ray cluster answers at {self._address!r}; begin one with ray start --head, and give the address "
                "that it prints"
            ) from error
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        board = ray.remote(num_cpus=0, max_restarts=-1)(Board)
        self._board = board.options(scheduling_strategy=here).remote()
        self._key = uuid.uuid4().hex
        self._prepared = ray.put(self._prepare)
        gpus = {"num_gpus": self._gpu} if ray.cluster_resources().get("GPU") else {}
        limits = {"num_cpus": 1, "memory": PROCESS_BYTES, "max_retries": ATTEMPTS - 1, "max_calls": 0}
        self._do = ray.remote(**limits, **gpus)(_do)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ray.shutdown()

    def heard(self, tasks: Iterable[Any]) -> Generator[Heard, None, None]:
        """As `WorkerPool.heard`."""
        ray = self._ray
        queue, begun = tasks if isinstance(tasks, deque) else deque(tasks), count()
        running: dict[Any, tuple[int, Any]] = {}  # reference of a task -> its number and itself
        with handled(lambda number, _: self._note(number)) as taken:
            del taken
            cancelled = False
            while running or (queue and not self.stopped):
                if self.stopped and not cancelled:
                    cancelled = True
                    for reference in running:
                        ray.cancel(reference, force=False)
                while queue and not self.stopped and len(running) < self._room():
                    number, task = next(begun), queue.popleft()
                    reference = self._do.remote(self._key, [self._prepared], number, task, self._board)
                    running[reference] = number, task
                    yield TaskBegun(task)
                ended, _ = ray.wait(list(running), timeout=_NEWS_S)
                told = self._told()
                for number, task in running.values():
                    if number in told:
                        yield TaskNews(task, told[number])
                for reference in ended:
                    yield self._end(reference, running.pop(reference)[1])

    def _note(self, number: int) -> None:
        self.stopped = self.stopped or number

    def _room(self) -> int:
        return self._jobs or max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def _told(self) -> dict[int, Any]:
        """The last news of tasks, by number; none where the board is on its way to another machine."""
        try:
            told: dict[int, Any] = self._ray.get(self._board.take.remote(), timeout=_NEWS_S)
        except self._ray.exceptions.RayError:
            return {}
        return told

    def _end(self, reference: Any, task: Any) -> Heard:
        problems = self._ray.exceptions
        try:
            return TaskDone(task, self._ray.get(reference))
        except problems.TaskCancelledError:
            return TaskFailed(task, KeyboardInterrupt())
        except problems.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, UnfitError):
                raise cause.args[0] from None
            return TaskFailed(task, cause)
        except problems.RayError as error:  # of process or machine, and of every attempt
            reason = type(error).__name__
            return TaskFailed(
                task, WorkerError(f"its process died on each of {ATTEMPTS} attempts ({reason}); look at it alone")
            )


class UnfitError(Exception):
    """What a process raised while it got ready: no task can be done."""


class Board:
    """Where tasks stand, for who asks: an actor."""

    def __init__(self) -> None:
        self._news: dict[int, Any] = {}

    def tell(self, number: int, news: Any) -> None:
        """Note the last news of a task."""
        self._news[number] = news

    def take(self) -> dict[int, Any]:
        """What came since this was asked last."""
        news, self._news = self._news, {}
        return news


_works: dict[str, Work] = {}  # of this process, one a batch


def _do(key: str, prepare: list[Any], number: int, task: Any, board: Any) -> Any:
    """A task, in a process of the cluster."""
    import warnings

    import ray

    if key not in _works:
        warnings.simplefilter("ignore")  # what libraries have to say to programmers
        _works.clear()
        try:
            _works[key] = ray.get(prepare[0])()
        except Exception as error:
            raise UnfitError(error) from error
    due = 0.0

    def tell(news: Any) -> None:
        nonlocal due
        if time.monotonic() >= due:
            board.tell.remote(number, news)
            due = time.monotonic() + _NEWS_S

    return _works[key](task, tell)
