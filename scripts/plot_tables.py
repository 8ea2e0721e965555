"""Draw the pictures of the documentation whose numbers are its own tables.

    python scripts/plot_tables.py

Reads docs/tables/*.csv and leaves in docs/images accuracy.png, motion_cost.png, motion_occluded.png, motion_recall.png,
motion_seeds.png and reidentification.png. (The other pictures need the runs they show; the scripts that measure draw
those.)
"""

from __future__ import annotations

import csv
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

DOCS = Path(__file__).parents[1] / "docs"
STYLE = {"font.size": 12, "axes.grid": True, "grid.alpha": 0.3, "figure.dpi": 180, "lines.linewidth": 2}
WIDTH = 6.6  # inches: letters of this size are legible on a page and on a phone
DATA = {
    "mot17": "MOT17",
    "mot17-fifth": "MOT17,\nevery fifth frame",
    "mot15": "MOT15",
    "uadetrac": "UA-DETRAC",
    "sportsmot": "SportsMOT,\ndegraded truth",
    "kitti": "KITTI,\ndegraded truth",
}
COLOURS = {  # of a line whose label begins so, the same in every picture
    "LSTM": "tab:blue",
    "Transformer": "tab:orange",
    "GRU": "tab:green",
    "RNN": "tab:red",
    "fi": "0.2",  # the Kalman filter alone
    "last box": "0.6",
}
VARIANTS = ("PyTorch's own start", "LSTM (PyTorch)", "whole history")  # drawn dashed, in their network's colour
REID_KINDS = {"clean": "clean features", "statistics": "similarities of small people", "crops": "crops of people"}
REID_COLOURS = {"clean": "tab:green", "statistics": "tab:orange", "crops": "tab:blue"}
OURS, OURS_ONLINE, BEST_SMOOTHED, BEST = 0, 2, 1, 3  # rows of accuracy-hota.csv


