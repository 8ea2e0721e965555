"""A network source that fails as it is told: MPEG-TS over TCP or HTTP, or an HTTP camera's JPEGs, on loopback.

    with TcpSource([Session(end="reset"), Session(silent="video")], "http") as server:
        open_source(server.url)

Each connection gets the next session, in real time; where none is left the server hangs up until `add` brings one. The
streams have B-frames, as cameras send them, and sound beside the picture.
"""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Literal, Self

import av
import cv2
import numpy as np

RATE = 25  # pictures a second
_CELL = 188  # bytes; the second and third hold the number of the stream
_STREAMS = {0x100: "video", 0x101: "audio"}
_TYPES = {"http": "video/mp2t", "mjpeg": "multipart/x-mixed-replace; boundary=frame"}

Kind = Literal["tcp", "http", "mjpeg"]
Part = tuple[float, str, bytes]  # when it is due (seconds), of what (video, audio, or empty for tables), and its bytes


@dataclass(frozen=True)
class Session:
    """What one connection delivers.

    Attributes:
        frames: pictures.
        size: width and height of the picture.
        silent: after `stall_after` pictures, send no more of the video, or of anything, and stay connected.
        end: how the connection ends.
        cut: share of the bytes that is sent at all.
        speed: of the delivery; the stamps stay as they are, so a server that lies about its rate.
        length: what HTTP's Content-Length says; None: nothing.
    """

    frames: int = 50
    size: tuple[int, int] = (64, 48)
    silent: Literal["", "video", "all"] = ""
    stall_after: int = 0
    end: Literal["close", "reset"] = "close"
    cut: float = 1.0
    speed: float = 1.0
    length: int | None = None


class TcpSource:
    """A server on loopback that gives each connection the next of its sessions.

    Attributes:
        url: its address.
        connections: how many have been given one.
        sent_s: how far the newest one has come, in seconds of what it delivers.
    """

    def __init__(self, sessions: Sequence[Session], kind: Kind = "tcp") -> None:
        self._sessions = list(sessions)
        self._kind = kind
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        port = self._listener.getsockname()[1]
        self.url = f"tcp://127.0.0.1:{port}" if kind == "tcp" else f"http://127.0.0.1:{port}/live"
        self.connections = 0
        self.sent_s = 0.0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def add(self, session: Session) -> None:
        """One session more for whoever connects next."""
        self._sessions.append(session)

    def __enter__(self) -> Self:
        for session in self._sessions:
            _parts(self._kind, session.frames, session.size)  # encoded before anybody waits
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)
        self._listener.close()

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except TimeoutError:
                continue
            with connection, suppress(OSError):  # the viewer may leave at any time
                if self._sessions:
                    self.connections += 1
                    session = self._sessions.pop(0)
                    self._deliver(connection, session)
                    if session.end == "reset":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _deliver(self, connection: socket.socket, session: Session) -> None:
        parts = _parts(self._kind, session.frames, session.size)
        connection.settimeout(5)
        if self._kind != "tcp":
            connection.recv(4096)
            length = "" if session.length is None else f"Content-Length: {session.length}\r\n"
            head = f"HTTP/1.1 200 OK\r\nContent-Type: {_TYPES[self._kind]}\r\n{length}Connection: close\r\n\r\n"
            connection.sendall(head.encode())
        begun = time.monotonic()
        left = int(session.cut * sum(len(data) for *_, data in parts))
        for seconds, of, data in parts:
            if self._stop.wait(max(0, begun + seconds / session.speed - time.monotonic())):
                return
            if session.silent and seconds > session.stall_after / RATE:
                if session.silent == "all":
                    break
                if session.silent == of:
                    continue
            connection.sendall(data[: max(0, left)])
            left -= len(data)
            self.sent_s = seconds
        if not session.silent and session.end == "reset":
            self._stop.wait(0.3)  # a reset discards what the viewer has not read yet
        connection.settimeout(0.05)
        while session.silent and not self._stop.is_set():
            with suppress(TimeoutError):
                if not connection.recv(1):  # the viewer has left
                    return


@cache
def _parts(kind: Kind, frames: int, size: tuple[int, int]) -> list[Part]:
    pictures = (np.full((size[1], size[0], 3), 32 + 3 * n % 200, np.uint8) for n in range(frames))
    return list(_jpegs(pictures) if kind == "mjpeg" else _cells(list(pictures)))


def _jpegs(pictures: Iterator[np.ndarray]) -> Iterator[Part]:
    for n, picture in enumerate(pictures):
        jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        yield n / RATE, "video", head.encode() + jpeg + b"\r\n"


def _cells(pictures: Sequence[np.ndarray]) -> Iterator[Part]:
    """A transport stream, cell by cell."""
    sink = io.BytesIO()
    with av.open(sink, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        video = container.add_stream("libx264", rate=RATE, options={"bf": "3", "g": "10", "b-adapt": "0"})
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuv420p"
        audio = container.add_stream("aac", rate=48_000)
        packets = []
        for picture in pictures:
            packets += video.encode(av.VideoFrame.from_ndarray(picture, format="bgr24"))
        packets += video.encode()
        for n in range(len(pictures) * 48_000 // RATE // 1024):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            sound.sample_rate, sound.pts, sound.time_base = 48_000, 1024 * n, Fraction(1, 48_000)
            packets += audio.encode(sound)
        packets += audio.encode()
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            written = sink.tell()
            seconds = float(packet.dts * packet.time_base)
            container.mux(packet)
            sink.seek(written)
            while cell := sink.read(_CELL):
                yield seconds, _STREAMS.get(int.from_bytes(cell[1:3]) & 0x1FFF, ""), cell
