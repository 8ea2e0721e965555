"""Time counts for the stage that took it."""

import time
from types import SimpleNamespace

import pytest

from tracker.system.stopwatch import Timed


def test_seconds_add_up_by_stage():
    seconds = {"decode": 1.0, "detect": 0.0}
    for _ in range(2):
        with Timed(seconds, "decode"):
            time.sleep(0.01)
    assert seconds["decode"] >= 1.02 and seconds["detect"] == 0


def test_what_ends_in_an_error_does_not_count():
    seconds = {"decode": 0.0}
    with pytest.raises(ValueError, match="broken"), Timed(seconds, "decode"):
        raise ValueError("broken")
    assert seconds == {"decode": 0.0}


def test_what_a_stage_within_another_takes_counts_for_the_inner_alone(monkeypatch):
    now_s = iter([0.0, 1.0, 4.0, 5.0])  # all begins, its part begins and ends, all ends
    monkeypatch.setattr("tracker.system.stopwatch.time", SimpleNamespace(perf_counter=lambda: next(now_s)))
    seconds = {"all": 0.0, "part": 0.0}
    with Timed(seconds, "all"), Timed(seconds, "part", within="all"):
        pass
    assert seconds == {"all": 2.0, "part": 3.0}
