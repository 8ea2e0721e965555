"""Cameras for tests: an HTTP server on loopback whose every path is an endless live picture (multipart JPEG)."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count

import cv2

from helpers.clips import BUS


class Cameras(ThreadingHTTPServer):
    """`/NAME` streams for ever; `/NAME/30` ends after 30 pictures and answers no more.

    Attributes:
        port: where it listens. asked: paths in the order they were asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.asked: list[str] = []
        self.pictures = _pictures()


class _Handler(BaseHTTPRequestHandler):
    server: Cameras

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        last = path.rpartition("/")[2]
        if last.isdecimal() and path in self.server.asked:
            return
        self.server.asked.append(path)
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in count():
            if last.isdecimal() and number == int(last):
                return
            jpeg = self.server.pictures[number % len(self.server.pictures)]
            try:
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg))
                self.wfile.write(jpeg + b"\r\n")
            except OSError:  # the viewer has left
                return
            time.sleep(0.05)


def _pictures() -> list[bytes]:
    """A view that sways by so little that whoever sees any two of its pictures sees the same people in them: how many
    are missed between two is for the machine to say."""
    photo = cv2.resize(cv2.imread(str(BUS)), (324, 432))
    places = [*range(0, 8, 2), *range(8, 0, -2)]
    views = [photo[100:340, left : left + 284] for left in places]
    return [cv2.imencode(".jpg", view)[1].tobytes() for view in views]


@contextmanager
def cameras() -> Iterator[Cameras]:
    """A server that runs meanwhile."""
    with Cameras() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
