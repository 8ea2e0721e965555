"""Damaged files: every one ends in frames or in one `SourceError`; never a crash, a hang, or the memory of the machine.

A part of them is read in the ordinary tests, all 500 with `pytest -m faults -s tests/faults/test_damaged_files.py`,
which prints what became of them. They are read in processes of their own: a crash inside libav would end the tests.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

CONTAINERS = {  # suffix: codec and options of the container
    ".mp4": ("libx264", {"movflags": "faststart"}),
    ".mov": ("mpeg4", {}),
    ".mkv": ("libx264", {}),
    ".webm": ("libvpx", {}),
    ".avi": ("mpeg4", {}),
    ".ts": ("libx264", {}),
    ".flv": ("libx264", {}),
    ".gif": ("gif", {}),
}
DAMAGES = ("flipped", "cut", "zeroed", "repeated", "header")
SECONDS = 30.0  # a file of 40 frames takes a few hundredths
BYTES = 2 << 30  # what the reading of one may take, all libraries loaded

READ = """
import json, pathlib, sys, time
from tracker.errors import SourceError
from tracker.video.source import open_source
for path in sys.argv[1:]:
    print(json.dumps({"begun": path}), flush=True)
    begun, frames, error, last_s = time.monotonic(), 0, "", -1.0
    try:
        with open_source(path) as source:
            for frame in source:
                assert frame.time_s > last_s and frame.image.ndim == 3
                frames, last_s = frames + 1, frame.time_s
    except SourceError as raised:
        error = str(raised)
    # not getrusage's, which holds that of whoever started this process
    about = pathlib.Path("/proc/self/status")
    peak = 1024 * int(about.read_text().split("VmHWM:")[1].split()[0]) if about.exists() else 0
    seconds = time.monotonic() - begun
    print(json.dumps({"path": path, "frames": frames, "error": error, "seconds": seconds, "peak": peak}), flush=True)
"""


def whole(path: Path) -> bytes:
    codec, options = CONTAINERS[path.suffix]
    pictures = np.random.default_rng(0).integers(0, 255, (40, 12, 16, 3), np.uint8).repeat(4, 1).repeat(4, 2)
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=10)
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path.read_bytes()


def damaged(data: bytes, damage: str, random: np.random.Generator) -> bytes:
    changed = np.frombuffer(data, np.uint8).copy()
    size = len(changed)
    where = int(random.integers(size))
    if damage == "flipped":
        places = random.integers(0, size, random.integers(1, 200))
        changed[places] ^= 1 << random.integers(0, 8, len(places)).astype(np.uint8)
    elif damage == "cut":
        changed = changed[:where]
    elif damage == "zeroed":
        changed[where : where + int(random.integers(1, size // 3))] = 0
    elif damage == "repeated":
        changed = np.concatenate([changed[: where + 1], changed[where // 2 :]])
    else:  # in the first bytes, where sizes, counts and lengths are
        places = random.integers(0, min(size, 1000), 20)
        changed[places] = random.integers(0, 256, 20)
    return changed.tobytes()


def files(folder: Path, count: int) -> list[Path]:
    random = np.random.default_rng(15)
    originals = {suffix: whole(folder / f"whole{suffix}") for suffix in CONTAINERS}
    paths = []
    for number in range(count):
        suffix = list(CONTAINERS)[number % len(CONTAINERS)]
        damage = DAMAGES[number // len(CONTAINERS) % len(DAMAGES)]
        path = folder / f"{number:03}-{damage}{suffix}"
        path.write_bytes(damaged(originals[suffix], damage, random))
        paths.append(path)
    return paths


def outcomes(paths: list[Path]) -> Iterator[tuple[Path, str, dict[str, float]]]:
    """Each file, what became of it, and what that took; a process that a file ends is followed by another."""
    left = list(paths)
    while left:
        process = subprocess.Popen(
            [sys.executable, "-c", READ, *map(str, left)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30)),
        )
        try:
            said, complaint = process.communicate(timeout=60 + SECONDS + len(left))
        except subprocess.TimeoutExpired:
            process.kill()
            said, complaint = process.communicate()
            complaint += "\nhang"
        reports = [json.loads(line) for line in said.splitlines()]
        for report in reports:
            if "path" in report:
                path = left.pop(0)
                ending = "error" if report["error"] else "read to its end"
                yield path, f"{'frames, then ' if report['frames'] else ''}{ending}", report
        if process.returncode:
            yield left.pop(0), f"FAILED: {complaint.strip().splitlines()[-1:] or process.returncode}", {}


@pytest.mark.parametrize("count", [40, pytest.param(500, marks=pytest.mark.faults)])
def test_every_damaged_file_ends_in_frames_or_one_sentence(tmp_path: Path, count: int) -> None:
    begun, table, peak, slowest = time.monotonic(), Counter[tuple[str, str]](), 0.0, 0.0
    wrong = []
    for path, outcome, report in outcomes(files(tmp_path, count)):
        table[path.suffix, outcome] += 1
        peak, slowest = max(peak, report.get("peak", 0)), max(slowest, report.get("seconds", 0))
        if not report or (report["error"] and (";" not in report["error"] or "\n" in report["error"])):
            wrong.append((path.name, outcome, report))
    kinds = sorted({outcome for _, outcome in table})
    print("\n" + " | ".join(("container", *kinds)))
    for suffix in CONTAINERS:
        print(" | ".join((suffix, *(str(table[suffix, kind]) for kind in kinds))))
    print(f"{time.monotonic() - begun:.0f} s, slowest {slowest:.2f} s, at most {peak / 2**20:.0f} MiB")
    assert wrong == []
    assert table.total() == count
    assert slowest < SECONDS
    assert peak < BYTES
