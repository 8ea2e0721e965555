"""How sure is a comparison of motion networks? Mean and spread over seeds, as a table and a plot.

    python scripts/studies/motion_seeds.py EVALUATED... --out runs/seeds

EVALUATED are folders that `track eval-motion --out` left, named after the sets; the models in them were trained to
runs/NAME-SEED/motion.safetensors. Leaves seeds.md (mean IoU +- standard deviation over seeds, by set, model and
horizon) and seeds.png (how far each network is above or below the first one).
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from options import study

ACROSS = 2  # panels


def by_network(metrics: dict[str, dict[str, dict[str, float]]]) -> dict[str, NDArray[np.float64]]:
    """(seeds, horizons) mean IoU of each network, from the content of a metrics.json."""
    found = defaultdict(list)
    for path, by_horizon in metrics.items():
        name = Path(path).parent.name.rpartition("-")[0]
        found[name].append([values["iou"] for values in by_horizon.values()])
    return {name: np.array(rows) for name, rows in found.items()}


def table(sets: dict[str, dict[str, NDArray[np.float64]]], horizons: dict[str, list[str]]) -> str:
    """Markdown, a row for each set and network; standard deviations of the sample, in thousandths after the mean."""
    columns = list(dict.fromkeys(h for some in horizons.values() for h in some))
    lines = ["| | | " + " | ".join(columns) + " |", "| --- " * (len(columns) + 2) + "|"]
    for title, networks in sets.items():
        for name, values in networks.items():
            spread = 1000 * values.std(0, ddof=1)
            cells = {h: f"{m:.3f} ± {s:.0f}" for h, m, s in zip(horizons[title], values.mean(0), spread, strict=True)}
            lines.append(f"| {title} | {name} | " + " | ".join(cells.get(h, "") for h in columns) + " |")
    return "\n".join(lines) + "\n"


def plot(sets: dict[str, dict[str, NDArray[np.float64]]], horizons: dict[str, list[str]], path: Path) -> None:
    """A panel for each set: mean IoU less that of the first network, with every seed as a dot."""
    from matplotlib import pyplot

    rows, columns = -(-len(sets) // ACROSS), min(len(sets), ACROSS)
    pyplot.rcParams["font.size"] = 12
    size = (3.3 * columns, 2.6 * rows)
    figure, panels = pyplot.subplots(rows, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for axes, (title, networks) in zip(panels.flat, sets.items(), strict=False):
        first = next(iter(networks.values())).mean(0)
        places = np.arange(len(first))
        for number, (name, values) in enumerate(networks.items()):
            x = places + 0.18 * (number - (len(networks) - 1) / 2)
            axes.bar(x, (values.mean(0) - first), 0.03, color=f"C{number}")
            axes.plot(np.tile(x, (len(values), 1)).T, (values - first).T, "o", ms=4, color=f"C{number}", alpha=0.7)
            axes.plot([], [], "o", color=f"C{number}", label=name.upper() if len(name) < 5 else name.title())
        axes.axhline(0, color="grey", lw=1)
        axes.set(title=title, xlabel="frames ahead", xticks=places, xticklabels=horizons[title])
        axes.grid(alpha=0.3)
    figure.supylabel(f"mean IoU of forecasts, less that of the {next(iter(networks)).upper()}")
    panels[0, 0].legend(fontsize=11)
    figure.savefig(path, dpi=180)


def main(
    evaluated: Annotated[list[Path], typer.Argument(help="Folders with a metrics.json.")],
    out: Annotated[Path, typer.Option(help="Folder for seeds.md and seeds.png.")],
) -> None:
    """Mean and spread over seeds."""
    found = {folder.name: json.loads((folder / "metrics.json").read_text()) for folder in evaluated}
    horizons = {title: list(next(iter(metrics.values()))) for title, metrics in found.items()}
    sets = {title: by_network(metrics) for title, metrics in found.items()}
    out.mkdir(parents=True, exist_ok=True)
    text = table(sets, horizons)
    (out / "seeds.md").write_text(text, encoding="utf-8")
    plot(sets, horizons, out / "seeds.png")
    print(text)


if __name__ == "__main__":
    study(main)
