"""What a batch costs beside tracking, and what a second process gains: run on a machine that does nothing else.

    python scripts/studies/batch.py overhead --videos 10000
    python scripts/studies/batch.py gain VIDEO... --clips 40 --frames 60

`overhead`: that many sources of one small picture, 3 in 100 of them broken, are tracked by `track batch`; the work of
the process that hands them out, and the time in which nobody works, are set beside the time of the videos. `gain`: as
many clips, cut from the videos, by two processes and one after the other: by one process, which is given one core or
whatever it takes (beside its one thread of networks it decodes and writes in others), and by `track`.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import av
import cv2
import numpy as np

from tracker.config import Config
from tracker.jobs.batch.pool import WorkerPool
from tracker.jobs.batch.sources import listed
from tracker.jobs.batch.tracking import TrackingPlan
from tracker.jobs.batch.videos import batch
from tracker.jobs.result_folder import Output

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def overhead(videos: int, jobs: int, folder: Path) -> None:
    """The cost of handing out, of one small picture each."""
    picture = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))[1].tobytes()
    for number in range(videos):
        place = folder / "archive" / f"{number:05d}"
        place.mkdir(parents=True)
        (place / "1.jpg").write_bytes(b"broken" if number % 100 < 3 else picture)
    start, before = time.perf_counter(), time.process_time()
    sources = listed([str(folder / "archive")])
    found_s = time.perf_counter() - start
    config = Config().override({"detector": {"imgsz": 32}})
    result = batch(sources, TrackingPlan(config, Output(folder / "out", video=False)), partial(WorkerPool, jobs))
    wall_s, own_s = time.perf_counter() - start, time.process_time() - before
    cpu_s = children_cpu_s()
    with (folder / "out" / "batch.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    states = [row.state for row in result.rows]
    print(
        f"{len(rows)} rows, {states.count('done')} done, {states.count('failed')} failed, load {os.getloadavg()[0]:.1f}"
    )
    print(
        f"wall {wall_s:.1f} s; finding {found_s:.2f} s; own CPU {own_s:.2f} s = {1000 * own_s / videos:.2f} ms a video"
    )
    print(f"workers' CPU {cpu_s:.1f} s; own share {100 * own_s / (own_s + cpu_s):.2f} %")


def gain(videos: list[Path], clips: int, frames: int, folder: Path) -> None:
    """Seconds for the same clips; without a number of threads, `track` uses all cores for one video."""
    first_s = 0.0
    made = cut(videos, clips, frames, folder / "clips")
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    track = [sys.executable, "-m", "tracker"]
    one_core, all_cores = sorted(os.sched_getaffinity(0))[:1], os.sched_getaffinity(0)
    each = [[*track, clip] for clip in made]
    for number, (name, commands, cores, threads) in enumerate(
        (
            ("batch --jobs 2", [[*track, "batch", folder / "clips", "--jobs", "2"]], all_cores, ""),
            ("batch --jobs 1 on one core", [[*track, "batch", folder / "clips", "--jobs", "1"]], one_core, ""),
            ("batch --jobs 1", [[*track, "batch", folder / "clips", "--jobs", "1"]], all_cores, ""),
            ("track, one run of one thread", [[*track, *made]], all_cores, "1"),
            ("track, a run each of one thread", each, all_cores, "1"),
            ("track, one run", [[*track, *made]], all_cores, ""),
        )
    ):
        start, before = time.perf_counter(), children_cpu_s()
        os.sched_setaffinity(0, cores)  # which what is started inherits
        for command in commands:
            words = [*command, "--project", folder / str(number), "--no-video", "--quiet"]
            subprocess.run(words, check=True, env=environment | (dict.fromkeys(THREADS, threads) if threads else {}))
        os.sched_setaffinity(0, all_cores)
        wall_s, cpu_s = time.perf_counter() - start, children_cpu_s() - before
        first_s = first_s if number else wall_s
        used = f"{wall_s:.1f} s, {cpu_s:.1f} s of CPU, {cpu_s / wall_s:.2f} cores, load {os.getloadavg()[0]:.1f}"
        print(f"{name}: {used}; --jobs 2 is {wall_s / first_s:.2f} times as fast", flush=True)
    for clip in made:
        tables = {(folder / str(n) / clip.stem / "tracks.csv").read_bytes() for n in range(6)}
        assert len(tables) == 1, clip


def children_cpu_s() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cut(videos: list[Path], clips: int, frames: int, folder: Path) -> list[Path]:
    """Clips of so many frames, of the videos in turn, and from a video's beginning again where it has no more."""
    folder.mkdir(parents=True)
    made = []
    for number in range(clips):
        path = folder / f"{number:03d}.mp4"
        with av.open(str(videos[number % len(videos)])) as source, av.open(str(path), "w") as target:
            of = source.streams.video[0]
            stream = target.add_stream("libx264", rate=of.average_rate, options={"crf": "20"})
            stream.width, stream.height, stream.pix_fmt = of.width, of.height, "yuv420p"
            first = number // len(videos) * frames % max(of.frames - frames + 1, 1)
            for index, frame in enumerate(source.decode(video=0)):
                if index < first:
                    continue
                if index >= first + frames:
                    break
                target.mux(stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="bgr24"), "bgr24")))
            target.mux(stream.encode(None))
        made.append(path)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("overhead", "gain"))
    parser.add_argument("videos_given", nargs="*", type=Path, metavar="VIDEO")
    parser.add_argument("--videos", type=int, default=10_000)
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.what == "overhead":
            overhead(given.videos, given.jobs, Path(folder))
        else:
            gain(given.videos_given, given.clips, given.frames, Path(folder))


if __name__ == "__main__":
    main()
