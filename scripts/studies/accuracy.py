"""Our tracker and the others on all association sets, as the table of docs/accuracy.md.

    python scripts/make_sets.py DATA SETS
    for s in mot17 mot17-fifth mot15;       do python scripts/studies/peers.py SETS/$s --out PEERS/$s; done
    for s in uadetrac sportsmot kitti ...;  do python scripts/studies/peers.py SETS/$s --out PEERS/$s --no-preproc; done
    python scripts/studies/accuracy.py SETS --peers PEERS --out OUT [--config C]

leaves OUT/accuracy.md, OUT/accuracy.json and, beside others, OUT/accuracy.png. With SETS/tune in the place of SETS it
measures what may be tuned on.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from options import Only, Out, Preset, Sets, study
from tracker import Config, Status, Tracker, Tracks
from tracker.boxes import tlwh_to_xyxy
from tracker.cli._options import CameraMotionOption
from tracker.datasets.mot import FRAME, HEIGHT, ID, LEFT, SCORE, MotSequence, find_sequences, results
from tracker.evaluation.tracking import score
from tracker.jobs.sequences import track_sequence
from tracker.smoothing.fixed_lag import FixedLagSmoother

PREPROCESSED = ("mot17", "mot17-fifth", "mot15")
SETS = dict.fromkeys(PREPROCESSED, True) | dict.fromkeys(
    (
        "uadetrac", "sportsmot", "kitti", "kitti-cars", "kitti-people", "dancetrack", "hockey", "jaad", "uavdt",
        "hockey-strides", "dancetrack-strides", "sportsmot-strides", "synthetic",
    ),
    False,
)  # fmt: skip
METRICS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW")
OURS = "**tracker (ours)**"
STRICT = "**ours, strictly online**"
BEST = "the best other on each set"
SMOOTHED = "the best other, half a second late like ours"
TRIED = 3  # the best others of a set that `smoothed_peer` is tried on


def measure(tracker: Tracker, root: Path, preproc: bool, out: Path, **how: Any) -> dict[str, float]:
    """Scores and frames/s of `update` of our tracker on the sequences in `root`; `how` as for `track_sequence`."""
    sequences = find_sequences([root])
    out.mkdir(parents=True, exist_ok=True)
    seconds = sum(track_sequence(tracker, s, out / f"{s.name}.txt", **how) for s in sequences)
    combined: dict[str, float] = score(root, out, preproc=preproc)["combined"]
    return combined | {"update_fps": round(sum(s.length for s in sequences) / seconds, 1)}


def smoothed_peer(peer: Path, sequence: MotSequence, config: Config, every: int = 1) -> str:
    """What half a second of fixed-lag smoothing makes of another tracker's file, as MOTChallenge lines.

    A file of `every` so-manieth frame, numbered without those between: they are interpolated by the same code as ours
    that are not looked at; behind the last that was given its boxes stay.
    """
    table = results(peer / f"{sequence.name}.txt")
    moved = (
        sequence.camera_motion()
        if sequence.camera_motion_file.is_file()
        else np.tile(np.eye(2, 3), (sequence.length, 1, 1))
    )
    cuts = np.searchsorted(table[:, FRAME], np.arange(1, -(-sequence.length // every) + 2))
    smoother: FixedLagSmoother[int] = FixedLagSmoother(config.bank.report_delay_s, config.offline)
    smoothed = []
    for i in range(sequence.length):
        rows, looked = table[cuts[i // every] : cuts[i // every + 1]], i % every == 0
        nothing = np.zeros(len(rows), np.int64)
        boxes, scores = tlwh_to_xyxy(rows[:, LEFT : HEIGHT + 1]).astype(np.float32), rows[:, SCORE].astype(np.float32)
        tracks = Tracks(
            ids=rows[:, ID].astype(np.int64), xyxy=boxes, scores=scores, classes=nothing, raw_classes=nothing,
            status=nothing + int(Status.CONFIRMED), detection_index=np.arange(len(rows)) if looked else nothing - 1,
            time_s=i / sequence.fps, interval_s=1 / sequence.fps, looked=looked,
        )  # fmt: skip
        smoothed += smoother.push(i + 1, tracks, moved[i])
    return "".join(tracks.to_mot(frame) for frame, tracks in smoothed + smoother.flush())


def best_smoothed(scores: dict[str, Any], peers: Path, root: Path, preproc: bool, out: Path) -> dict[str, Any]:
    """The scores of the best others of a set after `smoothed_peer`."""
    rows: dict[str, Any] = {}
    for name in sorted(scores, key=lambda n: -scores[n]["HOTA"])[:TRIED]:
        folder = out / "late" / name
        folder.mkdir(parents=True, exist_ok=True)
        for sequence in find_sequences([root]):
            (folder / f"{sequence.name}.txt").write_text(smoothed_peer(peers / name, sequence, Config()))
        rows[name] = score(root, folder, preproc=preproc)["combined"]
    return rows


def _peers(scores: dict[str, Any]) -> dict[str, Any]:
    return {name: row for name, row in scores.items() if name not in (OURS, STRICT, SMOOTHED)}


def _best_peer(scores: dict[str, Any]) -> dict[str, float]:
    return {"HOTA": max(row["HOTA"] for row in _peers(scores).values())}


def overview(table: dict[str, dict[str, Any]]) -> str:
    """HOTA of every tracker on every set, the best on average first; the best of each set in bold."""
    table = {key: scores | {BEST: _best_peer(scores)} if _peers(scores) else scores for key, scores in table.items()}
    names = {name for scores in table.values() for name in scores}
    best = {key: max(row["HOTA"] for row in scores.values()) for key, scores in table.items()}

    def average(name: str) -> float:
        return sum(scores[name]["HOTA"] if name in scores else 0.0 for scores in table.values()) / len(table)

    lines = ["| HOTA | " + " | ".join([*table, "average"]) + " |", "| --- |" + " ---: |" * (len(table) + 1)]
    for name in sorted(names, key=lambda n: -average(n)):
        cells = []
        for key, scores in table.items():
            value = scores[name]["HOTA"] if name in scores else None
            bold = "**" if value == best[key] else ""
            cells.append("" if value is None else f"{bold}{value:.2f}{bold}")
        cells.append(f"{average(name):.2f}" if all(name in scores for scores in table.values()) else "")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def detail(scores: dict[str, Any], rows: int) -> str:
    """All metrics of the best `rows` trackers of one set."""
    lines = ["| | " + " | ".join(METRICS) + " |", "| --- |" + " ---: |" * len(METRICS)]
    for name in sorted(scores, key=lambda n: -scores[n]["HOTA"])[:rows]:
        values = [f"{scores[name][m]:.2f}" if m != "IDSW" else f"{scores[name][m]}" for m in METRICS]
        lines.append(f"| {name} | " + " | ".join(values) + " |")
    return "\n".join(lines)


def plot(table: dict[str, dict[str, Any]], path: Path) -> None:
    """A row a set: every tracker's HOTA as a dot, online, ours and the best other named; rings: the two with a lag."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6.6, 0.85 * len(table) + 0.9), layout="constrained")
    for row, scores in enumerate(table.values()):
        others = {name: values["HOTA"] for name, values in _peers(scores).items()}
        best = max(others, key=others.__getitem__)
        axes.scatter(list(others.values()), [row] * len(others), s=22, color="0.6", alpha=0.6)
        for name, color in ((OURS, "tab:blue"), (SMOOTHED, "0.3")):
            axes.scatter(scores[name]["HOTA"], row, s=36, facecolor="none", edgecolor=color, zorder=3)
        for name, value, color in ((best, others[best], "0.3"), ("tracker", scores[STRICT]["HOTA"], "tab:blue")):
            ours = name == "tracker"
            axes.scatter(value, row, s=60 if ours else 22, color=color, zorder=3)
            axes.annotate(
                f"{name} {value:.1f}", (value, row), (0, 8 if ours else -15), textcoords="offset points",
                ha="center", fontsize=9, color=color, weight="bold" if ours else "normal",
            )  # fmt: skip
    axes.set_yticks(range(len(table)), list(table))
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.margins(x=0.08)
    axes.set_xlabel("HOTA, %")
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path, dpi=180)


