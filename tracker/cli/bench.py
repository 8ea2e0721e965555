"""Measure speed and memory, side by side with other trackers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from tracker.cli._options import overridden


def command(
    out: Annotated[Path, typer.Option(help="Folder for bench.json and bench.png.")],
    source: Annotated[
        Path | None, typer.Argument(metavar="[SOURCE]", help="Video file. Default: the clip of track demo.")
    ] = None,
    against: Annotated[str, typer.Option(help="Of ultralytics and boxmot, separated by commas.")] = "",
    boxmot_python: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The interpreter that has BoxMOT, where it is another one.")
    ] = None,
    config: Annotated[str | None, typer.Option(help="Preset or YAML file of ours.", metavar="C")] = None,
    detect_every: Annotated[
        str, typer.Option(metavar="N|SECONDSs|auto", help="Ours also with these frames looked at alone, in turn.")
    ] = "",
    rounds: Annotated[int, typer.Option(min=1, help="Runs of each, in turn.")] = 3,
    loops: Annotated[int, typer.Option(min=1, help="Memory also with the clip so many times over; 1: not.")] = 4,
    stream: Annotated[int, typer.Option(min=1000, help="Frames of the long stream of boxes.")] = 5000,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress and no tables.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print bench.json's content.")] = False,
) -> None:
    """Time whole runs and the parts of them, with memory.

    `track SOURCE` and the others run in turn, with the same clip and weights, leaving video and text; then
    `Tracker.update` alone with 10 to 5,000 objects, and in a long stream of objects that come and go.

    Example: track bench video.mp4 --against ultralytics --out runs/bench
    """
    import tempfile

    from rich.console import Console

    from tracker import provenance
    from tracker.bench.growth import by_length, by_objects
    from tracker.bench.report import BenchReport
    from tracker.bench.runs import OURS, in_turn, looped, measure, ours, peers
    from tracker.cli.run import prepare
    from tracker.config import Config
    from tracker.errors import SourceError
    from tracker.jobs.demo import make_clip
    from tracker.system.extras import extra
    from tracker.system.files import replace_text
    from tracker.system.output_folder import claim

    extra("matplotlib", "train")
    settings = Config.load(config) if config else Config()
    overridden(settings, {"--detect-every": ("detector", "every", detect_every or None)})  # an error shows at once
    if source is not None and not source.is_file():
        raise SourceError(f"no file {source}; give a video file")
    claim(out, "bench", ("bench.json", "bench.png"), [source] if source else [])
    prepare(settings, quiet)
    console = Console(stderr=True, quiet=quiet)
    with tempfile.TemporaryDirectory() as name, console.status("") as status:
        folder = Path(name)
        others = [peer for peer in against.split(",") if peer]
        clip = (source or make_clip(folder / "demo")).resolve()
        preset = str(Path(config).resolve()) if config and Path(config).is_file() else config
        commands = {
            OURS: ours(clip, preset),
            f"{OURS} --no-reid": ours(clip, preset, "--no-reid"),
            f"{OURS} --no-video": ours(clip, preset, "--no-video"),
        }
        if detect_every:
            looks = "--detect-every", detect_every
            commands[" ".join([OURS, *looks])] = ours(clip, preset, *looks)
        commands |= peers(others, clip, settings, folder, boxmot_python)
        costs = in_turn(commands, rounds, status.update)
        status.update(f"{OURS}, the clip {loops} times over")
        repeated = measure(ours(looped(clip, folder / f"long{clip.suffix}", loops), preset)) if loops > 1 else None
        grown, stretches = by_objects(status.update), by_length(stream, status.update)
    about = {
        "clip": clip.name,
        "config": config or "default",
        "versions": provenance.versions(),
        "machine": provenance.machine(),
    }
    report = BenchReport(about, costs, repeated, grown, stretches)
    text = json.dumps(report.to_dict(), indent=1)
    replace_text(out / "bench.json", text + "\n")
    report.plot(out / "bench.png")
    if as_json:
        print(text)
    elif not quiet:
        Console().print(report.tables())
        print(f"results in {out}")
