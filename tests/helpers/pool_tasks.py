"""Work for worker processes, which find it here by name."""

import os
import signal
import time

from tracker.errors import WeightsError

CRASHES = {"crash": signal.SIGSEGV, "kill": signal.SIGKILL}


def able():
    """Squares numbers; a few words are other tasks."""
    begun = []

    def work(task, tell):
        begun.append(task)
        if task in CRASHES:
            os.kill(os.getpid(), CRASHES[task])
            time.sleep(60)
        if task == "raise":
            raise ValueError("no\nnumber")
        if task == "who":
            return os.getpid(), len(begun), os.environ["OMP_NUM_THREADS"]
        if task == "long":
            while True:
                tell(os.getpid())
                time.sleep(0.01)
        if task == "late":
            time.sleep(0.5)
        return task if isinstance(task, str) else task * task

    return work


def unfit():
    raise WeightsError("there are no weights; give some")


def dying():
    os.kill(os.getpid(), signal.SIGKILL)
