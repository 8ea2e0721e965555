"""Measure speed, memory and, where there is a truth, accuracy, side by side with other trackers."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli._options import Preproc, option, overridden
from tracker.config import Config, DetectorConfig


def command(
    out: Annotated[Path, typer.Option(help="Folder for bench.json and bench.png.")],
    source: Annotated[
        Path | None,
        typer.Argument(
            metavar="[SOURCE]",
            help="Video, or a MOTChallenge sequence with images: scored, where it has gt/gt.txt. "
            "Default: the clip of track demo.",
        ),
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            help="Of ultralytics and boxmot, separated by commas; or none.", show_default="those that are installed"
        ),
    ] = None,
    boxmot_python: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The interpreter that has BoxMOT, where it is another one.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file of ours.", metavar="C")] = None,
    classes: Annotated[
        list[str] | None,
        option(DetectorConfig, "classes", about="Only these, by name or number, of all; as of track."),
    ] = None,
    detect_every: Annotated[
        str,
        typer.Option(
            metavar="N|SECONDSs|auto",
            help="Ours also with these frames looked at alone, in turn; several separated by commas.",
        ),
    ] = "auto",
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 3,
    loops: Annotated[int, typer.Option(min=1, help="Memory also with the clip so many times over; 1: not.")] = 4,
    stream: Annotated[int, typer.Option(min=1000, help="Frames of the long stream of boxes, 1000 or more.")] = 5000,
    preproc: Preproc = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json's content.")] = False,
) -> None:
    """Time whole runs and the parts of them, with memory, and with accuracy where there is a truth.

    `track SOURCE`, looking at every frame and at fewer, and the others (`yolo track` with its default tracker and with
    ByteTrack, BoxMOT) run in turn, with the same clip and weights, leaving video and text; then `Tracker.update` alone
    with 10 to 5,000 objects, and in a long stream of objects that come and go. Of a sequence with ground truth HOTA,
    IDF1 and identity switches stand beside the speed, of ours as it is written and, strictly online, as it is tracked.

    Example: track bench video.mp4 --against ultralytics --out runs/bench
    """
    import tempfile

    from rich.console import Console

    from tracker import provenance
    from tracker.bench.growth import by_length, by_objects
    from tracker.bench.peers import installed, peers
    from tracker.bench.report import BenchReport
    from tracker.bench.runs import OURS, in_turn, looped, measure, ours, variants
    from tracker.bench.truth import as_clip, scored
    from tracker.cli.run import prepare
    from tracker.datasets.mot import MotSequence
    from tracker.errors import SourceError
    from tracker.jobs.demo import make_clip
    from tracker.system.extras import extra
    from tracker.system.files import replace_text
    from tracker.system.output_folder import claim
    from tracker.video.source import open_source

    extra("matplotlib", "train")
    wanted = [name for item in classes or () for name in item.split(",") if name]
    settings = overridden(
        Config.load(config) if config else Config(), {"--classes": ("detector", "classes", wanted or None)}
    )
    looks = [every for every in detect_every.split(",") if every not in ("", "1")]
    for every in looks:  # an error shows at once
        overridden(settings, {"--detect-every": ("detector", "every", every)})
    sequence = MotSequence.read(source) if source is not None and source.is_dir() else None
    if source is not None and not source.exists():
        raise SourceError(f"no file {source}; give a video file, or a sequence's folder")
    claim(out, "bench", ("bench.json", "bench.png"), [source] if source else [])
    prepare(settings, quiet)
    console = Console(stderr=True, quiet=quiet, markup=False, emoji=False)
    with tempfile.TemporaryDirectory() as name, console.status("") as status:

        def tell(what: str) -> None:
            """One after another where they stay, as in a log; in a terminal one in the place of the other."""
            if console.is_terminal:
                status.update(what)
            else:
                console.print(what, soft_wrap=True)

        folder = Path(name)
        if source is None:
            tell("making the clip of track demo")
        clip = (as_clip(sequence, folder) if sequence else source or make_clip(folder / "demo")).resolve()
        with open_source(clip) as opened:
            size = opened.size or (0, 0)
        preset = str(Path(config).resolve()) if config and Path(config).is_file() else config
        truth = sequence if sequence and sequence.ground_truth_file.is_file() else None
        strict = folder / "strictly-online.yaml" if truth else None
        if strict:
            strict.write_text(provenance.yaml_text(settings.override({"bank": {"report_delay_s": 0.0}}).to_dict()))
        names, missing = installed(settings, boxmot_python) if against is None else (against.split(","), "")
        left_out = [missing] if missing else []
        only = ["--classes", ",".join(wanted)] if wanted else []
        commands = variants(clip, preset, looks, only, strict)
        commands |= peers([n for n in names if n not in ("", "none")], clip, size, settings, folder, boxmot_python)
        kept = folder / "tracks"
        told = [name for name in commands if truth and "--no-video" not in name]  # without, tracks are the same
        commands |= {name: replace(commands[name], kept=kept / name / f"{clip.stem}.txt") for name in told}
        costs = in_turn(commands, rounds, tell, left_out.append)
        scores = scored(truth, kept, filter(costs.__contains__, told), preproc) if truth else {}
        repeated = None
        if loops > 1:
            tell(f"{OURS}, the clip {loops} times over")
            repeated = measure(ours(looped(clip, folder / f"long{clip.suffix}", loops), preset))
        grown = by_objects(tell)
        tell(f"a long stream: {stream} frames")
        stretches = by_length(stream, status.update)
    for said in left_out:
        print(f"warning: {said}", file=sys.stderr)
    about = {
        "clip": clip.name,
        "left_out": left_out,
        "config": config or "default",
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    report = BenchReport(about, costs, repeated, grown, stretches, scores, looks)
    text = json.dumps(report.to_dict(), indent=1)
    replace_text(out / "bench.json", text + "\n")
    report.plot(out / "bench.png")
    if as_json:
        print(text)
    elif not quiet:
        Console().print(report.tables())
        print(f"results in {out}")
