"""What cutting a long video into parts costs: accuracy, ids at the joints, time.

    python scripts/studies/parts.py mot SETS/mot17 --parts 8
    python scripts/studies/parts.py replay VIDEO --times 20 --parts 8
    python scripts/studies/parts.py video VIDEO --times 20 --parts 8 --jobs 2 [--options='--config edge']
    python scripts/studies/parts.py cuts SETS/mot17

`mot`: the sequences of a folder laid end to end, detections given, tracked whole and in parts, online and offline, and
both scored. `replay`: a video that is looked at once, every detection embedded, and tracked so many times in a row.
`video`: a video that is repeated so many times, by `track batch` whole and in parts. All these count the ids that are
lost at a joint: those that the whole run has on both sides of it, and the parts not under one id. `cuts`: sequences end
to end, the cuts between them that the tracker tells, and those that are none.
"""

from __future__ import annotations

import argparse
import csv
import os
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import av
import numpy as np
import yaml
from numpy.typing import NDArray

from batch import children_cpu_s
from tracker.association.assignment import assign
from tracker.boxes import iou, tlwh_to_xyxy
from tracker.config import Config
from tracker.datasets.mot import MotSequence, find_sequences, results
from tracker.evaluation.tracking import score
from tracker.jobs.parts.cutting import VideoPart, spans
from tracker.jobs.parts.joined import JoinedParts
from tracker.jobs.parts.tracked_part import PartFiles
from tracker.jobs.sequences import Given, given, track_frames
from tracker.smoothing.first_pass import FirstPass
from tracker.smoothing.fixed_lag import FixedLagSmoother
from tracker.smoothing.offline import post_processed
from tracker.tracker import Tracker
from tracker.video.bookmark import Bookmark
from tracker.video.clock import Clock
from tracker.video.source import Frame, open_source

_NO_IMAGE = np.zeros((0, 0, 3), np.uint8)
NAME = "end-to-end"


def end_to_end(tracker: Tracker, sequences: list[MotSequence], root: Path) -> list[Given]:
    """The frames of all sequences as those of one, and its ground truth as a sequence in `root`."""
    frames: list[Given] = []
    truth: list[NDArray[np.float64]] = []
    objects, end_s = 0, 0.0
    for sequence in sequences:
        table = np.loadtxt(sequence.ground_truth_file, delimiter=",", ndmin=2)
        table[:, 0] += len(frames)
        table[:, 1] += objects
        objects = int(table[:, 1].max())
        truth.append(table)
        begin, begin_s = len(frames), end_s
        for one in given(tracker, sequence):
            time_s = begin_s + one.time_s
            frames.append(Given(begin + one.number, time_s, None, one.detections, one.camera_motion))
        end_s = begin_s + sequence.length / sequence.fps
    folder = root / NAME
    (folder / "gt").mkdir(parents=True)
    np.savetxt(folder / "gt" / "gt.txt", np.concatenate(truth), fmt="%g", delimiter=",")
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={NAME}\nframeRate=30\nseqLength={len(frames)}\nimWidth=1920\nimHeight=1080\n"
    )
    return frames


def in_parts(tracker: Tracker, frames: list[Given], count: int, folder: Path) -> tuple[list[VideoPart], JoinedParts]:
    """The frames tracked in that many parts, and joined."""
    times = np.array([frame.time_s for frame in frames])
    parts, opened = [], []
    for number, (begin, first, last, end) in enumerate(spans(times, (times[-1] - times[0]) / count).T.tolist(), 1):
        parts.append(VideoPart(number, first + 1, last + 1, end + 1, Bookmark(begin, None, Clock(1.0), False)))
        place = folder / str(number)
        place.mkdir(parents=True)
        tracker.reset()
        smoother: FixedLagSmoother[Frame] = FixedLagSmoother(tracker.config.bank.report_delay_s, tracker.config.offline)
        with PartFiles(place) as files:
            for one in frames[begin : end + 1]:
                tracks = one.tracked(tracker)
                files.first.add(tracks, one.detections, None, tracker.camera_motion, tracker.features)
                for settled in smoother.push(Frame(_NO_IMAGE, one.number, one.time_s), tracks, tracker.camera_motion):
                    files.take(*settled)
            for settled in smoother.flush():
                files.take(*settled)
            opened.append(partial(PartFiles, place, files.state))
    return parts, JoinedParts(parts, opened, tracker.config)


