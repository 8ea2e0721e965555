"""What the bench found, as tables, as JSON and as a picture."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table

from tracker.bench.growth import Growth, Stretch
from tracker.bench.runs import OURS, Cost, called
from tracker.system.extras import extra

WARM_UP = 0.1  # share of a long stream after which memory is to be flat
_OWN, _LOOKS, _OTHER = "#0f8b8d", "#e07a1f", "#b8b8b8"


@dataclass(frozen=True)
class BenchReport:
    """Costs of every command by round, of ours on the clip several times over, and of `update` as a stream grows.

    Where the clip has a truth, also the scores of what the commands tracked. `looks` are those of ours that look at
    fewer frames.
    """

    about: Mapping[str, Any]
    costs: Mapping[str, Sequence[Cost]]
    looped: Cost | None
    update: Sequence[Growth]
    stream: Sequence[Stretch]
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    looks: Sequence[str] = ()

    @property
    def frames(self) -> int:
        """Of the clip."""
        return self.costs[OURS][0].frames

    @property
    def minutes(self) -> float:
        """Of the clip."""
        return self.costs[OURS][0].video_s / 60

    @property
    def bases(self) -> list[str]:
        """What the others are compared with: ours at every frame, and where it looks at fewer."""
        return [OURS, *map(called, self.looks)]

    @property
    def memory_growth_mib(self) -> float:
        """Most that resident memory rose above where it was after the warm-up of the long stream."""
        memory = [stretch.memory_mib for stretch in self.stream]
        after = memory[int(WARM_UP * len(memory)) :]
        return max(after) - after[0]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        ratios = {
            base: {name: faster(costs, self.costs[base]) for name, costs in self.costs.items() if name != base}
            for base in self.bases
        }
        return {
            **self.about,
            "frames": self.frames,
            "video_s": self.costs[OURS][0].video_s,
            "runs": {name: [asdict(cost) for cost in costs] for name, costs in self.costs.items()},
            "faster": ratios.pop(OURS),
            "faster_with_fewer_looks": ratios,
            "cpu_s_a_minute": {name: round(self._cpu_a_minute(name), 1) for name in self.costs},
            "scores": {name: dict(found) for name, found in self.scores.items()},
            "looped": None if self.looped is None else asdict(self.looped),
            "update": [asdict(growth) for growth in self.update],
            "stream": [asdict(stretch) for stretch in self.stream],
            "memory_growth_mib": round(self.memory_growth_mib, 1),
        }

    def tables(self) -> Group:
        """Everything but the curves."""
        parts: list[RenderableType] = [
            f"whole runs, medians of {len(self.costs[OURS])} in turn (least to most)",
            *self._legend(), self._runs(), "",
            "processor time, start-up included", self._work(), "",
            "times as long as ours", self._ratios(), "",
        ]  # fmt: skip
        if self.scores:
            parts += ["accuracy beside speed", self._accuracy(), ""]
        growth = _table("objects a frame", "update, ms", "frames/s", "with embeddings, ms", "frames/s")
        for row in self.update:
            cells = [f"{ms:.2f} {1000 / ms:.0f}" for ms in (row.boxes_ms, row.looks_ms)]
            growth.add_row(str(row.objects), *" ".join(cells).split())
        return Group(*parts, "ms a frame (stages overlap)", self._stages(), "", growth, "", self._memory())

    def _legend(self) -> list[str]:
        return [f"{_shown(called(every))}: {called(every)}" for every in self.looks]

    def _runs(self) -> Table:
        table = _table("", "wall s", "", "frames/s", "peak MiB", "looked at")
        for name, costs in self.costs.items():
            wall, memory = _median(costs, "wall_s"), _median(costs, "memory_mib")
            share = costs[0].frames_looked_at / self.frames if costs[0].frames else 1.0
            cells = f"{wall:.1f}", _spread(costs, "wall_s"), f"{self.frames / wall:.1f}", f"{memory:.0f}"
            table.add_row(_shown(name), *cells, f"{share:.2f}")
        return table

    def _work(self) -> Table:
        table = _table("", "cpu s", "", "cpu s a minute of video")
        for name, costs in self.costs.items():
            cells = f"{_median(costs, 'cpu_s'):.1f}", _spread(costs, "cpu_s"), f"{self._cpu_a_minute(name):.0f}"
            table.add_row(_shown(name), *cells)
        return table

    def _cpu_a_minute(self, name: str) -> float:
        return _median(self.costs[name], "cpu_s") / self.minutes

    def _ratios(self) -> Table:
        table = _table("", *(f"{base}: {what}" for base in (OURS, *self.looks) for what in ("wall", "cpu")))
        for name, costs in self.costs.items():
            cells = [f"{times:.2f}x" for base in self.bases for times in faster(costs, self.costs[base]).values()]
            table.add_row(_shown(name), *cells)
        return table

    def _accuracy(self) -> Table:
        table = _table("", "HOTA", "IDF1", "switches", "frames/s", "cpu s a minute")
        for name, found in self.scores.items():
            speed = f"{self.frames / _median(self.costs[name], 'wall_s'):.1f}"
            cells = f"{found['HOTA']:.2f}", f"{found['IDF1']:.2f}", f"{found['IDSW']:.0f}"
            table.add_row(_shown(name), *cells, speed, f"{self._cpu_a_minute(name):.0f}")
        return table

    def _stages(self) -> Table:
        stages = self.costs[OURS][0].ms_per_frame
        table = _table("", *("tracking" if stage == "motion+association" else stage for stage in stages))
        for name, costs in self.costs.items():
            if costs[0].ms_per_frame and "strictly" not in name:
                table.add_row(_shown(name), *(f"{ms:.1f}" for ms in median_stages(costs).values()))
        return table

    def _memory(self) -> str:
        first, last = self.stream[0], self.stream[-1]
        said = (
            f"{last.frames} frames in one stream: {first.update_ms:.2f} ms an update in the first {first.frames}, "
            f"{last.update_ms:.2f} in the last; memory rose by {self.memory_growth_mib:.1f} MiB after the first tenth"
        )
        if self.looped is not None:
            peak = _median(self.costs[OURS], "memory_mib")
            said += f"\nwhole run: {peak:.0f} MiB after {self.frames} frames, {self.looped.memory_mib:.0f} MiB after "
            said += f"{self.looped.frames}"
        return said

    def plot(self, path: Path) -> None:
        """Panels: whole runs, accuracy beside speed where there is a truth, stages, growth with objects and length."""
        plt = extra("matplotlib.pyplot", "train")
        plt.switch_backend("Agg")
        panels = 4 + bool(self.scores)
        figure, axes = plt.subplots(panels, 1, figsize=(6.6, 3.25 * panels), layout="constrained")
        whole, *accuracy, stages, growth, length = axes
        names = list(self.costs)[::-1]
        speeds = [[self.frames / cost.wall_s for cost in self.costs[name]] for name in names]
        middle = [statistics.median(speed) for speed in speeds]
        whole.barh([*map(_shown, names)], middle, color=[_colour(name) for name in names])
        for place, speed in enumerate(speeds):
            whole.plot(speed, [place] * len(speed), "k.", ms=4)
            whole.annotate(f" {middle[place]:.1f}", (max(speed), place), va="center")
        whole.set(title="Whole run", xlabel="frames/s, every round a dot")
        whole.margins(x=0.15)
        for panel in accuracy:
            self._plot_accuracy(panel)
        for number, name in enumerate(self.bases):
            parts = median_stages(self.costs[name])
            places = [place + 0.4 * (number - (len(self.bases) - 1) / 2) for place in range(len(parts))][::-1]
            stages.barh(places, list(parts.values()), 0.38, color=_colour(name), label=_shown(name))
            stages.set_yticks(range(len(parts)), list(parts)[::-1])
        stages.set(title="Work by stage (stages overlap)", xlabel="ms a frame")
        stages.legend(frameon=False)
        counts = [row.objects for row in self.update]
        growth.loglog(counts, [row.boxes_ms for row in self.update], "o-", color=_OWN, label="boxes")
        growth.loglog(counts, [row.looks_ms for row in self.update], "o--", color=_LOOKS, label="boxes and embeddings")
        growth.set(title="update by number of objects", xlabel="objects a frame", ylabel="ms")
        growth.legend(frameon=False)
        frames = [stretch.frames for stretch in self.stream]
        length.plot(frames, [stretch.memory_mib for stretch in self.stream], color=_OWN)
        length.set(title="update by length of the stream", xlabel="frames", ylabel="resident memory, MiB")
        length.yaxis.label.set_color(_OWN)
        length.set_ylim(0, 1.25 * max(stretch.memory_mib for stretch in self.stream))
        times = length.twinx()
        times.plot(frames, [stretch.update_ms for stretch in self.stream], color=_LOOKS, lw=0.8)
        times.set_ylim(0, 2.5 * max(stretch.update_ms for stretch in self.stream))  # below the other curve
        times.set_ylabel("ms an update", color=_LOOKS)
        figure.savefig(path, dpi=180)
        plt.close(figure)

    def _plot_accuracy(self, axes: Any) -> None:
        """A bar for each that has a score."""
        for name in list(self.scores)[::-1]:
            hota, speed = self.scores[name]["HOTA"], self.frames / _median(self.costs[name], "wall_s")
            axes.barh(_shown(name), hota, color=_colour(name))
            axes.annotate(f" {hota:.1f}, {speed:.1f}/s", (hota, _shown(name)), va="center")
        axes.set(title="Accuracy beside speed", xlabel="HOTA in %, frames/s beside it")
        axes.margins(x=0.3)


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
        wall, cpu, memory = (_median(found, key) for key in ("wall_s", "cpu_s", "memory_mib"))
        ratio = faster(found, base)
        cells = [f"{wall:.1f}", f"{frames / wall:.1f}", f"{cpu:.1f}", f"{memory:.0f}"]
        table.add_row(_shown(name), *cells, f"{ratio['wall']:.2f}x", f"{ratio['cpu']:.2f}x")
    return table


def median_stages(costs: Sequence[Cost]) -> dict[str, float]:
    """Milliseconds a frame by stage, medians over the rounds."""
    return {stage: statistics.median(cost.ms_per_frame[stage] for cost in costs) for stage in costs[0].ms_per_frame}


def _median(costs: Sequence[Cost], key: str) -> float:
    return float(statistics.median(getattr(cost, key) for cost in costs))


def _spread(costs: Sequence[Cost], key: str) -> str:
    """The least and the most of the rounds."""
    values = [getattr(cost, key) for cost in costs]
    return f"{min(values):.1f} to {max(values):.1f}"


def _shown(name: str) -> str:
    """Short, so that a row fits a screen."""
    return name.replace(" --detect-every", "")


def _colour(name: str) -> str:
    return _OTHER if not name.startswith(OURS) else _LOOKS if "--detect-every" in name else _OWN


def _table(*columns: str) -> Table:
    table = Table(*columns, box=None, header_style="bold", padding=(0, 1, 0, 0))
    for column in table.columns[0 if columns[0] else 1 :]:
        column.justify = "right"
    return table
