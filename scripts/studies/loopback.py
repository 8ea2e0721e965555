"""Cameras of a recorded clip on loopback: MPEG-TS over TCP in real time, back and forth, to whoever connects.

    python scripts/studies/loopback.py CLIP --cameras 8 [--rate 10] [--height 1080]

prints an address a line and serves until it is ended. Its packets are encoded once, so serving costs next to nothing.
The clip goes forwards, then backwards, and so on: nobody jumps from where it ends to where it begins.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import av
import cv2
import numpy as np
import typer

from options import study
from tracker import open_source
from tracker.structures import Image


def encoded(clip: Path, rate: float, height: int) -> Path:
    """The clip at this rate and height, there and back again, with a key frame each second; made once."""
    target = Path(tempfile.gettempdir()) / f"loopback-{clip.stem}-{rate:g}-{height}-back-and-forth.mp4"
    if not target.is_file():
        with av.open(str(target), "w") as container:
            stream: Any = None
            for image in back_and_forth(clip, rate, height):
                if stream is None:
                    options = {"preset": "veryfast", "crf": "23", "g": str(round(rate)), "bf": "0"}
                    stream = container.add_stream("libx264", rate=Fraction(rate), options=options)
                    stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
                for packet in stream.encode(av.VideoFrame.from_ndarray(image, "bgr24")):
                    container.mux(packet)
            for packet in stream.encode(None):
                container.mux(packet)
    return target


def back_and_forth(clip: Path, rate: float, height: int) -> Iterator[Image]:
    """The clip's pictures at this rate and height, then those between the last and the first, backwards."""
    kept: list[Any] = []  # as JPEGs: they are many
    with open_source(clip) as source:
        for frame in source:
            if frame.time_s < len(kept) / rate - 1e-6:
                continue
            tall, wide = frame.image.shape[:2]
            image = cv2.resize(frame.image, (2 * round(wide * height / tall / 2), height))
            kept.append(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1])
            yield image
    for jpeg in kept[-2:0:-1]:
        yield np.asarray(cv2.imdecode(jpeg, cv2.IMREAD_COLOR), np.uint8)


class Pipe:
    """A socket as a file to write to."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection

    def write(self, data: bytes) -> int:
        self._connection.sendall(data)
        return len(data)


def deliver(connection: socket.socket, path: Path, rate: float, offset: int) -> None:
    """The clip in real time from about its frame `offset` on, for as long as somebody reads."""
    with connection, suppress(OSError, av.error.FFmpegError), av.open(str(path)) as source:
        template = source.streams.video[0]
        packets = [packet for packet in source.demux(template) if packet.dts is not None]
        with av.open(Pipe(connection), "w", format="mpegts", options={"flush_packets": "1"}) as sink:
            stream = sink.add_stream_from_template(template)
            first = offset % len(packets)
            keys = [n for n, packet in enumerate(packets) if packet.is_keyframe and n >= first]
            place = keys[0] if keys else 0
            begun = time.monotonic() + (place - first) % len(packets) / rate  # all see the same at the same time
            for number in range(1 << 62):
                data = packets[(place + number) % len(packets)]
                packet = av.Packet(bytes(data))
                packet.stream, packet.time_base = stream, Fraction(1, 90_000)
                packet.pts = packet.dts = round(number * 90_000 / rate)
                packet.is_keyframe = data.is_keyframe
                time.sleep(max(0.0, begun + number / rate - time.monotonic()))
                sink.mux(packet)


def serve(clip: Path, rate: float, height: int, number: int) -> str:
    """One more camera, in a thread; its address."""
    path = encoded(clip, rate, height)
    listener = socket.create_server(("127.0.0.1", 0))
    begun_s = time.monotonic()  # a camera's view goes on while nobody looks

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            offset = 37 * number + round(rate * (time.monotonic() - begun_s))
            threading.Thread(target=deliver, args=(connection, path, rate, offset), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return f"tcp://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def cameras(clip: Path, count: int, rate: float, height: int) -> Iterator[list[str]]:
    """Addresses of so many cameras, served by a process of its own."""
    words = [sys.executable, __file__, str(clip), "--cameras", str(count), "--rate", f"{rate}", "--height", str(height)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield [process.stdout.readline().strip() for _ in range(count)]
    finally:
        process.kill()
        process.wait()


def main(
    clip: Annotated[Path, typer.Argument(help="A recorded video.")],
    cameras: Annotated[int, typer.Option(help="How many.")] = 4,
    rate: Annotated[float, typer.Option(help="Frames/s.")] = 10.0,
    height: Annotated[int, typer.Option(help="Of the picture in pixels.")] = 1080,
) -> None:
    for number in range(cameras):
        print(serve(clip, rate, height, number), flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    study(main)