def offline_lines(joined: JoinedParts, config: Config, folder: Path) -> Iterator[str]:
    """MOTChallenge lines of what post-processing makes of the joined tracks."""
    with FirstPass(folder) as first:
        joined.take_rows(first)
        table = post_processed(first.recorder.table(), config)
        for position in range(len(first.recorder)):
            yield table.at(position, {}).to_mot(position + 1)


def tell_lost(
    whole: NDArray[np.float64],
    parts: NDArray[np.float64],
    cuts: list[int],
    truth: NDArray[np.float64] | None = None,
) -> None:
    """Say of each cut how many ids the whole run has on both sides of it, and which of these the parts lose.

    Args:
        whole, parts: (R, 6+) frame, id, left, top, width, height. cuts: the first frame behind each.
        truth: the same of the ground truth, which says whether what is lost is one object.
    """
    called = _called(whole, parts)
    really = None if truth is None else _called(whole, truth)
    kept, same, missing = 0, 0, []
    for cut in cuts:
        for one in np.unique(whole[:, 1]):
            of = (whole[:, 1] == one) & (called >= 0)
            before, after = np.flatnonzero(of & (whole[:, 0] < cut)), np.flatnonzero(of & (whole[:, 0] >= cut))
            if len(before) and len(after):
                kept += 1
                if called[before[-1]] != called[after[0]]:
                    missing.append((int(one), int(whole[before[-1], 0]), cut, int(whole[after[0], 0])))
                    if really is not None:
                        own = whole[:, 1] == one
                        known = [really[own & (really >= 0) & side] for side in (whole[:, 0] < cut, whole[:, 0] >= cut)]
                        same += int(len(known[0]) > 0 < len(known[1]) and known[0][-1] == known[1][0])
    print(
        f"  {kept} ids on both sides of a cut, {len(missing)} of them lost (id, last seen, cut, seen again): {missing}"
    )
    if really is not None:
        print(f"  of those lost, {same} are one object by the ground truth")


def _called(whole: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.int64]:
    """(R,) the parts' id of each row of the whole run, ordered by frame; -1: it has no such row."""
    called = np.full(len(whole), -1)
    for frame in np.unique(whole[:, 0]):
        rows, others = np.flatnonzero(whole[:, 0] == frame), parts[parts[:, 0] == frame]
        overlap = iou(tlwh_to_xyxy(whole[rows, 2:6]), tlwh_to_xyxy(others[:, 2:6])).astype(np.float32)
        left, right = assign(overlap, 0.5)
        called[rows[left]] = others[right, 1]
    return called


def mot(root: Path, count: int, folder: Path) -> None:
    """Sequences end to end, whole and in parts."""
    tracker = Tracker(Config())
    frames = end_to_end(tracker, find_sequences([root]), folder / "truth")
    out = {name: folder / name for name in ("whole", "parts", "whole --offline", "parts --offline")}
    for place in out.values():
        place.mkdir()
    start = time.process_time()
    track_frames(tracker, frames, out["whole"] / f"{NAME}.txt")
    whole_s = time.process_time() - start
    track_frames(tracker, frames, out["whole --offline"] / f"{NAME}.txt", offline=True)
    start = time.process_time()
    parts, joined = in_parts(tracker, frames, count, folder / "pieces")
    parts_s = time.process_time() - start
    lines = [tracks.to_mot(frame.number) for frame, tracks in joined.frames()]
    (out["parts"] / f"{NAME}.txt").write_text("".join(lines))
    lines = list(offline_lines(joined, tracker.config, folder))
    (out["parts --offline"] / f"{NAME}.txt").write_text("".join(lines))
    print(f"{len(frames)} frames, {count} parts; whole {whole_s:.1f} s of CPU, in parts {parts_s:.1f} s")
    for joint in joined.joints:
        print(joint)
    for name, place in out.items():
        scores = score(folder / "truth", place)["combined"]
        print(name, {key: round(scores[key], 2) for key in ("HOTA", "DetA", "AssA", "IDF1", "IDSW")}, flush=True)
    cuts = [part.first for part in parts[1:]]
    people = np.loadtxt(folder / "truth" / NAME / "gt" / "gt.txt", delimiter=",", ndmin=2)
    people = people[people[:, 6] > 0]
    for one, two in (("whole", "parts"), ("whole --offline", "parts --offline")):
        print(two)
        tell_lost(*(results(out[name] / f"{NAME}.txt") for name in (one, two)), cuts, people)


