"""`track` as a process of its own without the seconds that its libraries take to load: forked from one that has them.

It has its own folder, environment, signals, limits and end as any process. What it finds loaded is what it would load,
and nothing of it has been used.
"""

import atexit
import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[2]
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_MOST = 1 << 20  # bytes of what is asked, with the environment, and of what is said
_LOADED = (
    "cv2 av lap psutil yaml scipy.optimize scipy.linalg safetensors.torch torch ultralytics.utils typer.rich_utils"
)


class ForkedTrack:
    """A command line of `track` in a process; what it has is `subprocess.Popen`'s by name and meaning.

    Args:
        words: of the command line. cwd, env: as of `Popen`. largest: bytes of a file, a limit that stands for a full
            disk. settings: `module.NAME` -> its value in this process.
    """

    def __init__(
        self,
        *words: object,
        cwd: Path | None = None,
        env: Mapping[str, str] = os.environ,
        largest: int | None = None,
        settings: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        self.returncode: int | None = None
        self._said = ("", "")
        self._files = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115 - stdout and stderr, until it ends
        self._end, its_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = {
            "words": [*map(str, words)],
            "cwd": str(cwd or Path.cwd()),
            "env": dict(env),
            "largest": largest,
            "settings": dict(settings),
            "ignored": [number for number in _ENDING if signal.getsignal(number) is signal.SIG_IGN],
        }
        with its_end:
            handles = [its_end.fileno(), *(file.fileno() for file in self._files)]
            socket.send_fds(_server(), [json.dumps(asked).encode()], handles)
        self.pid = int(self._end.recv(32))

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, minus the number of the signal that ended it.

        Raises:
            TimeoutError: it has not ended.
        """
        if self.returncode is None:
            self._end.settimeout(timeout)
            self.returncode = int(self._end.recv(32))
            self._end.close()
            out, err = (os.pread(file.fileno(), _MOST, 0).decode() for file in self._files)
            self._said = out, err
            for file in self._files:
                file.close()
        return self.returncode

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except BlockingIOError:
            return None

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        return self._said

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended since
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def _server() -> socket.socket:
    """The way to the process that the others are forked from; it ends with this one."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        server = subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())],
            pass_fds=[its.fileno()],
            env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_WAIT_POLICY": "PASSIVE", "OPENBLAS_NUM_THREADS": "1"},
            start_new_session=True,
        )
    atexit.register(lambda: (ours.close(), server.wait()))
    return ours


def _serve(requests: socket.socket) -> None:
    """Fork a process for each request; return in it, with all as it is to be."""
    for module in _LOADED.split():
        importlib.import_module(module)
    from tracker.system.privacy import imported

    imported("ultralytics")
    for number, handler in zip(_ENDING, (signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL), strict=True):
        signal.signal(number, handler)  # whatever this one was begun with
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        asked, handles, *_ = socket.recv_fds(requests, _MOST, 3)
        if not asked:
            os._exit(0)
        if os.fork() == 0:
            requests.close()
            break
        for handle in handles:
            os.close(handle)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    end = socket.socket(fileno=handles[0])
    if pid := os.fork():  # this one only tells how the other ends
        end.send(b"%d" % pid)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        end.send(b"%d" % code)
        os._exit(0)
    end.close()
    os.setsid()
    for own, handle in enumerate([os.open(os.devnull, os.O_RDONLY), *handles[1:]]):
        os.dup2(handle, own)
        os.close(handle)
    request = json.loads(asked)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    if request["largest"]:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (request["largest"],) * 2)
    for number in request["ignored"]:
        signal.signal(number, signal.SIG_IGN)
    for name, value in request["settings"].items():
        module, _, setting = name.rpartition(".")
        setattr(importlib.import_module(module), setting, value)
    sys.argv[1:] = request["words"]


def _ended() -> int:
    """Run the command to the end of its threads; its exit code. Nothing is taken down: that is the half of a second."""
    from tracker.cli import main

    code = 1
    try:
        main()
    except SystemExit as left:
        code = int(left.code or 0)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # what an interpreter does first
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
    return code


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])))
    os._exit(_ended())
