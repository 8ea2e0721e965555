"""Two people walking side by side for 20 frames: a sequence whose truth is known, for the tests of evaluation."""

from collections.abc import Container
from pathlib import Path

LENGTH = 20


def make_sequence(root: Path, name: str, line: str = "{f},{i},{x},20,30,60,1,1,1") -> None:
    """Two people walking for 20 frames; `line` is the ground truth's format."""
    (root / name / "gt").mkdir(parents=True)
    (root / name / "seqinfo.ini").write_text(
        f"[Sequence]\nname={name}\nframeRate=25\nseqLength={LENGTH}\nimWidth=640\nimHeight=480\n"
    )
    rows = [line.format(f=f, i=i, x=100 * i + 2 * f) for f in range(1, LENGTH + 1) for i in (1, 2)]
    (root / name / "gt" / "gt.txt").write_text("\n".join(rows) + "\n")


def make_detected(root: Path, name: str, missed: Container[int] = ()) -> None:
    """The same, with det/det.txt: both detected perfectly in every frame but those that are missed."""
    make_sequence(root, name)
    (root / name / "det").mkdir()
    rows = [f"{f},-1,{x},{y},{w},{h},0.9\n" for f, _, x, y, w, h in perfect() if f not in missed]
    (root / name / "det" / "det.txt").write_text("".join(rows))


def write_results(folder: Path, name: str, rows: list[tuple[float, ...]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(",".join(f"{v:g}" for v in row) + ",0.9,-1,-1,-1\n" for row in rows)
    (folder / f"{name}.txt").write_text(text)


def perfect() -> list[tuple[float, ...]]:
    return [(f, i + 10, 100 * i + 2 * f, 20, 30, 60) for f in range(1, LENGTH + 1) for i in (1, 2)]
