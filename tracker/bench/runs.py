"""Whole runs, from the command to its end, in processes of their own: `track`, `yolo track` and BoxMOT in turn.

All get the same clip and the same weights, detect at the same size and leave video and text. Wall time is what a user
waits, start-up and loading included; processor time counts only one's own work, which says more where others work too.
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

from tracker.config import PACKAGE, Config
from tracker.errors import DataError, MissingExtraError, UsageError

OURS = "track"
PEERS = ("ultralytics", "boxmot")
_TRACK = "from tracker.cli import main; main()"
_YOLO = "from ultralytics.cfg import entrypoint; entrypoint()"


@dataclass(frozen=True)
class Command:
    """A command line, and the folder its `tracker` package is imported from."""

    words: Sequence[str]
    package: Path = PACKAGE.parent


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds, seconds of all processors together, peak of resident memory.

    Of ours also milliseconds a frame by stage, the number of frames, and seconds to the first of them.
    """

    wall_s: float
    cpu_s: float
    memory_mib: float
    frames: int = 0
    first_frame_s: float = 0.0
    ms_per_frame: Mapping[str, float] = field(default_factory=dict)


def ours(clip: Path, config: str | None, *options: str, package: Path = PACKAGE.parent) -> Command:
    """`track clip` with a preset or file and further options."""
    words = [sys.executable, "-c", _TRACK, "run", str(clip), "--project", "ours", "--name", "run", "--exist-ok"]
    return Command([*words, *(["--config", config] if config else []), *options], package)


def peers(
    names: Sequence[str], clip: Path, config: Config, folder: Path, boxmot_python: Path | None
) -> dict[str, Command]:
    """The commands of other trackers; the weights they share with ours are written to `folder` in their format.

    Raises:
        UsageError: a peer that is not known.
        MissingExtraError: one that is not installed.
    """
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise UsageError(f"--against {unknown[0]} is not known; choose of: {', '.join(PEERS)}")
    if not names:
        return {}
    detector, reid = _shared_weights(config, folder)
    size = config.detector.imgsz
    sides = [str(side) for side in ((size,) if isinstance(size, int) else size)]
    found: dict[str, Command] = {}
    if "ultralytics" in names:
        yolo = [sys.executable, "-c", _YOLO, "track", f"source={clip}", f"model={detector}", f"imgsz={','.join(sides)}"]
        yolo += ["save=True", "save_txt=True", "project=yolo", "tracker=bytetrack.yaml"]
        found["yolo track (ByteTrack)"] = Command(yolo)
    if "boxmot" in names:
        script = (boxmot_python or Path(sys.executable)).with_name("boxmot")
        if not script.is_file():
            raise MissingExtraError(
                f"boxmot is not installed beside {script.parent / 'python'}; run: pip install boxmot, or name the "
                "interpreter that has it with --boxmot-python"
            )
        boxmot = [str(script), "track", "--source", str(clip), "--detector", str(detector), "--reid", str(reid)]
        boxmot += [word for side in sides for word in ("--imgsz", side)]
        boxmot += ["--tracker", "botsort", "--save", "--save-txt", "--project", "boxmot"]
        found["boxmot track (BoT-SORT, ReID)"] = Command(boxmot)
    return found


def _shared_weights(config: Config, folder: Path) -> tuple[Path, Path]:
    """Detector and appearance network as checkpoints of Ultralytics and torchreid."""
    import torch

    from tracker.appearance.weights import load_weights
    from tracker.detection import yolo
    from tracker.detection.detector import find_weights

    weights = find_weights(config.detector.model)
    detector, reid = folder / "detector.pt", folder / "osnet_x0_25_msmt17.pt"  # BoxMOT reads the network off the name
    if weights.is_dir():
        raise UsageError(f"{weights} is exported and cannot be given to others; leave out --against")
    network, _ = yolo.load(weights)
    torch.save({"model": network, "ema": None, "epoch": -1, "train_args": {}}, detector)
    torch.save(dict(load_weights(config.appearance.model).state), reid)
    return detector, reid


def in_turn(
    commands: Mapping[str, Command], rounds: int, progress: Callable[[str], None] = lambda _: None
) -> dict[str, list[Cost]]:
    """Every command once a round, so that what else the machine does meets all of them."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(1, rounds + 1):
        for name, command in commands.items():
            progress(f"round {number} of {rounds}: {name}")
            costs[name].append(measure(command))
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
        result = _own_result(folder / "ours" / "run" / "run.yaml")
    return Cost(
        round(wall_s, 3),
        round(usage.ru_utime + usage.ru_stime, 3),
        round(usage.ru_maxrss / 1024, 1),
        result.get("frames", 0),
        result.get("first_frame_s", 0.0),
        result.get("ms_per_frame", {}),
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


def _own_result(record: Path) -> dict[str, Any]:
    """What a run of ours noted about itself."""
    return dict(yaml.safe_load(record.read_text())["result"]) if record.is_file() else {}
