"""Servers for tests, started from the system's packages on loopback: an MQTT broker, Redis; and a webhook."""

import json
import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
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
        for _ in range(1200):
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
        takes_s: before each answer. refuses: messages that are answered with 422. endless: answers have no end;
        written: bytes of them so far.
        requests: (path, headers, body) of each. taken: messages of those answered with 200, in order.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.statuses: list[int] = []
        self.takes_s = 0.0
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.taken: list[dict] = []
        self.refuses: Callable[[list[dict]], bool] = lambda messages: False
        self.endless, self.written = False, 0


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def log_message(self, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.requests.append((self.path, dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200 and self.server.refuses(json.loads(body)["messages"]):
            status = 422
        time.sleep(self.server.takes_s)
        if status == 200:
            self.server.taken += json.loads(body)["messages"]
        self.send_response(status)
        if status == 307:
            self.send_header("Location", f"http://127.0.0.1:{self.server.port}/elsewhere")
        if not self.server.endless:
            self.send_header("Content-Length", "0")
        self.end_headers()
        while self.server.endless:
            self.server.written += self.wfile.write(bytes(1 << 16))


@contextmanager
def hook() -> Iterator[Hook]:
    with Hook() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()


class SlowBroker(socketserver.ThreadingTCPServer):
    """An MQTT 3.1.1 broker that takes its time over each message, and does nothing with it.

    Attributes:
        port: where it listens. connections: so far.
    """

    daemon_threads = True

    def __init__(self, each_s: float) -> None:
        super().__init__(("127.0.0.1", 0), _Slow)
        self.port, self.each_s, self.connections = self.server_address[1], each_s, 0


class _Slow(socketserver.StreamRequestHandler):
    server: SlowBroker

    def handle(self) -> None:
        self.server.connections += 1
        while kind := self.rfile.read(1):
            length = shift = 0
            while (more := self.rfile.read(1)[0]) & 0x80:
                length, shift = length | (more & 0x7F) << shift, shift + 7
            body = self.rfile.read(length | more << shift)
            if kind[0] >> 4 == 1:
                self.wfile.write(b"\x20\x02\x00\x00")  # CONNACK
            elif kind[0] >> 4 == 3:
                time.sleep(self.server.each_s)
                topic = 2 + int.from_bytes(body[:2], "big")
                self.wfile.write(b"\x40\x02" + body[topic : topic + 2])  # PUBACK


@contextmanager
def slow_broker(each_s: float) -> Iterator[SlowBroker]:
    with SlowBroker(each_s) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
