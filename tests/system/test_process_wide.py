"""A setting of the whole process is another while any thread is inside, and then what it was."""

import threading

import pytest

from tracker.system.process_wide import ProcessWide


@pytest.fixture
def level():
    return [5]


@pytest.fixture
def silent(level):
    def change():
        before, level[0] = level[0], 0
        return before

    return ProcessWide(change, lambda before: level.__setitem__(0, before))


def test_it_is_put_back_by_the_outermost_call_also_after_an_error(silent, level):
    with pytest.raises(ValueError, match="broken"), silent():
        with silent():
            pass
        assert level == [0]
        raise ValueError("broken")
    assert level == [5]


def test_the_last_thread_to_leave_puts_back_what_the_first_to_come_found(silent, level):
    inside, leave = threading.Event(), threading.Event()

    def first():
        with silent():
            inside.set()
            leave.wait(60)

    thread = threading.Thread(target=first)
    thread.start()
    assert inside.wait(60)
    with silent():
        leave.set()
        thread.join()
        assert level == [0], "the first has left, and this one is inside"
    assert level == [5]


def test_it_decorates_a_function(silent, level):
    @silent()
    def seen():
        return level[0]

    assert (seen(), seen(), level) == (0, 0, [5])
