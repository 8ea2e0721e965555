"""Work in threads, signals in the main thread: an interruption is heard at once and never cuts through anything.

An exception that a signal raises can strike between any two instructions: while a file is closed, a frame changes
hands, a library is imported. So while the work of `attend` is on, signals raise nothing. They ask it to stop, as often
as they come, and it ends by itself, its files closed.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any, NoReturn

from tracker.system.signal_handling import ENDING, handled

_WAKE_S = 0.5  # a signal that another thread received is handled when the main thread wakes


@contextmanager
def raising(afterwards: Callable[[Any], Any] = lambda before: before) -> Iterator[list[int]]:
    """Within it, the signals that end a process raise `KeyboardInterrupt`, unless it was started with them ignored.

    Args:
        afterwards: handler before -> handler from then on.

    Yields:
        The numbers of those that came.
    """
    came: list[int] = []

    def interrupt(number: int, _: FrameType | None) -> None:
        came.append(number)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in ENDING}
    before = {number: handler for number, handler in before.items() if handler not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, afterwards(handler))


def pass_on(number: int) -> NoReturn:
    """End as this signal ends who called `attend`, which heard it in their place.

    Raises:
        KeyboardInterrupt: or whatever its handler raises.
    """
    signal.raise_signal(number)
    raise KeyboardInterrupt


def attend(tasks: Sequence[Callable[[], None]], stop: Callable[[int], None]) -> None:
    """Run tasks at the same time, each in a thread, until all have ended.

    Args:
        tasks: what to run; each ends soon after `stop` was called.
        stop: called with the number of a signal; also where a task fails, so that the others end, with SIGINT's.

    Raises:
        BaseException: that of the first task that failed.
    """
    inbox: SimpleQueue[Future[None] | int] = SimpleQueue()  # may be put to in a signal's handler, whatever goes on
    failure: BaseException | None = None
    with handled(lambda number, _: inbox.put(number)), ThreadPoolExecutor(len(tasks), "track") as pool:
        for task in tasks:
            pool.submit(task).add_done_callback(inbox.put)
        running = len(tasks)
        while running:
            try:
                news = inbox.get(timeout=_WAKE_S)
            except Empty:
                continue
            if isinstance(news, int):
                stop(news)
                continue
            running -= 1
            if failure is None and (failure := news.exception()) is not None:
                stop(signal.SIGINT)
    if failure is not None:
        raise failure
