"""Every number of speed that the documentation has, from a machine that does nothing else, in one command.

    python scripts/studies/speed.py DATA --out OUT [--boxmot-python PATH]

`DATA` holds `clips/people.mp4` and `video/PETS09-S2L1-first`. Each part is one `track bench`, whose files are in
OUT/PART; a part that is there already is not run again. Prints, at last, what OUT/speed.md holds. Half an hour on two
quiet cores.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from options import Out, study
from tracker.bench.report import faster
from tracker.bench.runs import OURS, Cost, called, looped

LOOPS = 6  # times ten seconds of people.mp4 are a minute
MOT = ("--classes", "person", "--no-preproc")


def main(
    data: Annotated[Path, typer.Argument(help="Folder with clips/people.mp4 and video/PETS09-S2L1-first.")],
    out: Out,
    boxmot_python: Annotated[Path | None, typer.Option(help="The interpreter that has BoxMOT.")] = None,
    rounds: Annotated[int, typer.Option(help="Of people.mp4 and of PETS; the minute is run once.")] = 3,
) -> None:
    """Run what is missing and print all."""
    out.mkdir(parents=True, exist_ok=True)
    people, pets, minute = data / "clips" / "people.mp4", data / "video" / "PETS09-S2L1-first", out / "minute.mp4"
    if not minute.is_file():
        looped(people, minute, LOOPS)
    boxmot = ["--boxmot-python", str(boxmot_python)] if boxmot_python else []
    short, alone = ("--loops", "1", "--stream", "1000"), ("--against", "ultralytics")
    parts: dict[str, list[Any]] = {
        "people": [people, "--rounds", rounds, *boxmot],
        "people-edge": [people, "--rounds", rounds, "--config", "edge", *alone, *short],
        "pets": [pets, "--rounds", rounds, *MOT, *boxmot, *short],
        "pets-edge": [pets, "--rounds", rounds, *MOT, "--config", "edge", *alone, *short],
        "minute": [minute, "--rounds", 1, *alone, *short],
        "minute-edge": [minute, "--rounds", 1, "--config", "edge", *alone, *short],
    }
    texts = []
    for name, words in parts.items():
        if not (out / name / "bench.json").is_file():
            print(f"{name} ...", file=sys.stderr, flush=True)
            environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
            command = [sys.executable, "-m", "tracker", "bench", *map(str, words), "--out", str(out / name)]
            subprocess.run(command, check=True, env=environment)
        texts.append(f"### {name}\n\n{table(json.loads((out / name / 'bench.json').read_text()))}\n")
    text = "\n".join(texts)
    (out / "speed.md").write_text(text)
    print(text)


def table(found: dict[str, Any]) -> str:
    """What a bench found, as Markdown."""
    costs = {name: [Cost(**cost) for cost in rounds] for name, rounds in found["runs"].items()}
    lines = [
        "| | wall s, in turn | frames/s | cpu s a minute | times `track`, auto | looked at | HOTA / IDF1 / IDSW |",
        "| --- | --- | ---: | ---: | --- | ---: | --- |",
    ]
    for name, rounds in costs.items():
        wall = statistics.median(cost.wall_s for cost in rounds)
        times = " ".join(f"{faster(rounds, costs[base])['wall']:.2f}x" for base in (OURS, called("auto")))
        share = f"{rounds[0].frames_looked_at / found['frames']:.2f}" if rounds[0].frames else ""
        score = found["scores"].get(name)
        good = f"{score['HOTA']:.2f} / {score['IDF1']:.2f} / {score['IDSW']}" if score else ""
        rows = ", ".join(f"{cost.wall_s:.1f}" for cost in rounds), f"{found['frames'] / wall:.1f}"
        lines.append(f"| {' | '.join([name, *rows, str(found['cpu_s_a_minute'][name]), times, share, good])} |")
    stages = costs[OURS][0].ms_per_frame
    lines += ["", f"| ms a frame | {' | '.join(stages)} |", f"| --- |{' ---: |' * len(stages)}"]
    for name in (OURS, called("auto")):
        lines.append(f"| {name} | {' | '.join(f'{ms:.1f}' for ms in costs[name][0].ms_per_frame.values())} |")
    return "\n".join(lines)


if __name__ == "__main__":
    study(main)
