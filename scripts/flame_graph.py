"""Draw where the time of a run goes, thread by thread, from py-spy's samples.

    py-spy record --threads --format raw -o stacks.txt -- python -m tracker run video.mp4
    python scripts/flame_graph.py stacks.txt flame.png

Time goes down, a call's own calls stand to the right of it. Only what computes is sampled, so a thread that waits takes
no room. Frames of the interpreter, of thread pools and of PyTorch's module calls are left out, as is what is no work on
a frame (imports, loading).
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import matplotlib.pyplot as plt

THREADS = {  # name: colour, and the function in which the work on a frame begins
    "decode": ("#8d99ae", "_Ahead._run"),
    "detect": ("#0f8b8d", "YoloDetector._detect"),
    "track": ("#e07a1f", "_Job._follow"),
    "write": ("#b56576", "ResultFiles._write"),
}
LEFT_OUT = ("threading.py", "concurrent/futures", "runpy", "torch/nn/modules/module.py", "torch/utils/", "contextlib")
DEPTH = 5
LEAST = 0.006  # of the whole: what takes less is not drawn
SAID = 0.022  # of the whole: what takes less has no room for its name
LETTERS = 17  # of a name that fit


def stacks(path: Path) -> Counter[tuple[str, ...]]:
    """Samples by (thread, function, function, ...)."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in path.read_text().splitlines():
        text, _, count = line.rpartition(" ")
        thread, *frames = text.split(";")
        kind = next((name for name in THREADS if f": {name}" in thread), None)
        kept = [frame for frame in frames if not any(part in frame for part in LEFT_OUT)]
        start = next((i for i, frame in enumerate(kept) if kind and frame.startswith(THREADS[kind][1])), len(kept))
        if kind and start < len(kept):
            names = [name(frame) for frame in kept[start + 1 :]]
            merged = [own for own, before in zip(names, [""] + names, strict=False) if own != before]
            found[kind, *merged] += int(count)
    return found


def name(frame: str) -> str:
    """`function (tracker/output/writers.py:12)` as `writers.function`, `Class.method (...)` without the place."""
    function, _, place = re.sub(r"\.?<\w+>", "", frame).partition(" (")
    function = function.removesuffix(".__call__")
    if function == "__call__":
        return Path(place.partition(":")[0]).stem
    return function if "." in function or function[:1].isupper() else f"{Path(place.partition(':')[0]).stem}.{function}"


def draw(axes: plt.Axes, samples: Counter[tuple[str, ...]], top: float, depth: int, colour: str, total: int) -> None:
    """One level of boxes from `top` down, and what each called to the right of it."""
    children: dict[str, Counter[tuple[str, ...]]] = {}
    for stack, count in samples.items():
        if stack:
            children.setdefault(stack[0], Counter())[stack[1:]] += count
    for title, below in sorted(children.items(), key=lambda item: -item[1].total()):
        share = below.total() / total
        if share >= LEAST and depth < DEPTH:
            axes.barh(top, 0.97, share, depth, align="edge", color=colour, alpha=1 - 0.13 * depth, ec="white", lw=0.7)
            label = title if len(title) <= LETTERS else title.rpartition(".")[2][:LETTERS]
            if share >= SAID:
                text = f"{label} {100 * share:.0f} %" if depth == 0 else label
                axes.text(depth + 0.485, top + share / 2, text, ha="center", va="center")
            draw(axes, below, top, depth + 1, colour, total)
        top += share


def main(source: Path, target: Path) -> None:
    """Read the samples, write the picture."""
    samples = stacks(source)
    total = samples.total()
    plt.rcParams["font.size"] = 9.5
    figure, axes = plt.subplots(figsize=(7.4, 6), layout="constrained")
    top = 0.0
    for thread, (colour, _) in THREADS.items():
        own = Counter({stack: count for stack, count in samples.items() if stack[0] == thread})
        draw(axes, own, top, 0, colour, total)
        top += own.total() / total
    axes.set(xlim=(0, DEPTH), ylim=(1, 0), ylabel="share of the processor time, %", yticks=[0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.set_yticklabels(["0", "20", "40", "60", "80", "100"])
    axes.set_xticks([k + 0.485 for k in range(DEPTH)], ["thread", *["calls"] * (DEPTH - 1)])
    axes.tick_params(bottom=False)
    axes.spines[:].set_visible(False)
    figure.savefig(target, dpi=170)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
