"""A network source that can be told to fail: MPEG transport streams over TCP on loopback, in real time.

    with TcpSource([Session(clip, stop="reset"), Session(clip, silent="video")]) as url:
        open_source(url)

Each connection gets the next session; where none is left it is refused until `add` brings one. The streams are encoded
by libav; pictures go with B-frames, as cameras send them, and sound beside them.
"""

from __future__ import annotations

import io
import socket
import struct
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Self

import av
import numpy as np

RATE = 25  # pictures a second
_CELL = 188  # bytes; the second and third hold the number of the stream
_STREAMS = {0x100: "video", 0x101: "audio"}


@dataclass(frozen=True)
class Session:
    """What one connection delivers.

    Attributes:
        frames: pictures, whose grey level tells their number.
        size: width and height of the picture.
        silent: after the middle, send no more of the video, or of anything, and stay connected.
        stop: how the connection ends: closed, or reset.
        cut: share of the bytes that is sent at all.
        speed: of the delivery; the stamps stay as they are, so a server that lies about its rate.
        delay_s: before the first byte.
    """

    frames: int = 50
    size: tuple[int, int] = (64, 48)
    silent: Literal["", "video", "all"] = ""
    stop: Literal["close", "reset"] = "close"
    cut: float = 1.0
    speed: float = 1.0
    delay_s: float = 0.0

    def packets(self) -> list[tuple[float, str, bytes]]:
        """When (seconds), of what (video or audio, empty for tables), and a cell of the transport stream."""
        sink = io.BytesIO()
        written: list[tuple[float, str, bytes]] = []
        with av.open(sink, "w", format="mpegts", options={"flush_packets": "1"}) as container:
            video = container.add_stream("libx264", rate=RATE, options={"bf": "3", "g": "10", "b-adapt": "0"})
            video.width, video.height, video.pix_fmt = *self.size, "yuv420p"
            audio = container.add_stream("aac", rate=48_000)
            packets = []
            for n in range(self.frames):
                grey = np.full((self.size[1], self.size[0], 3), 32 + 3 * n % 200, np.uint8)
                packets += video.encode(av.VideoFrame.from_ndarray(grey, format="bgr24"))
            packets += video.encode()
            for n in range(self.frames * 48_000 // RATE // 1024):
                sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                sound.sample_rate, sound.pts, sound.time_base = 48_000, 1024 * n, Fraction(1, 48_000)
                packets += audio.encode(sound)
            packets += audio.encode()
            for packet in sorted(packets, key=lambda p: p.dts * p.time_base):
                before = sink.tell()
                seconds = float(packet.dts * packet.time_base)
                container.mux(packet)
                sink.seek(before)
                while cell := sink.read(_CELL):
                    written.append((seconds, _STREAMS.get(int.from_bytes(cell[1:3]) & 0x1FFF, ""), cell))
        return written


class TcpSource:
    """A server on loopback that gives each connection the next of its sessions.

    Attributes:
        url: its address.
        connections: how many there were.
    """

    def __init__(self, sessions: Sequence[Session]) -> None:
        self._sessions = list(sessions)
        self._made = {session: session.packets() for session in sessions}
        self._stop = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def add(self, session: Session) -> None:
        """One session more for whoever connects next."""
        self._made[session] = session.packets()
        self._sessions.append(session)

    def __enter__(self) -> Self:
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
            with connection:
                self.connections += 1
                if self._sessions:
                    session = self._sessions.pop(0)
                    try:
                        self._deliver(connection, session)
                    except OSError:  # the viewer has left
                        continue
                    if session.stop == "reset":
                        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def _deliver(self, connection: socket.socket, session: Session) -> None:
        packets = self._made[session]
        begun = time.monotonic() + session.delay_s
        left = session.cut * sum(len(data) for *_, data in packets)
        for seconds, kind, data in packets:
            if self._stop.wait(max(0, begun + seconds / session.speed - time.monotonic())):
                return
            if session.silent in (kind, "all") and seconds > session.frames / RATE / 2:
                continue
            connection.sendall(data[: max(0, int(left))])
            left -= len(data)
        connection.settimeout(0.05)
        while session.silent and not self._stop.is_set():
            with suppress(TimeoutError):
                if not connection.recv(1):  # the viewer has left
                    return
