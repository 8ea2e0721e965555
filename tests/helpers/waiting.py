"""Waiting in a test for what another thread or process does."""

import time
from collections.abc import Callable


def until(condition: Callable[[], object]) -> None:
    """Wait until it holds, a minute at most."""
    end_s = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end_s, "it did not come true in time"
        time.sleep(0.02)
