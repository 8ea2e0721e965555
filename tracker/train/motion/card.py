"""What a motion training leaves to read: the model card, and pictures where matplotlib is installed."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray

from tracker.motion.head import corrected
from tracker.motion.weights import WEIGHTS
from tracker.train.motion.tracks import TrainingTracks
from tracker.train.motion.trainer import NONE_ASIDE, PICTURES, Trainer

BINS_S = np.array([0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0])
LONGEST_EXAMPLE_S = 4.0
STYLE: Any = {"font.size": 12, "savefig.dpi": 180, "savefig.bbox": "tight"}  # legible on a page and on a phone
SHARES = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])


def write_card(trainer: Trainer) -> Path:
    """`motion.md`: what the weights are, how they were made, how good they were on the windows set aside."""
    settings, row = trainer.settings, trainer.rows[-1]
    data = trainer.training
    rows = [
        f"| {name} | {(data.group == i).sum()} | {data.length[data.group == i].sum()} |"
        for i, name in enumerate(data.groups)
    ]
    lines = [
        f"# {WEIGHTS}",
        "",
        f"A motion model ({settings.model}, {sum(p.numel() for p in trainer.network.parameters())} parameters) that",
        "corrects the forecasts of a Kalman filter, and that filter's constants. Input: boxes, scores and times of one",
        "track's detections, 512-d appearance vectors where there are any. Output: box and standard deviation at any",
        f"time after the last detection. {_appearance(data)}",
        "",
        "```",
        trainer.command,
        "```",
        "",
        f"Seed {settings.seed}; {trainer.iteration} iterations of four steps; the weights of the best validation.",
        "",
        *([] if trainer.set_aside else [f"No sequence was set aside: {NONE_ASIDE}.", ""]),
        f"| on the sequences {'set aside' if trainer.set_aside else 'trained on'} (degraded like the training data) "
        "| this model | its filter alone |",
        "| --- | --- | --- |",
        f"| negative log-likelihood | {row['validation_loss']:.3f} | {row['filter_validation_loss']:.3f} |",
        f"| mean IoU of forecasts | {row['iou']:.3f} | {row['filter_iou']:.3f} |",
        "",
        "| trained on | tracks | frames |",
        "| --- | --- | --- |",
        *rows,
        "",
        f"Never trained on: {', '.join(settings.hold_out) or 'nothing was held out'}"
        + (f"; second halves of {', '.join(settings.first_half)}" if settings.first_half else "")
        + f"; set aside to stop by: {', '.join(trainer.set_aside) or 'none'}.",
        "",
        *(
            ["Licences of the data:", "", *(f"- {licence}" for licence in settings.licences), ""]
            if settings.licences
            else []
        ),
        "Not for: identifying people. It knows how boxes move, not whose they are.",
        "",
    ]
    path = trainer.folder / "motion.md"
    path.write_text("\n".join(lines), encoding="utf-8")
    (trainer.folder / "config.yaml").write_text(
        yaml.safe_dump(json.loads(json.dumps(asdict(settings))), sort_keys=False), encoding="utf-8"
    )
    return path


def _appearance(data: TrainingTracks) -> str:
    """Where the features of these tracks were from, in a sentence."""
    simulated = "simulated in training, from the similarities of real features."
    embedded = np.cumsum(np.append(0, data.embedding_row >= 0))
    shown = embedded[data.first + data.length] > embedded[data.first]
    if not shown.any():
        return f"Appearance was {simulated}"
    filmed, read = len(np.unique(data.sequence[shown])), len(np.unique(data.sequence))
    return f"Appearance was the appearance network's\nfor {filmed} of {read} sequences, else {simulated}"


def plot(trainer: Trainer) -> list[Path]:
    """Curves, error by horizon, reliability of the uncertainty, example forecasts, as PNG; none without matplotlib."""
    if importlib.util.find_spec("matplotlib") is None:
        return []
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    network = trainer.averaged(best=True)
    check = trainer.check
    with torch.no_grad():
        output, _ = network(check.geometry, check.features)
        one = torch.ones_like(check.std)
        said = {
            _shown(trainer): corrected(check.mean, check.std, one, output[:, :, None], check.dt),
            "Kalman filter alone": (check.mean, check.std),
        }
    arrays = {name: tuple(part.cpu().numpy() for part in parts) for name, parts in said.items()}
    valid, dt = check.weight.cpu().numpy() > 0, check.dt.cpu().numpy()[..., 0]
    paths = []
    with pyplot.rc_context(STYLE):
        figures = (
            _curves(pyplot, trainer),
            _error_by_horizon(pyplot, arrays, valid, dt),
            _reliability(pyplot, arrays, valid),
            _examples(pyplot, trainer, output.cpu().numpy()),
        )
        for name, figure in zip(PICTURES, figures, strict=True):
            paths.append(trainer.folder / f"{name}.png")
            figure.savefig(paths[-1])
            pyplot.close(figure)
    return paths


def _shown(trainer: Trainer) -> str:
    """The network's name as a reader writes it."""
    model = trainer.settings.model
    return model.title() if model == "transformer" else model.upper()


