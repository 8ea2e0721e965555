"""Parts of a study in processes of their own: what crashes, hangs or fills the memory in one leaves the others alone.

A part is a function that gives its cases: what a row of the result is about, and what measures the rest of that row.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, TypeVar

Row = dict[str, Any]
Case = tuple[Row, Callable[[], Row]]
Setup = TypeVar("Setup")
MISSED = "not measured"  # in a row: why


def in_own_process(part: Callable[[Setup], Iterator[Case]], setup: Setup, limit_s: float) -> list[Row]:
    """The rows of a part that is given `setup` and so many seconds; of a case that came to nothing, why.

    `part` and `setup` go to the other process pickled.
    """
    end = time.monotonic() + limit_s
    context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(part, setup, sender))
    process.start()
    sender.close()
    rows: list[Row] = [{}]
    done = 0
    try:
        while receiver.poll(max(0.0, end - time.monotonic())):
            message = receiver.recv()
            if isinstance(message, list):
                rows = message
            else:
                rows[done] |= message
                done += 1
        why = f"not reached in {max(0.0, limit_s):.0f} s"
    except EOFError:  # it is over
        process.join()
        why = f"the process ended with {process.exitcode}"
    process.kill()
    process.join()
    for row in rows[done:]:
        row[MISSED] = why
    return rows


def _work(part: Callable[[Setup], Iterator[Case]], setup: Setup, sender: Connection) -> None:
    """Send what the rows are about, then the rest of each."""
    try:
        cases = list(part(setup))
    except Exception as error:
        cases = [({}, partial(_failed, error))]
    sender.send([about for about, _ in cases])
    for _, measure in cases:
        try:
            sender.send(measure())
        except Exception as error:
            sender.send(_failed(error))


def _failed(error: Exception) -> Row:
    return {MISSED: " ".join(f"{type(error).__name__}: {error}".split())[:200]}


def markdown(found: Mapping[str, Sequence[Row]]) -> str:
    """A table for each part; columns in the order in which they first appear."""
    lines = []
    for name, rows in found.items():
        columns = list(dict.fromkeys(column for row in rows for column in row))
        lines += ["", f"## {name}", "", f"| {' | '.join(columns)} |", "|" + " --- |" * len(columns)]
        cells = ([str(row.get(column, "")).replace("|", "/") for column in columns] for row in rows)
        lines += [f"| {' | '.join(row)} |" for row in cells]
    return "\n".join(lines).strip() + "\n"
