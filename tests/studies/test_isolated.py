"""Parts of a study in processes of their own."""

import os
import time
from collections.abc import Iterator

import pytest

import isolated
from isolated import Case


def sound(setup: int) -> Iterator[Case]:
    for number in range(2):
        yield {"number": number}, lambda n=number: {"result": 10 * n + setup}


def one_fails(setup: int) -> Iterator[Case]:
    yield {"number": 0}, lambda: {"result": 1 / setup}
    yield {"number": 1}, lambda: {"result": 1}


def never_begins(setup: int) -> Iterator[Case]:
    raise ValueError("no\nsuch thing")
    yield


def dies(setup: int) -> Iterator[Case]:
    yield {"number": 0}, lambda: {"result": 0}
    yield {"number": 1}, lambda: os._exit(3)
    yield {"number": 2}, lambda: {"result": 2}


def hangs(setup: int) -> Iterator[Case]:
    yield {"number": 0}, lambda: {"result": 0}
    yield {"number": 1}, lambda: time.sleep(600) or {}


def test_each_case_is_a_row_of_what_it_is_about_and_what_was_measured():
    assert isolated.in_own_process(sound, 3, 60) == [{"number": 0, "result": 3}, {"number": 1, "result": 13}]


def test_a_case_that_fails_says_why_and_the_next_one_follows():
    rows = isolated.in_own_process(one_fails, 0, 60)
    assert rows == [
        {"number": 0, "not measured": "ZeroDivisionError: division by zero"},
        {"number": 1, "result": 1},
    ]


def test_a_part_that_cannot_begin_is_a_row_that_says_why():
    assert isolated.in_own_process(never_begins, 0, 60) == [{"not measured": "ValueError: no such thing"}]


def test_what_was_measured_before_a_process_died_stays():
    said = "the process ended with 3"
    assert isolated.in_own_process(dies, 0, 60) == [
        {"number": 0, "result": 0},
        {"number": 1, "not measured": said},
        {"number": 2, "not measured": said},
    ]


@pytest.mark.slow
def test_what_was_measured_before_the_time_was_over_stays_and_the_process_is_ended():
    begun = time.monotonic()
    rows = isolated.in_own_process(hangs, 0, 8)
    assert rows == [{"number": 0, "result": 0}, {"number": 1, "not measured": "not reached in 8 s"}]
    assert time.monotonic() - begun < 60


def test_a_part_without_time_is_a_row_that_says_so():
    assert isolated.in_own_process(sound, 3, -1) == [{"not measured": "not reached in 0 s"}]


def test_the_tables_have_every_column_of_their_rows():
    found = {"speed": [{"batch": 1, "ms": 2.5}, {"batch": 2, "not measured": "a|b"}], "empty": [{}]}
    assert isolated.markdown(found).splitlines()[:6] == [
        "## speed",
        "",
        "| batch | ms | not measured |",
        "| --- | --- | --- |",
        "| 1 | 2.5 |  |",
        "| 2 |  | a/b |",
    ]
