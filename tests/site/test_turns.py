"""So many are at work at once, and those that wait come in the order they came in."""

from __future__ import annotations

import threading
import time

import pytest

from helpers.waiting import until
from tracker.site.turns import Turns


def begun(turns: Turns, name: int, order: list[int], go: threading.Event) -> threading.Thread:
    """A thread that says when its turn has come, and stays until it may go."""

    def work() -> None:
        with turns:
            order.append(name)
            go.wait()

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_no_more_than_so_many_are_in_at_once() -> None:
    turns, inside, most = Turns(3), [], []

    def work() -> None:
        for _ in range(50):
            with turns:
                inside.append(1)
                most.append(len(inside))
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) <= 3
    assert len(most) == 8 * 50


def test_those_that_wait_come_in_order() -> None:
    turns, order, go = Turns(1), list[int](), threading.Event()
    threads = [begun(turns, 0, order, go)]
    until(lambda: order == [0])
    for name in range(1, 6):
        threads.append(begun(turns, name, order, go))
        until(lambda name=name: len(turns._waiting) == name)
    go.set()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4, 5]


def test_who_just_left_comes_in_after_those_that_wait() -> None:
    turns, order = Turns(1), list[str]()

    def again() -> None:
        with turns:
            until(lambda: len(turns._waiting) == 1)
        with turns:
            order.append("again")

    first = threading.Thread(target=again)
    first.start()
    until(lambda: turns._free == 0)
    with turns:
        order.append("waited")
    first.join()
    assert order == ["waited", "again"]


def test_a_turn_ends_with_an_error_too() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="mine"), turns:
        raise ValueError("mine")
    with turns:
        pass
