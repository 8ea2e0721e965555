"""`track serve` where things go wrong: killed at random moments, and cameras that fail as cameras do, side by side.

python scripts/studies/site_faults.py killed CLIP --times 20
python scripts/studies/site_faults.py cameras CLIP
"""

from __future__ import annotations

import csv
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import av
import cv2
import numpy as np
import typer
from scipy.optimize import linear_sum_assignment

import loopback
from options import Clip, Height, Preset, Rate, study
from tracker import Config, Site, open_source
from tracker.boxes import iou
from tracker.site.config import SiteConfig

AHEAD_S = 0.5  # of the wall clock are a camera's times at most where many frames arrived at once; a start takes longer
STARTS_S = 600.0  # a process has its first row within, on a machine with much else to do


def killed(
    clip: Clip,
    times: Annotated[int, typer.Option(help="How often.")] = 20,
    height: Height = 480,
    config: Preset = None,
    seed: Annotated[int, typer.Option(help="Of the moments.")] = 0,
) -> None:
    """SIGKILL at random moments and a restart each time: torn lines, ids of who stayed, rows lost.

    Who stayed is known from a second site at the same camera, which is not killed.
    """
    rng, kept, late_s, lost_s = random.Random(seed), [], [], []
    with (
        TemporaryDirectory(prefix="site-study-", ignore_cleanup_errors=True) as name,
        loopback.cameras(clip, 1, 10.0, height) as urls,
        ExitStack() as stack,
    ):
        folder, other = Path(name) / "killed", Path(name) / "witness"
        command = [sys.executable, "-m", "tracker", "serve", *urls, *(["--config", config] if config else [])]
        words = [*command, "--project", str(folder)]
        quiet = partial(subprocess.Popen, stderr=subprocess.DEVNULL)
        stack.enter_context(running(quiet([*command, "--project", str(other)])))
        ended_s = 0.0
        for number in range(times + 1):
            at_kill = rows(folder)
            process = stack.enter_context(running(quiet(words)))
            begun_s = time.time()
            while not (new := [row for row in rows(folder) if float(row["time_s"]) > ended_s + AHEAD_S]):
                assert time.time() < begun_s + STARTS_S, "it goes on"
                time.sleep(0.1)
            time.sleep(2 + (rng.uniform(0, 4) if number < times else 3))
            found = rows(folder)
            before = [row for row in found if float(row["time_s"]) <= ended_s + AHEAD_S]
            assert found[: len(at_kill)] == at_kill, "what was written stays"
            assert len({(row["frame"], row["id"]) for row in found}) == len(found), "no row twice"
            if before:
                last_s, again_s = float(before[-1]["time_s"]), float(new[0]["time_s"])
                late_s.append(ended_s - float(at_kill[-1]["time_s"]))
                lost_s.append(ended_s - last_s)
                assert int(new[0]["frame"]) > int(before[-1]["frame"]), "numbers go on"
                seen = rows(other)
                there = same_objects(before, seen, last_s - 0.5, last_s)
                back = same_objects(found[len(before) :], seen, again_s + 1.0, again_s + 2.0)
                stayed = sorted(there.keys() & back.keys())
                same = [i for i in stayed if there[i] == back[i]]
                kept.append((len(same), len(stayed)))
                print(
                    f"{number:3d}: away {again_s - ended_s:4.1f} s; of {len(stayed)} who stayed {len(same)} keep the "
                    f"id; rows up to {late_s[-1]:.2f} s before the kill, after the restart {lost_s[-1]:.2f} s",
                    flush=True,
                )
            process.send_signal(signal.SIGKILL if number < times else signal.SIGTERM)
            ended_s = time.time()
            process.wait()
        again, stayed = (sum(column) for column in zip(*kept, strict=True))
        print(f"exit code at the end: {process.returncode}; ids again: {again} of {stayed}")
        for what, span_s in (("lost at a kill", lost_s), ("not yet in the table at a kill", late_s)):
            print(f"rows {what}: {np.median(span_s):.2f} s (median), {max(span_s):.2f} s (longest)")


