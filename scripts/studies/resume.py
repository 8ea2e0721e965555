"""Runs killed at random moments and gone on with: `python scripts/studies/resume.py VIDEO [--moments 20] [--offline]`.

A run of VIDEO with all its tables, crops and a video is done once from beginning to end; then it is begun again and
again, each time ended by SIGKILL at a random moment and gone on with by `track --resume`. Prints, for each moment, how
far the state on disk was, what differs in the end from the whole run (all files byte for byte, of the video the number
and times of its frames), and how long the rest took; and writes that as a table to OUT/resume.csv. Ends with 1 where
anything differs.
"""

import argparse
import csv
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import av

from tracker.errors import ResumeError
from tracker.jobs.result_folder import UNFINISHED
from tracker.jobs.resume.unfinished import saved


def track(words: list[str], until_s: float | None = None) -> float:
    """Seconds of a run, killed after so many."""
    begun = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", "tracker", *words], stdout=subprocess.DEVNULL)
    try:
        process.wait(until_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    else:
        if process.returncode:
            raise SystemExit(f"track {' '.join(words)} ended with {process.returncode}")
    return time.monotonic() - begun


def left(folder: Path) -> dict[str, object]:
    """What a run has left, by file: its bytes, of the video the times of its frames; without the record of the run."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "run.yaml"]
    return {
        str(path.relative_to(folder)): times(path) if path.suffix == ".mp4" else path.read_bytes() for path in files
    }


def times(video: Path) -> list[float]:
    with av.open(str(video)) as container:
        return [frame.time for frame in container.decode(video=0)]


def reached(folder: Path) -> str:
    """How far the state is that a killed run has left."""
    try:
        state = saved(folder)
    except ResumeError as error:
        return str(error)
    if state is None:
        return "beginning" if (folder / UNFINISHED).is_dir() else "end"
    return f"frame {state['run']['result']['frames']}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--moments", type=int, default=20)
    parser.add_argument("--offline", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/resume"))
    given = parser.parse_args()
    words = [str(given.video), "--json", "--save-crops", "--quiet", *(["--offline"] if given.offline else [])]
    shutil.rmtree(given.out, ignore_errors=True)
    whole_s = track([*words, "--project", str(given.out / "whole")])
    whole, chance, rows = left(given.out / "whole" / given.video.stem), random.Random(given.seed), []
    print(f"whole: {whole_s:.1f} s, {len(whole)} files")
    for number in range(1, given.moments + 1):
        project = given.out / "killed"
        shutil.rmtree(project, ignore_errors=True)
        moment_s = track([*words, "--project", str(project)], chance.uniform(0, whole_s))
        folder = project / given.video.stem
        at = reached(folder) if folder.exists() else "nothing there"
        rest_s = track([*words, "--project", str(project), "--resume"])
        now = left(folder)
        other = [name for name in sorted({*whole, *now}) if whole.get(name) != now.get(name)]
        rows.append([number, f"{moment_s:.1f}", at, f"{rest_s:.1f}", " ".join(other) or "nothing"])
        print(f"killed after {moment_s:.1f} s at {at}: {rest_s:.1f} s more, differs: {rows[-1][-1]}", flush=True)
    with (given.out / "resume.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows([["run", "killed_s", "state", "rest_s", "differs"], *rows])
    raise SystemExit(any(row[-1] != "nothing" for row in rows))


if __name__ == "__main__":
    main()
