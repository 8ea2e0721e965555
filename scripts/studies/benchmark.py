"""Has it become slower? `Tracker.update` and whole runs of this checkout and of another commit, in turn.

    python scripts/studies/benchmark.py people.mp4 --base main~5 --rounds 3

Against other trackers: `track bench`.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from options import study
from tracker.bench import growth
from tracker.bench.report import costs_table
from tracker.bench.runs import in_turn, ours

ROOT = Path(__file__).parents[2]


def main(
    clip: Annotated[Path, typer.Argument(help="Video file.", exists=True)],
    base: Annotated[str, typer.Option(help="The commit to compare with: any name that git knows.")],
    config: Annotated[str | None, typer.Option(help="Preset of both, by name.")] = None,
    rounds: Annotated[int, typer.Option(help="Runs of each, in turn.", min=1)] = 3,
    objects: Annotated[str, typer.Option(help="Numbers of objects for `update` alone.")] = "10,100,1000",
    limit: Annotated[float, typer.Option(help="Exit with 1 where the median ratio is above this.")] = 1.1,
) -> None:
    """Print ratios of this checkout's times to those of the base; above 1 it has become slower."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        checkout(base, Path(name))
        trees = {"now": ROOT, base: Path(name)}
        commands = {tree: ours(clip.resolve(), config, package=path) for tree, path in trees.items()}
        costs = in_turn(commands, rounds, lambda what: console.print(what, style="dim"))
        updates: dict[str, list[dict[str, Any]]] = {tree: [] for tree in trees}
        for _ in range(rounds):
            for tree, path in trees.items():
                updates[tree].append(update_times(path, objects.split(",")))
    console.print(costs_table(costs, costs["now"][0].frames))
    ratios = {"whole run, cpu": [own.cpu_s / other.cpu_s for own, other in zip(costs["now"], costs[base], strict=True)]}
    for row, count in enumerate(objects.split(",")):
        for key, given in (("boxes_ms", "boxes"), ("looks_ms", "embeddings")):
            pairs = zip(updates["now"], updates[base], strict=True)
            what = f"update, {count} objects, {given}"
            ratios[what] = [own["update"][row][key] / other["update"][row][key] for own, other in pairs]
    table = Table("", f"now / {base}", "of the rounds", box=None)
    for what, values in ratios.items():
        slow = statistics.median(values) > limit
        rounded = " ".join(f"{value:.2f}" for value in values)
        table.add_row(what, f"{statistics.median(values):.2f}", rounded, style="red" if slow else "")
    console.print(table)
    if any(statistics.median(values) > limit for values in ratios.values()):
        raise typer.Exit(1)


def checkout(revision: str, folder: Path) -> None:
    """The files of a commit."""
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, check=True, capture_output=True)
    subprocess.run(["tar", "x", "-C", str(folder)], input=archive.stdout, check=True)


def update_times(tree: Path, objects: Sequence[str]) -> dict[str, Any]:
    """What this checkout's `growth.py` finds of the package in `tree`."""
    command = [sys.executable, str(Path(growth.__file__)), "100", *objects]
    environment = {"PYTHONPATH": str(tree), "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    study(main)