def main(
    sets: Sets,
    out: Out,
    peers: Annotated[Path | None, typer.Option(help="Folder with SET/peers.json of scripts/studies/peers.py.")] = None,
    preset: Preset = None,
    device: str = "cpu",
    only: Only = "",
    camera_motion: CameraMotionOption = None,
    strict_online: Annotated[bool, typer.Option("--strict-online", help="Each frame as it was tracked.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Offline post-processing too.")] = False,
    rows: Annotated[int, typer.Option(help="Trackers in each set's own table.")] = 12,
) -> None:
    """Track and score the sets, and compare with the peers where they have been run."""
    if strict_online and offline:
        raise typer.BadParameter("give --strict-online or --offline, not both")
    tracker = Tracker(Config.load(preset) if preset else Config(), device=device)
    how = {"camera_motion": camera_motion, "strict_online": strict_online, "offline": offline}
    table: dict[str, dict[str, Any]] = {}
    for key in only.split(",") if only else SETS:
        if not (sets / key).is_dir():
            continue
        ours = measure(tracker, sets / key, SETS[key], out / key, **how)
        print(f"{key}: HOTA {ours['HOTA']:.2f}, IDF1 {ours['IDF1']:.2f}, {ours['update_fps']:.0f} frames/s", flush=True)
        table[key] = {OURS: ours}
        if peers and (peers / key / "peers.json").is_file():
            how_strictly = how | {"strict_online": True, "offline": False}
            table[key][STRICT] = measure(tracker, sets / key, SETS[key], out / f"{key}-strict", **how_strictly)
            others = json.loads((peers / key / "peers.json").read_text())
            smoothed = best_smoothed(others, peers / key, sets / key, SETS[key], out / key)
            table[key] |= {SMOOTHED: max(smoothed.values(), key=lambda row: row["HOTA"])} | others
    (out / "accuracy.json").write_text(json.dumps(table, indent=1) + "\n")
    parts = [overview(table)] + [f"### {key}\n\n{detail(scores, rows)}" for key, scores in table.items()]
    (out / "accuracy.md").write_text("\n\n".join(parts) + "\n")
    if all(map(_peers, table.values())):
        plot(table, out / "accuracy.png")
    print(overview(table))


if __name__ == "__main__":
    study(main)
