"""How much accuracy it costs to look at fewer frames: HOTA against the share looked at, of ours and of others.

    python scripts/studies/fewer_looks.py SETS --out OUT [--only mot17] [--peers roboflow-bytetrack,...]

The others get the detections of every Kth frame, at that frame rate and with the camera's motion composed, as
`track --vid-stride` would give them; the frames between are interpolated by the code that interpolates ours, with the
same lag. Scored are all frames. Needs the packages of `scripts/studies/peers.py`.

Leaves OUT/looks.csv and OUT/looks.png. What OUT/looks.json holds is not run again, so it may be interrupted.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import peers as others
from accuracy import SETS, smoothed_peer
from options import Only, Out, Sets, study
from tracker import Config, Tracker
from tracker.datasets.mot import MotSequence, find_sequences
from tracker.evaluation.tracking import combined_hota, hota_fields
from tracker.jobs.sequences import track_sequence

STRIDES = (1, 2, 3, 4, 6, 8)
SHOWN = {  # set -> title
    "mot17": "people in streets (MOT17 second halves, YOLOX)",
    "uadetrac": "traffic cameras (UA-DETRAC, R-CNN)",
    "dancetrack": "dancers (DanceTrack)",
}
PEERS = (
    "ultralytics-tracktrack-mot", "ultralytics-bytetrack-mot", "ultralytics-botsort-mot", "boxmot-occluboost",
    "roboflow-bytetrack", "roboflow-cbiou",
)  # fmt: skip
OURS, AUTO = "ours", "ours, auto"
BEST, OTHERS = "best other at each share", "other trackers"
WIDTH = 6.6  # inches, as of all pictures
BLUE, DARK, PALE = "tab:blue", "0.2", "0.7"

Found = dict[str, dict[str, Any]]  # "set/tracker/stride" -> share, HOTA, seconds


def main(
    sets: Sets,
    out: Out,
    only: Only = "",
    names: Annotated[str, typer.Option("--peers", help="Some, separated by commas; - for none.")] = ",".join(PEERS),
) -> None:
    """Track, score and draw."""
    os.environ["YOLO_OFFLINE"] = "1"
    warnings.filterwarnings("ignore")
    logging.disable(logging.INFO)
    out.mkdir(parents=True, exist_ok=True)
    store = out / "looks.json"
    found: Found = json.loads(store.read_text()) if store.is_file() else {}

    def once(key: str, run: Callable[[], dict[str, Any]]) -> None:
        if key in found:
            return
        start = time.process_time()
        try:
            found[key] = run() | {"cpu_s": round(time.process_time() - start, 1)}
        except Exception as error:  # another package's: any kind can come out of it
            print(f"{key}: failed: {type(error).__name__}: {error}", flush=True)
            return
        store.write_text(json.dumps(found, indent=1))
        print(f"{key}: {found[key]}", flush=True)

    for key in only.split(",") if only else SHOWN:
        sequences = find_sequences([sets / key])
        for every in ("auto", *map(str, STRIDES)):
            name = AUTO if every == "auto" else OURS
            once(f"{key}/{name}/{every}", partial(ours, sequences, every, SETS[key], out / key / name / every))
        moving = all(sequence.camera_motion_file.is_file() for sequence in sequences)
        for peer in names.split(",") if names != "-" else []:
            name = f"{peer}-gmc" if moving and f"{peer}-gmc" in others.peers() else peer
            for step in STRIDES:
                once(f"{key}/{name}/{step}", partial(theirs, name, sequences, step, SETS[key], out / key / name))
    write_table(found, out / "looks.csv")
    draw(found, out / "looks.png")


def ours(sequences: list[MotSequence], every: str, preproc: bool, out: Path) -> dict[str, Any]:
    """HOTA of our tracks as they are written, and the share of the frames looked at."""
    tracker = Tracker(Config().override({"detector": {"every": every}}), device="cpu")
    looks: list[bool] = []
    out.mkdir(parents=True, exist_ok=True)
    for sequence in sequences:
        track_sequence(tracker, sequence, out / f"{sequence.name}.txt", progress=looks.append)
    return {"share": sum(looks) / len(looks), "HOTA": scored(sequences, out, preproc)}


def theirs(name: str, sequences: list[MotSequence], step: int, preproc: bool, out: Path) -> dict[str, Any]:
    """HOTA of another tracker on every `step`-th frame, those between interpolated."""
    raw, written = out / str(step) / "raw", out / str(step)
    raw.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for sequence in sequences:
            given = others.altered(sequence, Path(folder), step, None)
            others.run(others.peers()[name](given), given, raw)
            (written / f"{sequence.name}.txt").write_text(smoothed_peer(raw, sequence, Config(), step))
    looks = sum(-(-sequence.length // step) for sequence in sequences)
    return {"share": looks / sum(s.length for s in sequences), "HOTA": scored(sequences, written, preproc)}


def scored(sequences: list[MotSequence], out: Path, preproc: bool) -> float:
    """HOTA of all sequences together."""
    return combined_hota({s.name: hota_fields(s, out / f"{s.name}.txt", preproc) for s in sequences})


def write_table(found: Found, path: Path) -> None:
    """A row each of set, tracker, frames looked at, share and HOTA."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["set", "tracker", "looked at", "share", "HOTA"])
        for key, row in found.items():
            table.writerow([*key.split("/"), f"{row['share']:.3f}", f"{row['HOTA']:.2f}"])


