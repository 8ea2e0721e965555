"""End to end against `yolo track`: the same clip and weights, video and text written, in turn, in separate processes.

    python scripts/benchmark.py people.mp4 --model yolo11n.pt --rounds 3

Wall time is what a user waits, from the command to its end, start-up and loading included. On a machine that does other
work at the same time the processor time, which counts only one's own work, says more.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import av
import typer
from rich.console import Console
from rich.table import Table

OURS = "track"


@dataclass(frozen=True)
class Cost:
    """What one run took."""

    wall_s: float
    cpu_s: float  # user and system time of the process and its threads
    memory_mib: float  # peak resident


def measure(command: list[str], folder: Path) -> Cost:
    """Run a command in `folder` to its end; its output is kept only to show why it failed."""
    environment = os.environ | {"YOLO_CONFIG_DIR": str(folder), "YOLO_OFFLINE": "True"}
    with (folder / "output.txt").open("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - start
        if status:
            output.seek(0)
            raise SystemExit(f"{' '.join(command)} failed:\n{output.read()[-2000:]}")
    return Cost(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def commands(clip: Path, model: Path, imgsz: int, trackers: list[str]) -> dict[str, list[str]]:
    """Name -> command line, ours with and without appearance first."""
    here = str(Path(__file__).parents[1])
    ours = [sys.executable, "-c", f"import sys; sys.path.insert(0, {here!r}); from tracker.cli import main; main()"]
    ours += [str(clip), "--model", str(model), "--imgsz", str(imgsz)]
    yolo = [str(Path(sys.executable).with_name("yolo")), "track", f"source={clip}", f"model={model}", f"imgsz={imgsz}"]
    yolo += ["save=True", "save_txt=True", "project=runs"]
    return {OURS: ours, f"{OURS} --no-reid": [*ours, "--no-reid"]} | {
        f"yolo track {name}": [*yolo, f"tracker={name}.yaml"] for name in trackers
    }


def main(
    clip: Annotated[Path, typer.Argument(help="Video file.", exists=True)],
    model: Annotated[Path, typer.Option(help="YOLO .pt weights, used by all.", exists=True)],
    imgsz: Annotated[int, typer.Option(help="Detection size.")] = 640,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn.", min=1)] = 3,
    trackers: Annotated[str, typer.Option(help="Ultralytics' trackers, by comma.")] = "bytetrack",
    out: Annotated[Path | None, typer.Option(help="JSON file for all numbers.")] = None,
) -> None:
    """Time `track` and `yolo track` on one clip."""
    console = Console()
    clip, model = clip.resolve(), model.resolve()
    with av.open(str(clip)) as container:
        frames = sum(1 for _ in container.decode(video=0))
    costs: dict[str, list[Cost]] = {}
    for number in range(rounds):
        for name, command in commands(clip, model, imgsz, trackers.split(",")).items():
            with tempfile.TemporaryDirectory() as folder:
                costs.setdefault(name, []).append(measure(command, Path(folder)))
            console.print(f"round {number + 1}: {name} {costs[name][-1].wall_s:.1f} s", style="dim")
    console.print(table(costs, frames))
    if out is not None:
        out.write_text(json.dumps({name: [asdict(cost) for cost in found] for name, found in costs.items()}, indent=2))


def table(costs: dict[str, list[Cost]], frames: int) -> Table:
    """Medians, and how many times as fast ours is (median over the rounds of the ratios within each)."""
    ours = costs[OURS]
    result = Table("", "wall s", "frames/s", "cpu s", "peak MiB", "ours is faster: wall", "cpu", box=None)
    for column in result.columns[1:]:
        column.justify = "right"
    for name, found in costs.items():
        wall = statistics.median(cost.wall_s for cost in found)
        pairs = list(zip(found, ours, strict=True))
        result.add_row(
            name,
            f"{wall:.1f}",
            f"{frames / wall:.1f}",
            f"{statistics.median(cost.cpu_s for cost in found):.1f}",
            f"{statistics.median(cost.memory_mib for cost in found):.0f}",
            f"{statistics.median(other.wall_s / own.wall_s for other, own in pairs):.2f}x",
            f"{statistics.median(other.cpu_s / own.cpu_s for other, own in pairs):.2f}x",
        )
    return result


if __name__ == "__main__":
    typer.run(main)
