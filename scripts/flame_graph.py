"""Draw where the time of a run goes, thread by thread, from py-spy's samples.

    py-spy record --threads --format raw -o stacks.txt -- python -m tracker run video.mp4
    python scripts/flame_graph.py stacks.txt flame.png

Only what computes is sampled, so a thread that waits takes no width. Frames of the interpreter, of thread pools and of
PyTorch's module calls are left out, as is all before the first frame of the video (imports, loading).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt

THREADS = {"decode": "#8d99ae", "detect": "#0f8b8d", "MainThread": "#e07a1f", "write": "#b56576"}  # name, colour
LEFT_OUT = ("threading.py", "concurrent/futures", "runpy", "torch/nn/modules/module.py", "torch/utils/", "contextlib")
LOADING = ("Tracker.detector", "Tracker.embedder", "_Job._record")
DEPTH = 7
LEAST = 0.006  # of the whole width: narrower boxes are not drawn


def stacks(path: Path) -> Counter[tuple[str, ...]]:
    """Samples by (thread, function, function, ...)."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in path.read_text().splitlines():
        text, _, count = line.rpartition(" ")
        thread, *frames = text.split(";")
        kind = next((name for name in THREADS if f": {name}" in thread), None)
        kept = [frame for frame in frames if not any(part in frame for part in LEFT_OUT)]
        if kind == "MainThread":
            start = next((i for i, frame in enumerate(kept) if "_Job.track" in frame), len(kept))
            kept = [] if any(part in frame for part in LOADING for frame in kept) else kept[start:]
        if kind and kept:
            names = [name(frame) for frame in kept]
            merged = [own for own, before in zip(names, [""] + names, strict=False) if own != before]
            found[kind, *merged] += int(count)
    return found


def name(frame: str) -> str:
    """`function (tracker/output/writers.py:12)` as `writers.function`, `Class.method (...)` as it is."""
    function, _, place = re.sub(r"\.?<\w+>", "", frame).partition(" (")
    return function if "." in function else f"{Path(place.partition(':')[0]).stem}.{function}"


def draw(axes: plt.Axes, samples: Counter[tuple[str, ...]], left: float, depth: int, colour: str, total: int) -> None:
    """One level of boxes from `left`, and what each called below it."""
    children: dict[str, Counter[tuple[str, ...]]] = {}
    for stack, count in samples.items():
        if stack:
            children.setdefault(stack[0], Counter())[stack[1:]] += count
    for title, below in sorted(children.items(), key=lambda item: -item[1].total()):
        width = below.total() / total
        if width >= LEAST and depth < DEPTH:
            axes.barh(-depth, width, 0.94, left, align="edge", color=colour, alpha=1 - 0.09 * depth, ec="white", lw=0.7)
            room = int(width * 175)
            share = f" {100 * width:.0f} %" if depth == 0 else ""
            label = (title if len(title) <= room - len(share) else title.rpartition(".")[2])[
                : max(0, room - len(share))
            ] + share
            if room > 3:
                axes.text(left + width / 2, 0.47 - depth, label, ha="center", va="center", fontsize=7)
            draw(axes, below, left, depth + 1, colour, total)
        left += width


def main(source: Path, target: Path) -> None:
    """Read the samples, write the picture."""
    samples = stacks(source)
    total = samples.total()
    figure, axes = plt.subplots(figsize=(15, 3.6), layout="constrained")
    left = 0.0
    for thread, colour in THREADS.items():
        own = Counter({stack: count for stack, count in samples.items() if stack[0] == thread})
        shown = Counter({("track" if thread == "MainThread" else thread, *stack[1:]): n for stack, n in own.items()})
        draw(axes, shown, left, 0, colour, total)
        left += own.total() / total
    axes.set(xlim=(0, 1), ylim=(1 - DEPTH, 1))
    axes.axis("off")
    figure.savefig(target, dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
