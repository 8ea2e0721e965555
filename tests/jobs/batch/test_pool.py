"""Processes share work, and the death of one costs no other."""

import os
import signal
import subprocess
import sys
import textwrap
from collections import deque
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from helpers.pool_tasks import able, dying, unfit
from tracker.errors import WeightsError, WorkerError
from tracker.jobs.batch.pool import TaskBegun, TaskDone, TaskFailed, TaskNews, WorkerPool

ROOT = Path(__file__).parents[3]


@pytest.fixture
def pool():
    with WorkerPool(2, able) as pool:
        yield pool
    assert not [child for child in psutil.Process().children() if "spawn_main" in " ".join(child.cmdline())]


def results(pool: WorkerPool, tasks) -> dict:
    """Task -> result, or the error."""
    ended = {}
    for event in pool.heard(tasks):
        if isinstance(event, TaskDone | TaskFailed):
            assert event.task not in ended
            ended[event.task] = event.result if isinstance(event, TaskDone) else event.error
    return ended


def test_every_task_is_done_once(pool):
    assert results(pool, range(100)) == {number: number * number for number in range(100)}
    assert results(pool, []) == {}


def test_who_listens_may_add_to_what_waits(pool):
    queue = deque([2])
    ended = {}
    for event in pool.heard(queue):
        if isinstance(event, TaskDone):
            ended[event.task] = event.result
            queue.extend([5, 6] if event.task == 2 else [])
    assert ended == {2: 4, 5: 25, 6: 36}


def test_processes_are_prepared_once_and_compute_in_one_thread(pool, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    results(pool, ["late", "later"])
    (first, count, threads), *_ = results(pool, ["who"]).values()
    assert first != os.getpid() and count >= 1 and threads == "1"
    assert os.environ["OMP_NUM_THREADS"] == "7"
    assert sum("spawn_main" in " ".join(child.cmdline()) for child in psutil.Process().children()) == 2


def test_a_crash_a_kill_and_an_error_cost_their_own_task(pool):
    ended = results(pool, [1, "crash", 2, "raise", "kill", 3])
    assert {task: ended[task] for task in (1, 2, 3)} == {1: 1, 2: 4, 3: 9}
    assert isinstance(ended["crash"], WorkerError) and "SIGSEGV" in str(ended["crash"])
    assert isinstance(ended["kill"], WorkerError) and "where memory runs out" in str(ended["kill"])
    assert isinstance(ended["raise"], ValueError) and "pool_tasks.py" in ended["raise"].__notes__[0]


def test_what_prepare_raises_is_raised_here():
    with WorkerPool(2, unfit) as pool, pytest.raises(WeightsError, match="no weights"):
        results(pool, [1, 2])


def test_processes_that_die_before_they_are_ready_are_given_up():
    with WorkerPool(2, dying) as pool, pytest.raises(WorkerError, match="still loading"):
        results(pool, [1, 2])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_runs_and_begins_nothing_more(pool, number, request):
    before = signal.signal(number, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(number, before))
    begun, ended = [], []
    for event in pool.heard(["long", "long", 1, 2]):
        if isinstance(event, TaskBegun):
            begun.append(event.task)
        elif isinstance(event, TaskNews):
            if len(begun) == 2 and not pool.stopped:
                signal.raise_signal(number)
        else:
            ended.append(event.error)
    assert begun == ["long", "long"] and pool.stopped == number
    assert [type(error) for error in ended] == [KeyboardInterrupt, KeyboardInterrupt]


def test_who_stops_listening_hears_no_more_of_it(pool):
    with closing(pool.heard(["late", "late"])) as heard:
        assert isinstance(next(heard), TaskBegun)
    assert results(pool, [3]) == {3: 9}


def test_a_process_never_outlives_who_started_it(tmp_path):
    script = """
        from helpers.pool_tasks import able
        from tracker.jobs.batch.pool import TaskNews, WorkerPool
        if __name__ == "__main__":
            with WorkerPool(1, able) as pool:
                for event in pool.heard(["long"]):
                    if isinstance(event, TaskNews):
                        print(event.news, flush=True)
    """
    (tmp_path / "script.py").write_text(textwrap.dedent(script))
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    parent = subprocess.Popen(
        [sys.executable, tmp_path / "script.py"],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent, closing(parent.stdout):
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        child.wait(60)
