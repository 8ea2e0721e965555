"""The signals that end a process: who handles them, and on which stack."""

from __future__ import annotations

import ctypes
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextmanager
def handled(handle: Handler) -> Iterator[Mapping[int, Handler]]:
    """Within it, `handle` takes the ending signals that Python has a handler for.

    Those that end the process at once, or are ignored, stay so. Off the main thread, which alone handles signals, none
    is taken.

    Yields:
        Number of a signal -> its handler, in force again afterwards.
    """
    before: dict[int, Handler] = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: handler for number in ENDING if callable(handler := signal.getsignal(number))}
    for number in before:
        signal.signal(number, handle)
    try:
        yield before
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def own_signal_stack() -> Iterator[None]:
    """After it, this thread handles signals on the same stack as before.

    OpenVINO's CPU plugin gives the thread that loads it an alternate signal stack (openvino pull request 11894) and
    unmaps it when it is unloaded. Where another thread unloads it, or several are unloaded in another order than that
    they were loaded in, the thread keeps a stack that is no more, and the next signal is a segmentation fault.
    """
    if sys.platform != "linux":  # the plugin does so there alone
        yield
        return
    set_stack, stack = ctypes.CDLL(None).sigaltstack, _Stack()
    set_stack(None, ctypes.byref(stack))
    try:
        yield
    finally:
        set_stack(ctypes.byref(stack), None)
