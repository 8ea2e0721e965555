"""Small products on the calling thread, and everything as it was afterwards."""

import threading

import numpy as np
import pytest

from tracker.motion import blas


@pytest.fixture
def threads():
    """OpenBLAS's own count, set to 2 for the test."""
    if blas._found is None:
        pytest.skip("NumPy uses another BLAS than OpenBLAS")
    get, put = blas._found
    before = get()
    put(2)
    if get() != 2:
        pytest.skip("OpenBLAS was built for one thread")
    yield get
    put(before)


def test_inside_there_is_one_thread_and_outside_what_there_was(threads):
    with blas.one_thread():
        assert threads() == 1
        with blas.one_thread():
            assert threads() == 1
        assert threads() == 1
    assert threads() == 2


def test_an_error_inside_leaves_nothing_behind(threads):
    with pytest.raises(ValueError, match="matmul"), blas.one_thread():
        np.zeros((2, 3)) @ np.zeros((2, 3))
    assert threads() == 2


def test_two_trackers_in_two_threads_leave_the_count_as_it_was(threads):
    def work():
        for _ in range(200):
            with blas.one_thread():
                assert threads() == 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert threads() == 2