def cuts(root: Path, folder: Path) -> None:
    """Sequences end to end: which cuts are told."""
    tracker, sequences = Tracker(Config()), find_sequences([root])
    frames = end_to_end(tracker, sequences, folder / "truth")
    between = np.cumsum([sequence.length for sequence in sequences])[:-1] + 1
    tracker.reset()
    told = [one.number for one in frames if one.tracked(tracker).cut]
    right = np.isin(told, between)
    print(f"{len(frames)} frames, {len(between)} cuts, {right.sum()} told; told where there is none: {(~right).sum()}")


def replay(video: Path, times: int, count: int, folder: Path) -> None:
    """A video that is looked at once, so many times in a row, whole and in parts."""
    tracker = Tracker(Config())
    seen: list[Given] = []
    with open_source(str(video)) as source:
        for frame in source:
            found = tracker.detector([frame.image])[0]
            found = found.with_features(tracker.embedder(frame.image, found.xyxy))
            tracker.update(frame.image, found, None, frame.time_s)  # for the camera's motion
            empty = np.broadcast_to(np.uint8(0), frame.image.shape)
            seen.append(Given(frame.number, frame.time_s, empty, found, tracker.camera_motion))
        length_s = len(seen) / source.fps
    frames = [
        replace(one, number=len(seen) * turn + row, time_s=turn * length_s + one.time_s)
        for turn in range(times)
        for row, one in enumerate(seen, 1)
    ]
    start = time.process_time()
    track_frames(tracker, frames, folder / "whole.txt")
    whole_s, start = time.process_time() - start, time.process_time()
    parts, joined = in_parts(tracker, frames, count, folder / "pieces")
    (folder / "parts.txt").write_text("".join(tracks.to_mot(frame.number) for frame, tracks in joined.frames()))
    print(f"{len(frames)} frames; whole {whole_s:.1f} s of CPU, in parts {time.process_time() - start:.1f} s")
    tell_lost(*(results(folder / f"{name}.txt") for name in ("whole", "parts")), [part.first for part in parts[1:]])
    for joint in joined.joints:
        print(joint)


def repeated(video: Path, times: int, target: Path) -> None:
    """The video so many times in a row, not encoded anew."""
    with av.open(str(target), "w") as out:
        stream, shift = None, 0
        for _ in range(times):
            with av.open(str(video)) as source:
                of = source.streams.video[0]
                stream = stream or out.add_stream_from_template(of)
                last = 0
                for packet in source.demux(of):
                    if packet.pts is None or packet.dts is None:
                        continue
                    last = max(last, packet.pts + (packet.duration or 0))
                    packet.pts, packet.dts, packet.stream = packet.pts + shift, packet.dts + shift, stream
                    out.mux(packet)
                shift += last


def video(source: Path, times: int, count: int, jobs: int, words: list[str], folder: Path) -> None:
    """A long video, whole and in parts."""
    clip = folder / "long.mp4"
    repeated(source, times, clip)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        seconds = float(stream.duration * stream.time_base)
    part = ["--part", f"{seconds / count:.3f}"]
    for name, how in (("whole", ["--jobs", "1"]), ("parts", [*part, "--jobs", str(jobs)])):
        start, before = time.perf_counter(), children_cpu_s()
        command = [sys.executable, "-m", "tracker", "batch", clip, "--project", folder / name, "--no-video", "--quiet"]
        subprocess.run([*command, *how, *words], check=True, env=os.environ | {"OMP_WAIT_POLICY": "PASSIVE"})
        used = children_cpu_s() - before
        print(
            f"{name}: {time.perf_counter() - start:.1f} s, {used:.1f} s of CPU, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    joints = yaml.safe_load((folder / "parts" / "long" / "run.yaml").read_text())["parts"]["joints"]
    tables = [results(folder / name / "long" / "tracks.txt") for name in ("whole", "parts")]
    for name in ("whole", "parts"):
        with (folder / name / "long" / "summary.csv").open(newline="") as file:
            print(name, len(list(csv.DictReader(file))), "ids")
    tell_lost(*tables, [joint["frame"] for joint in joints])
    for joint in joints:
        print(joint)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("mot", "replay", "video", "cuts"))
    parser.add_argument("path", type=Path)
    parser.add_argument("--parts", type=int, default=8)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="folder for all that is made")
    parser.add_argument("--options", default="", help="of track, in one word: --options='--config edge'")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.keep or Path(scratch)
        if asked.what == "mot":
            mot(asked.path, asked.parts, folder)
        elif asked.what == "cuts":
            cuts(asked.path, folder)
        elif asked.what == "replay":
            replay(asked.path, asked.times, asked.parts, folder)
        else:
            video(asked.path, asked.times, asked.parts, asked.jobs, shlex.split(asked.options), folder)


if __name__ == "__main__":
    main()
