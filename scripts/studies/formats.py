"""What a million rows take in each format, both ways: seconds of processor time, and the most memory.

    python scripts/studies/formats.py [--rows 1000000] [--only cvat,mot]

10,000 frames of 100 objects with gaps, scores and occlusions; each step runs in a process of its own, whose peak of
memory is the system's count (with Python, NumPy and OpenCV loaded). Rows with masks are counted apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tracker.columns.carried import Columns
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.formats.known import FORMATS

OBJECTS = 100
SIZE = (1920, 1080)


def generated(rows: int, masks: bool = False) -> Annotations:
    """A crowd: each object is away for a tenth of the time, and hidden for another."""
    random = np.random.default_rng(0)
    count = -(-10 * rows // (9 * OBJECTS))
    frames, ids = np.repeat(np.arange(1, count + 1), OBJECTS), np.tile(np.arange(1, OBJECTS + 1), count)
    there = np.flatnonzero((frames // 20 + ids) % 10 > 0)[:rows]
    frames, ids = frames[there], ids[there]
    left = (31 * ids + 2.5 * frames) % (SIZE[0] - 100) + random.normal(0, 0.5, len(ids))
    top = (53 * ids) % (SIZE[1] - 220) + random.normal(0, 0.5, len(ids))
    boxes = np.clip(np.column_stack([left, top, left + 60, top + 160]), 0, [*SIZE, *SIZE]).round(2)
    hidden = (frames // 10 + ids) % 10 == 0
    columns = Columns()
    if masks:
        crops = [np.ones((150, 50), bool)] * len(ids)
        corners = boxes[:, :2].astype(int).tolist()
        columns = Columns(masks=Masks.of_crops(crops, corners, SIZE[::-1]))
    return Annotations(
        frames=frames,
        ids=ids,
        xyxy=boxes,
        classes=ids % 3,
        scores=random.uniform(0, 1, len(ids)).round(4),
        occluded=hidden,
        keyframes=~hidden,
        times_s=np.arange(count) / 25,
        size=SIZE,
        names={0: "person", 1: "bicycle", 2: "car"},
        columns=columns,
    )


def as_run(folder: Path, rows: int, masks: bool = False) -> None:
    """The tables of a run with these rows."""
    made = generated(rows, masks)
    folder.mkdir()
    (folder / "run.yaml").write_text(
        f"source: {{given: clip.mp4, size: [{SIZE[0]}, {SIZE[1]}], frames_per_s: 25.0, vid_stride: 1}}\n"
        f"folder: {folder}\nfiles: [tracks.csv]\nresult: {{frames: {made.frame_count}}}\n"
    )
    columns = (
        made.frames,
        made.times_s[made.frames - 1],
        made.ids,
        made.classes,
        made.scores,
        *made.xyxy.T,
        made.occluded,
    )
    with (folder / "tracks.csv").open("w") as file:
        file.write("frame,time_s,id,class,name,score,left,top,right,bottom,status\n")
        for frame, time_s, i, kind, score, *box, hidden in zip(*(column.tolist() for column in columns), strict=True):
            edges = ",".join(f"{edge:.2f}" for edge in box)
            status = "predicted" if hidden else "confirmed"
            file.write(f"{frame},{time_s:.4f},{i},{kind},{made.names[kind]},{score:.4f},{edges},{status}\n")
    if made.columns.masks is None:
        return
    cuts = np.searchsorted(made.frames, np.arange(1, made.frame_count + 2)).tolist()
    with (folder / "tracks.jsonl").open("w") as file:
        for number, (begin, end) in enumerate(pairwise(cuts), 1):
            outlines = made.columns.masks[begin:end].to_coco()
            tracks = [{"id": i, "mask": one} for i, one in zip(made.ids[begin:end].tolist(), outlines, strict=True)]
            file.write(json.dumps({"frame": number, "time_s": made.times_s[number - 1], "tracks": tracks}) + "\n")


def step(what: str, folder: Path, rows: int) -> str:
    """Do one thing and say what it took."""
    name, _, way = what.partition("/")
    begun = 0.0
    if name == "run":
        begun = time.process_time()
        done = len(FinishedRun.read(folder / way.replace("read", "run")).annotations)
    elif way.startswith("write"):
        masks = way.endswith("masks")
        made = generated(rows, masks) if masks else FinishedRun.read(folder / "run").annotations
        begun = time.process_time()
        FORMATS[name].write([made.compact], folder / f"{name}{FORMATS[name].suffix}")
        done = len(made)
    else:
        begun = time.process_time()
        done = sum(len(said.annotations()) for said in FORMATS[name].read(folder / f"{name}{FORMATS[name].suffix}"))
    seconds = time.process_time() - begun
    # not `ru_maxrss`, which a process begins with its parent's
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return f"| {name} {way} | {done} | {seconds:.1f} | {peak:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default=",".join(FORMATS))
    parser.add_argument("--step", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        print(step(given.step[0], Path(given.step[1]), given.rows))
        return
    print("| step | rows | processor s | most MiB |\n| --- | ---: | ---: | ---: |", flush=True)
    with TemporaryDirectory() as text:
        folder = Path(text)
        as_run(folder / "run", given.rows)
        steps = ["run/read"]
        if "mots" in given.only.split(","):
            as_run(folder / "run masks", given.rows, masks=True)
            steps += ["run/read masks"]
        for name in given.only.split(","):
            steps += [f"{name}/write", f"{name}/read"] if name != "mots" else []
            steps += [f"{name}/write masks", f"{name}/read masks"] if name in ("mots", "coco-video") else []
        for what in steps:
            words = [sys.executable, __file__, "--rows", str(given.rows), "--step", what, text]
            print(subprocess.run(words, capture_output=True, text=True, check=True).stdout, end="", flush=True)


if __name__ == "__main__":
    main()
