"""Processor time by kind of thread: it tells what costs what also where other work goes on."""

from __future__ import annotations

import threading
from collections import Counter

import psutil

LIBRARIES = "networks and decoding"


def spent() -> Counter[str]:
    """Seconds so far of this process: by the first word of a thread's name, those without one together."""
    names = {thread.native_id: thread.name.split()[0] for thread in threading.enumerate()}
    seconds: Counter[str] = Counter()
    for thread in psutil.Process().threads():
        seconds[names.get(thread.id, LIBRARIES)] += thread.user_time + thread.system_time
    return seconds
