"""Damaged video files: whatever was done to one, it gives frames or one sentence, and neither crashes nor hangs.

Eight containers; bits are turned, blocks zeroed or left out, ends cut off, by a fixed seed. Each part runs in a process
of its own, so that a crash of a decoder is noticed. 40 files in the ordinary tests, 500 with `-m faults`.
"""

import json
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

CONTAINERS = {
    "mp4": "libx264", "mkv": "libx264", "avi": "mpeg4", "mov": "mpeg4",
    "ts": "libx264", "webm": "libvpx", "flv": "flv", "mpg": "mpeg2video",
}  # fmt: skip
READ = """
import json, sys, time
from tracker.errors import SourceError
from tracker.video.source.source import open_source
outcome = {}
for name in sys.argv[1:]:
    begun, frames, said = time.monotonic(), 0, ""
    try:
        with open_source(name) as source:
            for frame in source:
                frames += 1
    except SourceError as error:
        said = str(error)
    outcome[name] = [frames, said, time.monotonic() - begun]
print(json.dumps(outcome))
"""


def whole(suffix: str, folder: Path) -> bytes:
    """A video of 30 frames in this container."""
    path = folder / f"whole.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(CONTAINERS[suffix], rate=Fraction(25))
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for index in range(30):
            view = np.random.default_rng(index // 5).integers(0, 256, (15, 20, 3), np.uint8).repeat(8, 0).repeat(8, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.roll(view, index, 1), format="bgr24")))
        container.mux(stream.encode())
    return path.read_bytes()


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    kind = rng.integers(5)
    content = np.frombuffer(data, np.uint8).copy()
    if kind == 0:  # bits turned anywhere
        places = rng.integers(0, len(content), rng.integers(1, 200))
        content[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    elif kind == 1:  # bits turned in the header
        places = rng.integers(0, min(512, len(content)), rng.integers(1, 20))
        content[places] ^= (1 << rng.integers(0, 8, len(places))).astype(np.uint8)
    else:
        begin = int(rng.integers(0, len(content)))
        end = begin + int(rng.integers(1, len(content) // 4))
        if kind == 2:
            content[begin:end] = 0
        elif kind == 3:
            content = np.delete(content, slice(begin, end))
        else:
            content = content[:begin]
    return content.tobytes()


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("count", [5, pytest.param(63, marks=pytest.mark.faults)])
def test_a_damaged_file_gives_frames_or_one_sentence(suffix: str, count: int, tmp_path: Path) -> None:
    data, rng = whole(suffix, tmp_path), np.random.default_rng(len(suffix) + sum(suffix.encode()))
    names = []
    for number in range(count):
        names.append(str(tmp_path / f"{number}.{suffix}"))
        Path(names[-1]).write_bytes(damaged(data, rng))
    begun = time.monotonic()
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_AS, (12 << 30,) * 2)\n{READ}"
    done = subprocess.run(
        [sys.executable, "-c", limited, *names], capture_output=True, text=True, timeout=60 + 10 * count, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    outcome = json.loads(done.stdout)
    assert len(outcome) == count
    for name, (frames, said, _) in outcome.items():
        assert frames or said, name
        assert said.count("\n") == 0
    lost = sum(not frames for frames, *_ in outcome.values())
    print(f"{suffix}: {count} files, {lost} without a frame, {time.monotonic() - begun:.0f} s")