@contextmanager
def running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """It, killed at the end where it still runs."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def same_objects(
    found: Sequence[dict[str, str]], seen: Sequence[dict[str, str]], begin_s: float, end_s: float
) -> dict[str, str]:
    """The id that each object of `seen` has in `found` between two moments, by where both are at the same time."""

    def boxes(rows: Sequence[dict[str, str]]) -> tuple[list[str], np.ndarray]:
        edges = [[float(row[edge]) for edge in ("left", "top", "right", "bottom")] for row in rows]
        return [row["id"] for row in rows], np.array(edges, np.float32).reshape(-1, 4)

    same: dict[str, list[str]] = {}
    for time_s in sorted({row["time_s"] for row in found if begin_s <= float(row["time_s"]) <= end_s}):
        near = min((abs(float(row["time_s"]) - float(time_s)), row["time_s"]) for row in seen)
        if near[0] > 0.08:
            continue
        known, there = boxes([row for row in seen if row["time_s"] == near[1]])
        ids, here = boxes([row for row in found if row["time_s"] == time_s])
        overlap = iou(there, here)
        for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
            if overlap[row, column] > 0.5:
                same.setdefault(known[row], []).append(ids[column])
    return {one: max(set(names), key=names.count) for one, names in same.items()}


def rows(folder: Path, tables: str = "*/*/tracks.csv") -> list[dict[str, str]]:
    """All whole rows of the one camera; fails where a line in the middle is torn."""
    texts = [path.read_text() for path in sorted(folder.glob(tables))]
    found = [row for text in texts for row in csv.DictReader(text.rpartition("\n")[0].splitlines())]
    assert all(None not in row and None not in row.values() for row in found), "whole rows"
    return found


@dataclass(frozen=True)
class Plan:
    """What goes wrong with a camera, in seconds since the beginning of all.

    Attributes:
        away: between these two nobody is let in, and who was in is hung up on.
        stalled: between these two there is sound and no picture.
        speed: its stamps go so many times as fast as it sends.
        height: of its picture after it was away; 0: as before.
    """

    away: tuple[float, float] = (0.0, 0.0)
    stalled: tuple[float, float] = (0.0, 0.0)
    speed: float = 1.0
    height: int = 0


PLANS = {
    "sound": Plan(),
    "killed": Plan(away=(20, 110)),
    "stalled": Plan(stalled=(20, 50)),
    "lying": Plan(speed=2.0),
    "changing": Plan(away=(30, 31), height=240),
    "absent": Plan(away=(0, 60)),
}
LONG_S = 130.0
TICK = Fraction(1, 90_000)


class Camera:
    """A view in which everybody stands, as MPEG-TS with sound to whoever connects, by a plan."""

    def __init__(self, picture: Any, plan: Plan, rate: float, height: int) -> None:
        self._picture, self._plan, self._rate, self._height = picture, plan, rate, height
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.begun_s = time.monotonic()
        self.url = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _within(self, span: tuple[float, float]) -> bool:
        return span[0] <= time.monotonic() - self.begun_s < span[1]

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._deliver, args=(connection,), daemon=True).start()

    def _deliver(self, connection: socket.socket) -> None:
        height = self._height
        if self._plan.height and time.monotonic() - self.begun_s >= self._plan.away[1]:
            height = self._plan.height
        wide, tall = self._picture.shape[1::-1]
        image = cv2.resize(self._picture, (2 * round(wide * height / tall / 2), height), interpolation=cv2.INTER_AREA)
        with connection, suppress(OSError, av.error.FFmpegError):
            if self._within(self._plan.away):
                return
            pipe: Any = loopback.Pipe(connection)
            with av.open(pipe, "w", format="mpegts", options={"flush_packets": "1"}) as sink:
                options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(round(self._rate))}
                video: Any = sink.add_stream("libx264", rate=Fraction(self._rate), options=options)
                video.height, video.width, video.pix_fmt = *image.shape[:2], "yuv420p"
                audio: Any = sink.add_stream("mp2", rate=48_000)
                begun, rng = time.monotonic(), np.random.default_rng(0)
                for number in range(1 << 62):
                    if self._within(self._plan.away):
                        return
                    if not self._within(self._plan.stalled):
                        noisy = cv2.add(image, rng.integers(0, 4, image.shape, np.uint8))
                        frame = av.VideoFrame.from_ndarray(noisy, "bgr24")
                        frame.pts, frame.time_base = round(90_000 * number * self._plan.speed / self._rate), TICK
                        sink.mux(video.encode(frame))
                    quiet = av.AudioFrame.from_ndarray(np.zeros((1, 2 * 1152), np.int16), "s16", "stereo")
                    quiet.rate, quiet.pts, quiet.time_base = 48_000, round(90_000 * number / self._rate), TICK
                    sink.mux(audio.encode(quiet))
                    time.sleep(max(0.0, begun + (number + 1) / self._rate - time.monotonic()))


def cameras(
    clip: Clip,
    rate: Rate = 5.0,
    height: Height = 480,
    config: Preset = "edge",
) -> None:
    """One killed for 90 s, one stalled with sound on, one lying about its frame rate, one changing size, one absent
    for the first minute, beside a sound one: frames lost, longest gaps, and who keeps the id."""
    with open_source(clip) as source:
        picture = next(iter(source)).image
    tracker = Config.load(config) if config else Config()
    with TemporaryDirectory(prefix="site-study-", ignore_cleanup_errors=True) as name:
        made = [Camera(picture, plan, rate, height) for plan in PLANS.values()]
        site = Site(replace(SiteConfig.of_sources([one.url for one in made]), project=Path(name), tracker=tracker))
        site.start()
        for one in made:
            one.begun_s = time.monotonic()
        time.sleep(LONG_S)
        status = [camera.status() for camera in site.cameras.values()]
        site.stop()
        for kind, now in zip(PLANS, status, strict=True):
            found = rows(Path(name) / now.name, "*/tracks.csv")
            times = np.unique([float(row["time_s"]) for row in found])
            if len(times) < 2:
                print(f"{kind:8s}: {now.state}, {now.frames} frames, nobody in them")
                continue
            gap = int(np.argmax(np.diff(times)))
            before, after = (
                {row["id"]: row for row in found if begin <= float(row["time_s"]) <= end}
                for begin, end in ((times[gap] - 1, times[gap]), (times[-1] - 1, times[-1]))
            )
            again = len(before.keys() & after.keys())
            print(
                f"{kind:8s}: {now.state}, {now.frames} frames, {now.dropped} dropped, {now.restarts} restarts, longest "
                f"gap {times[gap + 1] - times[gap]:5.1f} s; of {len(before)} ids before it {again} are there at the end"
            )


if __name__ == "__main__":
    study(killed, cameras)