def draw(found: Found, path: Path) -> None:
    """A panel a set: a line a tracker; of ours also what `auto` gives, of the others the best at each share named."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 12, "axes.grid": True, "grid.alpha": 0.3, "lines.linewidth": 2})
    curves = {data: _curves(found, data) for data in SHOWN if any(key.startswith(f"{data}/") for key in found)}
    figure, panels = plt.subplots(
        len(curves), figsize=(WIDTH, 3.4 * len(curves)), sharex=True, squeeze=False, layout="constrained"
    )
    for axes, (data, lines) in zip(panels[:, 0], curves.items(), strict=True):
        for name in sorted(set(lines) - {OURS, AUTO}):
            axes.plot(*zip(*lines[name], strict=True), "-", color=PALE, lw=1, label=OTHERS)
        rivals = [points for name, points in lines.items() if name not in (OURS, AUTO)]
        shares = sorted({share for points in rivals for share, _ in points})
        best = [max(hota for points in rivals for at, hota in points if at == share) for share in shares]
        axes.plot(shares, best, "o-", color=DARK, label=BEST)
        axes.plot(*zip(*lines.get(OURS, [(1.0, float("nan"))]), strict=True), "o-", color=BLUE, label=OURS)
        for share, hota in lines.get(AUTO, []):
            axes.plot(share, hota, "*", color=BLUE, markersize=17, mec="white", label=AUTO, zorder=4)
        axes.set_title(SHOWN[data], fontsize=12)
        axes.set_ylabel("HOTA, %")
        axes.margins(y=0.12)
    lowest = panels[-1, 0]
    lowest.set(xscale="log", xlim=(1.1, 0.11), xlabel="frames that are looked at")  # fewer and fewer, to the right
    lowest.set_xticks([1 / step for step in STRIDES], ["all", *(f"1/{step}" for step in STRIDES[1:])])
    lowest.set_xticks([], minor=True)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    first = dict(zip(reversed(labels), reversed(handles), strict=True))
    names = [name for name in (OURS, AUTO, BEST, OTHERS) if name in first]
    panels[0, 0].legend([first[name] for name in names], names, fontsize=10, loc="lower left")
    figure.savefig(path, dpi=180)
    plt.close(figure)


def _curves(found: Found, data: str) -> dict[str, list[tuple[float, float]]]:
    """Tracker -> its points, by share."""
    lines: dict[str, list[tuple[float, float]]] = {}
    for key, row in found.items():
        of, name, _ = key.split("/")
        if of == data:
            lines.setdefault(name, []).append((row["share"], row["HOTA"]))
    return {name: sorted(points) for name, points in lines.items()}


if __name__ == "__main__":
    study(main)