def table(name: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of docs/tables/NAME.csv."""
    with (DOCS / "tables" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    return header, rows


def accuracy() -> None:
    """HOTA of all trackers on all data sets."""
    header, rows = table("accuracy-hota")
    _, axes = plt.subplots(figsize=(WIDTH, 7))
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
    axes.legend(first.values(), first.keys(), loc="upper left", fontsize=10)
    save("accuracy")


def curves(axes: Axes, name: str, keep: str = "", drop: str = "\0") -> None:
    """A line for each row of a table whose name contains `keep` and not `drop`."""
    header, rows = table(name)
    x = [float(value) for value in header[1:]]
    for label, *values in rows:
        if keep in label and drop not in label:
            shown = label.split(":")[0] if keep or drop != "\0" else label
            line = "o--" if any(variant in label for variant in VARIANTS) else "o-"
            heights = [max(float(value), 1e-14) for value in values]
            axes.plot(x, heights, line, color=colour(label), label=shown)
    axes.set_xscale("log")


def colour(label: str) -> str:
    """What a network, or the filter, is drawn in."""
    return next(found for start, found in COLOURS.items() if label.startswith(start))


def cost() -> None:
    """Milliseconds a step, by number of tracks and by length of their history."""
    _, (left, right) = plt.subplots(2, 1, figsize=(WIDTH, 8.6))
    curves(left, "motion-cost-by-tracks")
    curves(right, "motion-cost-by-history")
    left.set(yscale="log", xlabel="number of tracks", ylabel="time of a step, ms")
    right.set(yscale="log", xlabel="observations before, of each of 30 tracks", ylabel="time of a step, ms")
    left.legend(fontsize=10)
    right.legend(fontsize=10)
    save("motion_cost")


def occluded() -> None:
    """Error after an occlusion, share inside the 90 % interval, and identity in the state."""
    _, (error, inside, identity) = plt.subplots(3, 1, figsize=(WIDTH, 12))
    curves(error, "motion-occluded", drop="inside")
    error.set(yscale="log", xlabel="frames occluded", ylabel="centre error, box heights")
    curves(inside, "motion-occluded", keep="inside")
    inside.axhline(0.9, color="0.3", linestyle=":", label="what it should hold")
    inside.set(ylim=(0.8, 1.02), xlabel="frames occluded", ylabel="share inside the 90 % interval")
    curves(identity, "motion-identity")
    identity.set_xscale("symlog", linthresh=10)
    identity.axhline(0.05, color="0.3", linestyle=":", label="chance")
    identity.set(xlabel="observations without an embedding", ylabel="share of objects told apart")
    for axes in (error, inside, identity):
        axes.legend(fontsize=10)
    save("motion_occluded")


def recall() -> None:
    """How far back each network recalls a symbol, and the gradient that reaches it."""
    _, (share, gradient) = plt.subplots(2, 1, figsize=(WIDTH, 8.6))
    curves(share, "motion-recall", keep="recalled")
    share.axhline(0.125, color="0.3", linestyle=":", label="chance")
    share.set(ylim=(0, 1.05), xlabel="steps since the symbol", ylabel="share recalled")
    curves(gradient, "motion-recall", keep="gradient")
    gradient.set(yscale="log", xlabel="steps since the symbol", ylabel="gradient at the symbol (0 drawn as 1e-14)")
    share.legend(fontsize=10)
    gradient.legend(fontsize=10)
    save("motion_recall")


def seeds() -> None:
    """How far the other networks are below the LSTM: mean of three seeds, with their standard deviation."""
    _, rows = table("motion-seeds")
    found = {tuple(row[:4]): (float(row[4]), float(row[5])) for row in rows}
    datasets, networks = (list(dict.fromkeys(row[i] for row in rows)) for i in (0, 1))
    _, panels = plt.subplots(4, 2, figsize=(WIDTH, 10), sharex="col", sharey=True, width_ratios=(2, 1))
    for panel_row, data in zip(panels, datasets, strict=True):
        for axes, (rate, said) in zip(panel_row, (("native", data), ("a fifth", "a fifth of the rate")), strict=True):
            ahead = [key[3] for key in found if key[:3] == (data, networks[0], rate)]
            for number, network in enumerate(reversed(networks)):
                mean, deviation = zip(*(found[data, network, rate, h] for h in ahead), strict=True)
                best = [found[data, "LSTM", rate, h][0] for h in ahead]
                place = [k + 0.17 * (number - 1.5) for k in range(len(ahead))]
                below = [own - lstm for own, lstm in zip(mean, best, strict=True)]
                axes.errorbar(place, below, deviation, fmt="o", ms=5, capsize=3, color=COLOURS[network], label=network)
            axes.axhline(0, color="0.3", lw=1)
            axes.set_xticks(range(len(ahead)), ahead)
            axes.set_title(said, fontsize=11)
    for axes in panels[-1]:
        axes.set_xlabel("frames ahead")
    panels[1, 0].legend(fontsize=10, ncols=2, loc="lower center")
    plt.gcf().supylabel("mean IoU of forecasts, less that of the LSTM", fontsize=12)
    save("motion_seeds")


def reidentification() -> None:
    """Ids given back and ids given to the wrong person, by how long everybody was away."""
    header, rows = table("appearance-reidentification")
    away = [row[0] for row in rows]
    _, (right, wrong) = plt.subplots(2, 1, figsize=(WIDTH, 7.4), sharex=True, height_ratios=(3, 2))
    for column, label in enumerate(header[1:], 1):
        pairs = [[float(part) for part in row[column].split("/")] for row in rows]
        style = {"linestyle": "--" if "reid_odds" in label else "-", "marker": "o"}
        style["color"] = REID_COLOURS[label.split(",")[0]]
        shown = label.replace("`", "")
        for short, long in REID_KINDS.items():
            shown = shown.replace(short, long)
        right.plot(away, [pair[0] for pair in pairs], label=shown, **style)
        wrong.plot(away, [pair[1] for pair in pairs], **style)
    right.set(ylim=(-3, 105), ylabel="ids given back, %")
    wrong.set(ylim=(-1, 20), ylabel="ids given to the\nwrong person, %", xlabel="away for")
    right.legend(fontsize=10, loc="upper center", bbox_to_anchor=(0.45, 1.27), ncols=2)
    save("reidentification")


def save(name: str) -> None:
    plt.tight_layout()
    plt.savefig(DOCS / "images" / f"{name}.png")
    plt.close()


if __name__ == "__main__":
    plt.rcParams.update(STYLE)
    for draw in (accuracy, cost, occluded, recall, seeds, reidentification):
        draw()
