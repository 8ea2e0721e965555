"""A real Ray cluster on this machine: nodes are processes that can be killed."""

import os
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path

import psutil

import tracker

ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(map(str, (Path(tracker.__file__).parents[1], Path(__file__).parents[1]))),
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_failure_threshold": "3",
}
LIMITS = ["--object-store-memory=80000000", "--disable-usage-stats", "--block"]
CORE = "--num-cpus=1 --memory=2500000000"


class Cluster:
    """A head and a second node.

    Args:
        head, second: what each has to give, in words of `ray start`; of the second None: there is none.
    """

    def __init__(self, head: str = CORE, second: str | None = CORE) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="ray"))  # short: sockets are in it
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        words = ["--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self._folder}/r"]
        self._nodes = [self._start("head", *words, *head.split())]
        self.address = (self._folder / "r" / "ray_current_cluster").read_text().strip()
        if second is not None:
            self._nodes.append(self._start("second", f"--address={self.address}", *second.split()))

    def _start(self, name: str, *words: str) -> psutil.Popen:
        log = self._folder / f"{name}.log"
        with log.open("w") as out:
            node = psutil.Popen(
                [sys.executable, "-m", "ray.scripts.scripts", "start", *words, *LIMITS],
                env=ENVIRONMENT,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
        end = time.monotonic() + 90
        while "Ray runtime started" not in log.read_text():
            assert node.poll() is None and time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        return node

    def workers(self) -> list[psutil.Process]:
        """The processes that are at a task, those of the second node last."""
        below = [child for node in self._nodes if node.is_running() for child in node.children(recursive=True)]
        return [child for child in below if child.is_running() and child.name().startswith("ray::_do")]

    def kill_second_node(self) -> None:
        """As if its machine lost power."""
        self._kill(self._nodes[1])

    def close(self) -> None:
        for node in self._nodes:
            self._kill(node)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _kill(self, node: psutil.Popen) -> None:
        if node.is_running():
            for process in [node, *node.children(recursive=True)]:
                if process.is_running():
                    process.kill()
            node.wait()
