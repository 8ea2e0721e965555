"""Track MOTChallenge sequences and score the result with TrackEval."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tracker.cli._options import (
    SENSITIVITY,
    CameraMotionOption,
    DetectEvery,
    DetectionsFrom,
    DetectionsOption,
    Download,
    Jobs,
    Preproc,
    Prompt,
    exported_models,
    fetched,
    listed,
    option,
    overridden,
)
from tracker.config import Config, DetectorConfig

if TYPE_CHECKING:
    from rich.console import Console

    from tracker.datasets.mot import MotSequence
    from tracker.jobs.batch.sequences import SequencePlan
    from tracker.tracker import Tracker

LEFT = ("run.yaml", "metrics.json", "report.html")
COLUMNS = ("HOTA", "DetA", "AssA", "MOTA", "IDF1", "IDSW", "Frag", "FP", "FN")
IDENTITY = ("Purity", "Completeness", "WrongID", "WrongID_s")


def command(
    roots: Annotated[list[Path], typer.Argument(metavar="ROOT", help="A sequence, or a folder of sequences.")],
    out: Annotated[Path, typer.Option(help="Folder for SEQUENCE.txt, metrics.json and report.html.")],
    detections: DetectionsOption = DetectionsFrom.det,
    camera_motion: CameraMotionOption = None,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file.", metavar="C")] = None,
    model: Annotated[str | None, option(DetectorConfig, "model", about="With yolo: another detector.")] = None,
    classes: Annotated[
        list[str] | None,
        option(
            DetectorConfig, "classes", about="With yolo: only these names or numbers; repeat or separate by commas."
        ),
    ] = None,
    prompt: Prompt = None,
    download: Download = False,
    sensitivity: Annotated[float | None, option(Config, "sensitivity", about=SENSITIVITY, metavar="0..1")] = None,
    detect_every: DetectEvery = None,
    device: Annotated[str | None, option(Config, "device")] = None,
    preproc: Preproc = True,
    strict_online: Annotated[
        bool,
        typer.Option(
            "--strict-online",
            help="Write frames as they were tracked, not as what follows shows them.",
        ),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Offline post-processing of each finished sequence: link tracks, fill gaps, smooth."
        ),
    ] = False,
    against: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of another tracker's result files, scored beside ours; how late each was written is said. "
            "Repeatable."
        ),
    ] = None,
    jobs: Jobs = 1,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no table.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json's content.")] = False,
) -> None:
    """Track sequences in MOTChallenge's layout and score them.

    A sequence is a folder with seqinfo.ini and det/det.txt (or img1/ for
    --detections yolo); gmc.txt (camera motion) and gt/gt.txt are used where
    they are. Leaves OUT/SEQUENCE.txt, ready to submit, and, where there is
    ground truth, OUT/metrics.json (HOTA, DetA, AssA, MOTA, IDF1, identity
    switches, ... by TrackEval; purity and completeness of identities, and how
    long objects go under a wrong one) and OUT/report.html, which shows each
    identity switch and fragmentation. OUT/run.yaml says how it was made.

    Example: track eval MOT17/train --out runs/eval
    """
    from rich.console import Console

    from tracker import provenance
    from tracker.cli.run import prepare
    from tracker.datasets.mot import find_sequences
    from tracker.errors import UsageError
    from tracker.jobs.batch.sequences import SequencePlan
    from tracker.system.files import replace_text
    from tracker.system.output_folder import claim
    from tracker.tracker import Tracker

    if offline and strict_online:
        raise UsageError("--offline and --strict-online exclude each other; leave one out")
    ours = {"--model": model, "--classes": classes, "--prompt": prompt, "--download": download}
    if detections is DetectionsFrom.det and (name := next((name for name, value in ours.items() if value), None)):
        raise UsageError(f"{name} is for our detector, which --detections det leaves out; give --detections yolo, too")
    sequences = find_sequences(roots)
    settings = overridden(
        Config.load(config) if config else Config(),
        {
            "--sensitivity": ("sensitivity", sensitivity),
            **exported_models(model),
            "--classes": ("detector", "classes", listed(classes)),
            "--prompt": ("detector", "prompt", listed(prompt)),
            "--detect-every": ("detector", "every", detect_every),
        },
    )
    if detections is DetectionsFrom.yolo:
        if download:
            fetched(settings.detector, quiet)
        prepare(settings, quiet)
    tracker = Tracker(settings, device=device)
    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)  # names may have brackets, colons
    record = _record(tracker, sequences, detections, camera_motion, strict_online, offline)
    scored = [s for s in sequences if s.ground_truth_file.is_file()]
    others = {str(folder): _score(scored, folder, preproc) for folder in against or []}  # first: a fault shows at once
    claim(out, "eval", (*LEFT, *(f"{sequence.name}.txt" for sequence in sequences)), [*roots, *(against or [])])
    for name in LEFT:  # what an earlier evaluation says is not of these tracks
        (out / name).unlink(missing_ok=True)
    replace_text(out / "run.yaml", provenance.yaml_text(record))
    plan = SequencePlan(
        settings, device, out, str(detections), camera_motion and str(camera_motion), strict_online, offline
    )
    fps, share = _track(plan, sequences, jobs, console)

    metrics: dict[str, Any] = {"update_fps": round(fps, 1), "looked_at_share": round(share, 4)}
    if scored:
        metrics = _score(scored, out, preproc) | metrics | ({"against": others} if others else {})
        _save(scored, out, metrics, preproc, console)
    if as_json:
        print(json.dumps(metrics))
    elif not quiet:
        shown = _tables(metrics) if scored else "no ground truth (gt/gt.txt) to score with"
        Console(markup=False, emoji=False).print(shown)
        console.print(f"{fps:.0f} frames/s in update; results in {out}", soft_wrap=True)
        if scored and detections is DetectionsFrom.yolo and not settings.detector.classes:
            remark = "whatever the detector knows was tracked and scored, not people alone; see --classes"
            console.print(remark, soft_wrap=True)


def _record(
    tracker: Tracker,
    sequences: list[MotSequence],
    detections: str,
    camera_motion: str | None,
    strict_online: bool,
    offline: bool,
) -> dict[str, Any]:
    """What run.yaml says: enough to replay the run, as `track explain` does."""
    from tracker import provenance
    from tracker.system.device import resolve_device

    return {
        "command": provenance.command_line(["track", *sys.argv[1:]]),
        "sequences": {s.name: str(s.folder) for s in sequences},
        "given": {"detections": str(detections), "camera_motion": camera_motion and str(camera_motion)},
        "strict_online": strict_online,
        "offline": offline,
    } | provenance.conditions(tracker.config, resolve_device(tracker.config.device), detections == "yolo")


def _track(plan: SequencePlan, sequences: list[MotSequence], jobs: int, console: Console) -> tuple[float, float]:
    """Write OUT/SEQUENCE.txt for each sequence; return frames/s of `Tracker.update`, and the share looked at."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from tracker.jobs.batch.sequences import track_sequences

    frames = sum(s.length for s in sequences)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=frames)
        seconds, looked = track_sequences(
            plan, sequences, jobs, lambda name, done: bar.update(task, description=name, completed=done)
        )
    return frames / seconds if seconds else 0.0, looked / frames


