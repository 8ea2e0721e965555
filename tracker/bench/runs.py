"""Whole runs, from the command to its end, in processes of their own, each in turn.

All get the same clip and leave video and text. Wall time is what a user waits, start-up and loading included; processor
time counts only one's own work, which says more where others work too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tracker.config import PACKAGE
from tracker.errors import DataError

OURS = "track"
_TRACK = "from tracker.cli import main; main()"
_RUN = Path("ours", "run")  # the folder of a run of ours, in that of the command


@dataclass(frozen=True)
class Command:
    """A command line, and the folder its `tracker` package is imported from.

    `tracks` reads what it tracked, as MOTChallenge lines, from the folder that it ran in; `kept` is the file they go
    to, None: none.
    """

    words: Sequence[str]
    package: Path = PACKAGE.parent
    tracks: Callable[[Path], str] = lambda _: ""
    kept: Path | None = None


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds, seconds of all processors together, peak of resident memory.

    Of ours also milliseconds a frame by stage, the number of frames, seconds to the first of them, how many were looked
    at, and how long the video is.
    """

    wall_s: float
    cpu_s: float
    memory_mib: float
    frames: int = 0
    first_frame_s: float = 0.0
    ms_per_frame: Mapping[str, float] = field(default_factory=dict)
    frames_looked_at: int = 0
    video_s: float = 0.0


def ours(clip: Path, config: str | None, *options: str, package: Path = PACKAGE.parent) -> Command:
    """`track clip` with a preset or file and further options."""
    words = [sys.executable, "-c", _TRACK, "run", str(clip), "--project", str(_RUN.parent), "--name", _RUN.name]
    words += ["--exist-ok", *(["--config", config] if config else []), *options]
    return Command(words, package, lambda folder: (folder / _RUN / "tracks.txt").read_text(encoding="ascii"))


def variants(
    clip: Path, config: str | None, looks: Sequence[str] = (), options: Sequence[str] = (), strict: Path | None = None
) -> dict[str, Command]:
    """Ours by what it is called: looking at every frame and as `looks` say, with the video and without, and no CNN.

    With `strict`, a configuration without smoothing, what is tracked online too. All have the `options`.
    """
    found: dict[str, Command] = {}
    for every in ("1", *looks):
        name, chosen = called(every), (*options, "--detect-every", every)
        found[name] = ours(clip, config, *chosen)
        if strict is not None:
            found[f"{name}, strictly online"] = ours(clip, str(strict), *chosen)
        found[f"{name} --no-video"] = ours(clip, config, *chosen, "--no-video")
    found[f"{OURS} --no-reid"] = ours(clip, config, *options, "--detect-every", "1", "--no-reid")
    return found


def called(every: str) -> str:
    """What ours is called where it looks at these frames."""
    return OURS if every == "1" else f"{OURS} --detect-every {every}"


def in_turn(
    commands: Mapping[str, Command],
    rounds: int,
    progress: Callable[[str], None] = lambda _: None,
    left_out: Callable[[str], None] | None = None,
) -> dict[str, list[Cost]]:
    """Every command once a round, so that what else the machine does meets all of them.

    A command of others that fails is left out, where there is somebody to tell.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(1, rounds + 1):
        for name in list(costs):
            progress(f"round {number} of {rounds}: {name}")
            try:
                costs[name].append(measure(commands[name]))
            except DataError as error:
                if left_out is None or name.startswith(OURS):
                    raise
                del costs[name]
                left_out(f"{name} is left out: {error}")
    return costs


def measure(command: Command) -> Cost:
    """Run a command to its end, in a folder of its own that is then removed.

    Raises:
        DataError: it failed, with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as name, open(Path(name) / "output.txt", "w+b") as output:  # noqa: PTH123
        folder = Path(name)
        environment = os.environ | {
            "PYTHONPATH": str(command.package),
            "YOLO_CONFIG_DIR": name,
            "YOLO_OFFLINE": "True",
            "YOLO_AUTOINSTALL": "False",
        }
        start = time.perf_counter()
        process = subprocess.Popen(command.words, cwd=folder, stdout=output, stderr=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # waited for past its back, for the usage
        wall_s = time.perf_counter() - start
        if status:
            output.seek(0)
            said = output.read().decode(errors="replace").strip().splitlines()
            raise DataError(f"{' '.join(command.words[:4])} ... failed: {said[-1] if said else 'without a word'}")
        record = _own_record(folder / _RUN / "run.yaml")
        if command.kept is not None:
            command.kept.parent.mkdir(parents=True, exist_ok=True)
            command.kept.write_text(command.tracks(folder), encoding="ascii")
    result, source = record.get("result", {}), record.get("source", {})
    frames = result.get("frames", 0)
    return Cost(
        round(wall_s, 3),
        round(usage.ru_utime + usage.ru_stime, 3),
        round(usage.ru_maxrss / 1024, 1),
        frames,
        result.get("first_frame_s", 0.0),
        result.get("ms_per_frame", {}),
        result.get("frames_looked_at", 0),
        round(frames / source.get("frames_per_s", 1.0), 3),
    )


def looped(clip: Path, target: Path, loops: int) -> Path:
    """`target` with the clip's packets `loops` times over, not encoded anew."""
    import av

    with av.open(str(clip)) as source, av.open(str(target), "w") as container:
        stream = source.streams.video[0]
        packets = [(bytes(p), p.pts, p.dts, p.is_keyframe, p.time_base) for p in source.demux(stream) if p.size]
        copy = container.add_stream_from_template(stream)
        stamps = sorted(pts or 0 for _, pts, *_ in packets)
        length = stamps[-1] - stamps[0] + (stamps[-1] - stamps[0]) // max(1, len(stamps) - 1)
        for loop in range(loops):
            for data, pts, dts, key, time_base in packets:
                packet = av.Packet(data)
                packet.pts, packet.dts = (pts or 0) + loop * length, (dts or 0) + loop * length
                packet.is_keyframe, packet.time_base, packet.stream = key, time_base, copy
                container.mux(packet)
    return target


def _own_record(path: Path) -> dict[str, Any]:
    """What a run of ours noted about itself."""
    return dict(yaml.safe_load(path.read_text())) if path.is_file() else {}
