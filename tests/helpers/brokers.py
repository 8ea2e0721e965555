"""Servers for tests, started from the system's packages on loopback: an MQTT broker, Redis; and a webhook."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def mosquitto(port: int, folder: Path, *lines: str) -> Iterator[None]:
    """Debian's MQTT broker; settings beside the port as lines of its file."""
    folder.mkdir(exist_ok=True)
    settings = folder / "mosquitto.conf"
    settings.write_text("\n".join([f"listener {port} 127.0.0.1", *(lines or ["allow_anonymous true"])]) + "\n")
    with _running("mosquitto", "-c", str(settings), port=port):
        yield


@contextmanager
def redis(port: int, folder: Path) -> Iterator[None]:
    with _running("redis-server", "--port", str(port), "--dir", str(folder), "--save", "", port=port):
        yield


@contextmanager
def _running(name: str, *words: str, port: int) -> Iterator[None]:
    command = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin:/opt/homebrew/sbin")
    if command is None:
        pytest.skip(f"{name} is not installed")
    process = subprocess.Popen([command, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(200):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            raise RuntimeError(f"{name} does not listen at {port}")
        yield
    finally:
        process.kill()
        process.wait()


class Hook(ThreadingHTTPServer):
    """A receiver of webhooks.

    Attributes:
        statuses: that the next requests are answered with, in turn; 200 once they are used up.
        requests: (path, headers, body) of each. taken: messages of those answered with 200, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.statuses: list[int] = []
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.taken: list[dict] = []


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.taken += json.loads(body)["messages"]
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"http://127.0.0.1:{self.server.port}/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def hook() -> Iterator[Hook]:
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