def _score(sequences: list[MotSequence], results: Path, preproc: bool) -> dict[str, Any]:
    """The scores of a folder of results, and how late each file was written."""
    from tracker.evaluation.lateness import lateness
    from tracker.evaluation.tracking import score

    scores = score([s.folder for s in sequences], results, [s.name for s in sequences], preproc)
    return scores | {"written": {s.name: asdict(lateness(results / f"{s.name}.txt", s)) for s in sequences}}


def _save(sequences: list[MotSequence], out: Path, metrics: dict[str, Any], preproc: bool, console: Console) -> None:
    """Write metrics.json and report.html."""
    from tracker.evaluation.report import write_report
    from tracker.system.files import replace_text

    replace_text(out / "metrics.json", json.dumps(metrics, indent=2) + "\n")
    with console.status("drawing the report"):
        write_report(sequences, out, out / "report.html", metrics, preproc=preproc)


def _tables(metrics: dict[str, Any]) -> Any:
    """Two tables with a row a sequence, one for all, and one for every other tracker."""
    from rich.console import Group
    from rich.table import Table

    from tracker.evaluation.lateness import told

    usual, identity = (Table("", *names, box=None, header_style="bold") for names in (COLUMNS, IDENTITY))
    for table in (usual, identity):
        table.columns[0].overflow = "fold"  # a folder's path may be long; numbers and names stay whole
        table.columns[0].min_width = max(map(len, metrics["sequences"]))
        for column in table.columns[1:]:
            column.justify, column.no_wrap = "right", True
    identity.add_column("Written", min_width=15)

    def add(name: str, scores: dict[str, float], written: dict[str, Any], style: str = "") -> None:
        for table, names, more in ((usual, COLUMNS, ()), (identity, IDENTITY, (told(written),))):
            cells = (f"{scores[c]:.2f}" if isinstance(scores[c], float) else f"{scores[c]}" for c in names)
            table.add_row(name, *cells, *more, style=style)

    for name, scores in metrics["sequences"].items():
        add(name, scores, {name: metrics["written"][name]})
    add("all", metrics["combined"], metrics["written"], "bold green")
    for folder, other in metrics.get("against", {}).items():
        add(folder, other["combined"], other["written"], "cyan")
    return Group(usual, identity)
