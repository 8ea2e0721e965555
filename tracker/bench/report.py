"""What the bench found, as tables, as JSON and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from tracker.bench.growth import Growth, Stretch
from tracker.bench.runs import OURS, Cost
from tracker.system.extras import extra

WARM_UP = 0.1  # share of a long stream after which memory is to be flat


@dataclass(frozen=True)
class BenchReport:
    """Costs of every command by round, of ours on the clip several times over, and of `update` as a stream grows."""

    about: Mapping[str, Any]
    costs: Mapping[str, Sequence[Cost]]
    looped: Cost | None
    update: Sequence[Growth]
    stream: Sequence[Stretch]

    @property
    def frames(self) -> int:
        """Of the clip."""
        return self.costs[OURS][0].frames

    @property
    def memory_growth_mib(self) -> float:
        """Most that resident memory rose above where it was after the warm-up of the long stream."""
        memory = [stretch.memory_mib for stretch in self.stream]
        after = memory[int(WARM_UP * len(memory)) :]
        return max(after) - after[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            **self.about,
            "frames": self.frames,
            "runs": {name: [asdict(cost) for cost in costs] for name, costs in self.costs.items()},
            "faster": {name: faster(costs, self.costs[OURS]) for name, costs in self.costs.items() if name != OURS},
            "looped": None if self.looped is None else asdict(self.looped),
            "update": [asdict(growth) for growth in self.update],
            "stream": [asdict(stretch) for stretch in self.stream],
            "memory_growth_mib": round(self.memory_growth_mib, 1),
        }

    def tables(self) -> Group:
        """Everything but the curves."""
        growth = _table("objects a frame", "update, ms", "frames/s", "with embeddings, ms", "frames/s")
        for row in self.update:
            cells = [f"{ms:.2f} {1000 / ms:.0f}" for ms in (row.boxes_ms, row.looks_ms)]
            growth.add_row(str(row.objects), *" ".join(cells).split())
        stages = _table(*self.costs[OURS][0].ms_per_frame)
        stages.add_row(*(f"{ms:.1f}" for ms in median_stages(self.costs[OURS]).values()))
        first, last = self.stream[0], self.stream[-1]
        long = (
            f"{last.frames} frames in one stream: {first.update_ms:.2f} ms an update in the first {first.frames}, "
            f"{last.update_ms:.2f} in the last; memory rose by {self.memory_growth_mib:.1f} MiB after the first tenth"
        )
        if self.looped is not None:
            peak = statistics.median(cost.memory_mib for cost in self.costs[OURS])
            long += f"\nwhole run: {peak:.0f} MiB after {self.frames} frames, {self.looped.memory_mib:.0f} MiB after "
            long += f"{self.looped.frames}"
        runs = costs_table(self.costs, self.frames)
        return Group(runs, "", "ms a frame (stages overlap)", stages, "", growth, "", long)

    def plot(self, path: Path) -> None:
        """Four panels: whole runs, stages, growth with objects, growth with length."""
        plt = extra("matplotlib.pyplot", "train")
        plt.switch_backend("Agg")
        figure, axes = plt.subplots(4, 1, figsize=(6.6, 13), layout="constrained")
        whole, stages, growth, length = axes
        names = list(self.costs)[::-1]
        speeds = [[self.frames / cost.wall_s for cost in self.costs[name]] for name in names]
        middle = [statistics.median(speed) for speed in speeds]
        whole.barh(names, middle, color=["#0f8b8d" if name.startswith(OURS) else "#b8b8b8" for name in names])
        for place, speed in enumerate(speeds):
            whole.plot(speed, [place] * len(speed), "k.", ms=4)
            whole.annotate(f" {middle[place]:.1f}", (max(speed), place), va="center")
        whole.set(title="Whole run", xlabel="frames/s, every round a dot")
        whole.margins(x=0.15)
        parts = median_stages(self.costs[OURS])
        stages.barh(list(parts)[::-1], list(parts.values())[::-1], color="#0f8b8d")
        stages.set(title="Work by stage (stages overlap)", xlabel="ms a frame")
        counts = [row.objects for row in self.update]
        growth.loglog(counts, [row.boxes_ms for row in self.update], "o-", color="#0f8b8d", label="boxes")
        growth.loglog(
            counts, [row.looks_ms for row in self.update], "o--", color="#e07a1f", label="boxes and embeddings"
        )
        growth.set(title="update by number of objects", xlabel="objects a frame", ylabel="ms")
        growth.legend(frameon=False)
        frames = [stretch.frames for stretch in self.stream]
        length.plot(frames, [stretch.memory_mib for stretch in self.stream], color="#0f8b8d")
        length.set(title="update by length of the stream", xlabel="frames", ylabel="resident memory, MiB")
        length.yaxis.label.set_color("#0f8b8d")
        length.set_ylim(0, 1.25 * max(stretch.memory_mib for stretch in self.stream))
        times = length.twinx()
        times.plot(frames, [stretch.update_ms for stretch in self.stream], color="#e07a1f", lw=0.8)
        times.set_ylim(0, 2.5 * max(stretch.update_ms for stretch in self.stream))  # below the other curve
        times.set_ylabel("ms an update", color="#e07a1f")
        figure.savefig(path, dpi=180)
        plt.close(figure)


def faster(costs: Sequence[Cost], base: Sequence[Cost]) -> dict[str, float]:
    """How many times as much `costs` take as `base`: medians over the rounds of the ratio within each."""
    pairs = list(zip(costs, base, strict=True))
    return {
        "wall": round(statistics.median(other.wall_s / own.wall_s for other, own in pairs), 3),
        "cpu": round(statistics.median(other.cpu_s / own.cpu_s for other, own in pairs), 3),
    }


def costs_table(costs: Mapping[str, Sequence[Cost]], frames: int) -> Table:
    """Medians of each command, and how many times as fast the first is."""
    base = next(iter(costs.values()))
    table = _table("", "wall s", "frames/s", "cpu s", "peak MiB", "first is faster: wall", "cpu")
    for name, found in costs.items():
        keys = ("wall_s", "cpu_s", "memory_mib")
        wall, cpu, memory = (statistics.median(getattr(cost, key) for cost in found) for key in keys)
        ratio = faster(found, base)
        cells = [f"{wall:.1f}", f"{frames / wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}"]
        table.add_row(name, *cells, f"{ratio['wall']:.2f}x", f"{ratio['cpu']:.2f}x")
    return table


def median_stages(costs: Sequence[Cost]) -> dict[str, float]:
    """Milliseconds a frame by stage, medians over the rounds."""
    return {stage: statistics.median(cost.ms_per_frame[stage] for cost in costs) for stage in costs[0].ms_per_frame}


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, header_style="bold")
    for column in table.columns[0 if columns[0] else 1 :]:
        column.justify = "right"
    return table
