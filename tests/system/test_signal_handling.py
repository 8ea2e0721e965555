"""The signals that end a process: who handles them, and on which stack."""

import importlib.util
import os
import signal
import subprocess
import sys
import threading

import pytest

from tracker.system.signal_handling import handled, own_signal_stack


@pytest.fixture
def interrupts():
    """The numbers of the signals that the handler from before heard."""
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGINT, before)


def test_within_the_block_another_handler_hears(interrupts):
    inside: list[int] = []
    with handled(lambda number, _: inside.append(number)) as before:
        signal.raise_signal(signal.SIGINT)
        assert (inside, interrupts) == ([signal.SIGINT], [])
        before[signal.SIGINT](signal.SIGINT, None)
    signal.raise_signal(signal.SIGINT)
    assert (inside, interrupts) == ([signal.SIGINT], [signal.SIGINT] * 2)


def test_what_is_ignored_stays_so():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with handled(pytest.fail) as taken:
            assert signal.SIGHUP not in taken
            signal.raise_signal(signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


def test_other_threads_take_none():
    taken = []

    def work():
        with handled(pytest.fail) as handlers:
            taken.append(dict(handlers))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert taken == [{}]


LOADED_HERE_UNLOADED_THERE = """
import os, signal, sys, threading, time
from contextlib import nullcontext
import openvino
from tracker.system.signal_handling import own_signal_stack

with own_signal_stack() if sys.argv[1] == "own" else nullcontext():
    core = openvino.Core()
    core.get_versions("CPU")


def unload():
    global core
    del core


thread = threading.Thread(target=unload)
thread.start()
thread.join()
signal.signal(signal.SIGINT, lambda *_: print("heard"))
os.kill(os.getpid(), signal.SIGINT)
time.sleep(0.01)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="openvino gives threads a signal stack on Linux only")
@pytest.mark.skipif(not importlib.util.find_spec("openvino"), reason="no openvino")
def test_a_signal_is_heard_after_openvino_was_unloaded_in_another_thread():
    def ended(stack: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-X", "faulthandler", "-c", LOADED_HERE_UNLOADED_THERE, stack]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)

    assert ended("own").stdout == "heard\n"
    if ended("openvino's").returncode != -signal.SIGSEGV:
        pytest.skip("this openvino leaves the signal stack as it was: `own_signal_stack` can go")


def test_the_block_leaves_the_stack_as_it_was(interrupts):
    with own_signal_stack():
        pass
    signal.raise_signal(signal.SIGINT)
    assert interrupts == [signal.SIGINT]