def _curves(pyplot: Any, trainer: Trainer) -> Any:
    figure, (left, right) = pyplot.subplots(2, 1, figsize=(6.6, 8), layout="constrained")
    iterations = [row["round"] for row in trainer.rows]
    for key, label in (
        ("loss", "training"),
        ("validation_loss", "validation"),
        ("filter_validation_loss", "Kalman filter alone"),
    ):
        left.plot(iterations, [row[key] for row in trainer.rows], label=label)
    for key, label in (("iou", "validation"), ("filter_iou", "Kalman filter alone")):
        right.plot(iterations, [row[key] for row in trainer.rows], label=label)
    left.set(xlabel="iteration", ylabel="negative log-likelihood")
    right.set(xlabel="iteration", ylabel="mean IoU of forecasts")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False)  # off the curves
    return figure


def _error_by_horizon(pyplot: Any, said: dict[str, Any], valid: NDArray[Any], dt: NDArray[Any]) -> Any:
    figure, axes = pyplot.subplots(figsize=(6.6, 4.6))
    for name, (error, _) in said.items():
        distance = np.linalg.norm(error[..., :2], axis=-1)
        means = [
            distance[valid & (dt >= low) & (dt < high)].mean() if (valid & (dt >= low) & (dt < high)).any() else np.nan
            for low, high in zip(BINS_S[:-1], BINS_S[1:], strict=True)
        ]
        axes.plot(np.sqrt(BINS_S[:-1] * BINS_S[1:]), means, marker="o", label=name)
    axes.set(xscale="log", yscale="log", xlabel="seconds ahead", ylabel="mean error of the centre, box heights")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return figure


def _reliability(pyplot: Any, said: dict[str, Any], valid: NDArray[Any]) -> Any:
    figure, axes = pyplot.subplots(figsize=(5.4, 5.4))
    axes.plot([0, 1], [0, 1], color="grey", lw=1)
    widths = -np.log(1 - SHARES) / np.sqrt(2)  # of a Laplace distribution, in standard deviations
    for name, (error, std) in said.items():
        distance = np.abs(error / std)[valid]
        axes.plot(SHARES, [(distance <= width).mean() for width in widths], marker="o", label=name)
    axes.set(xlabel="share an interval should hold", ylabel="share of the truth it holds", xlim=(0, 1), ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def _examples(pyplot: Any, trainer: Trainer, output: NDArray[Any]) -> Any:
    """Twelve tracks: what was seen, where it went, and what was forecast with its 90 % interval."""
    from tracker.motion.kalman import MEAN, forecast, process_unit
    from tracker.train.motion.windows import filtered

    windows = trainer.check_windows
    lesson = filtered(windows, trainer.filter)
    moved = np.linalg.norm(np.ptp(windows.truth[..., :2], axis=1), axis=-1) / np.exp(windows.truth[:, 0, 3])
    at = windows.truth.shape[1] // 2
    soon = windows.time_s[:, -1] - windows.time_s[:, at] < LONGEST_EXAMPLE_S
    usable = np.flatnonzero(windows.valid.all(axis=1) & (moved > 0.5) & soon)[:12]
    figure, grid = pyplot.subplots(4, 3, figsize=(7.2, 9.6), layout="constrained")
    for axes, track in zip(grid.flat, usable, strict=False):
        ahead = np.linspace(0, max(float(windows.time_s[track, -1] - windows.time_s[track, at]), 0.1), 20)[:, None]
        state = lesson.states[:, track, at][:, None]
        unit = process_unit(state[MEAN])
        filter_mean, filter_std = forecast(state, ahead, trainer.filter)
        mean, std = corrected(filter_mean, filter_std, unit, output[track, at][None], ahead)
        x, y = windows.truth[track, :, 0], windows.truth[track, :, 1]
        axes.plot(x, y, color="black", lw=1, label="truth")
        seen = windows.observed[track, : at + 1]
        axes.plot(seen[:, 0], seen[:, 1], ".", color="grey", label="observed")
        axes.plot(filter_mean[:, 0], filter_mean[:, 1], "--", color="tab:orange", label="Kalman filter alone")
        axes.plot(mean[:, 0], mean[:, 1], color="tab:blue", label=_shown(trainer))
        width = 1.63 * std
        for i in range(4, 20, 5):
            angle = np.linspace(0, 2 * np.pi, 40)
            axes.plot(
                mean[i, 0] + width[i, 0] * np.cos(angle),
                mean[i, 1] + width[i, 1] * np.sin(angle),
                color="tab:blue",
                lw=0.5,
            )
        axes.set_aspect("equal", adjustable="datalim")
        axes.invert_yaxis()  # as in the picture: y grows downwards
        axes.set_title(f"{ahead[-1, 0]:.1f} s ahead", fontsize="medium")
        axes.locator_params(nbins=3)
        axes.tick_params(labelsize="small")
    figure.supxlabel("x, pixels", fontsize="medium")
    figure.supylabel("y, pixels", fontsize="medium")
    figure.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize="small")
    return figure
