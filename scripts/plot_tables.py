"""Draw the pictures of the documentation whose numbers are its own tables.

    python scripts/plot_tables.py

Reads docs/tables/*.csv and leaves in docs/images accuracy.png, motion_cost.png, motion_occluded.png, motion_recall.png.
(The other pictures need the runs they show; the scripts that measure draw those.)
"""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
STYLE = {"font.size": 13, "axes.grid": True, "grid.alpha": 0.3, "figure.dpi": 150, "lines.linewidth": 2}
DATA = {
    "mot17": "MOT17",
    "mot17-fifth": "MOT17, every fifth frame",
    "mot15": "MOT15",
    "uadetrac": "UA-DETRAC",
    "sportsmot": "SportsMOT, degraded truth",
    "kitti": "KITTI, degraded truth",
}
OURS, OURS_ONLINE, BEST_SMOOTHED, BEST = 0, 2, 1, 3  # rows of accuracy-hota.csv


def table(name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of docs/tables/NAME.csv."""
    with (DOCS / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def accuracy() -> None:
    """HOTA of all trackers on all data sets."""
    header, rows = table("accuracy-hota")
    _, axes = plt.subplots(figsize=(8, 6.4))
    for place, data in enumerate(DATA):
        column = header.index(data)
        others = [float(row[column]) for row in rows[4:] if row[column]]
        best, ours = float(rows[BEST][column]), float(rows[OURS_ONLINE][column])
        axes.plot(others, [place] * len(others), "o", color="0.7", label="other trackers, online")
        axes.plot(best, place, "o", color="0.2", label="best other, online")
        axes.plot(ours, place, "o", color="tab:blue", markersize=11, label="ours, online")
        for row, colour, label in (
            (BEST_SMOOTHED, "0.2", "best other, smoothed"),
            (OURS, "tab:blue", "ours, smoothed"),
        ):
            value = float(rows[row][column])
            axes.plot(value, place, "o", mfc="none", mec=colour, mew=2, markersize=11, label=label)
        axes.annotate(f"{ours:.2f}", (ours, place), (0, 9), textcoords="offset points", ha="center", color="tab:blue")
        axes.annotate(f"{best:.2f}", (best, place), (0, -20), textcoords="offset points", ha="center", color="0.2")
    axes.set_yticks(range(len(DATA)), DATA.values())
    axes.invert_yaxis()
    axes.set_ylim(len(DATA) - 0.4, -0.6)
    axes.set_xlabel("HOTA, %")
    handles, labels = axes.get_legend_handles_labels()
    first = dict(zip(labels, handles, strict=True))
    axes.legend(first.values(), first.keys(), loc="upper left", fontsize=11)
    save("accuracy")


def curves(axes: Axes, name: str, keep: str = "", drop: str = "\0") -> None:
    """A line for each row of a table whose name contains `keep` and not `drop`."""
    header, rows = table(name)
    x = [float(value) for value in header[1:]]
    for label, *values in rows:
        if keep in label and drop not in label:
            shown = label.split(":")[0] if keep or drop != "\0" else label
            axes.plot(x, [max(float(value), 1e-14) for value in values], "o-", label=shown)
    axes.set_xscale("log")


def cost() -> None:
    """Milliseconds a step, by number of tracks and by length of their history."""
    _, (left, right) = plt.subplots(2, 1, figsize=(8, 9))
    curves(left, "motion-cost-by-tracks")
    curves(right, "motion-cost-by-history")
    left.set(yscale="log", xlabel="number of tracks", ylabel="time of a step, ms")
    right.set(yscale="log", xlabel="observations before, of each of 30 tracks", ylabel="time of a step, ms")
    left.legend(fontsize=11)
    right.legend(fontsize=11)
    save("motion_cost")


def occluded() -> None:
    """Error after an occlusion, share inside the 90 % interval, and identity in the state."""
    _, (error, inside, identity) = plt.subplots(3, 1, figsize=(8, 12))
    curves(error, "motion-occluded", drop="inside")
    error.set(yscale="log", xlabel="frames occluded", ylabel="centre error, box heights")
    curves(inside, "motion-occluded", keep="inside")
    inside.axhline(0.9, color="0.3", linestyle="--", label="what it should hold")
    inside.set(ylim=(0.8, 1.02), xlabel="frames occluded", ylabel="share inside the 90 % interval")
    curves(identity, "motion-identity")
    identity.set_xscale("symlog", linthresh=10)
    identity.axhline(0.05, color="0.3", linestyle="--", label="chance")
    identity.set(xlabel="observations without an embedding", ylabel="share of objects told apart")
    for axes in (error, inside, identity):
        axes.legend(fontsize=11)
    save("motion_occluded")


def recall() -> None:
    """How far back each network recalls a symbol, and the gradient that reaches it."""
    _, (share, gradient) = plt.subplots(2, 1, figsize=(8, 9))
    curves(share, "motion-recall", keep="recalled")
    share.axhline(0.125, color="0.3", linestyle="--", label="chance")
    share.set(ylim=(0, 1.05), xlabel="steps since the symbol", ylabel="share recalled")
    curves(gradient, "motion-recall", keep="gradient")
    gradient.set(yscale="log", xlabel="steps since the symbol", ylabel="gradient at the symbol (0 drawn as 1e-14)")
    share.legend(fontsize=11)
    gradient.legend(fontsize=11)
    save("motion_recall")


def save(name: str) -> None:
    plt.tight_layout()
    plt.savefig(DOCS / "images" / f"{name}.png")
    plt.close()


if __name__ == "__main__":
    plt.rcParams.update(STYLE)
    for draw in (accuracy, cost, occluded, recall):
        draw()
