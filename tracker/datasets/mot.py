"""Sequences in MOTChallenge's layout, read as they are found in the wild.

A sequence is a folder: `seqinfo.ini`, and any of `gt/gt.txt`, `det/det.txt`, `img1/`, `gmc.txt` (camera motion). The
formats differ between benchmarks: MOT15 keeps world coordinates where later ones keep a class, SportsMOT counts ids
from 0, KITTI marks regions to ignore with id -1. `ground_truth` gives all of them one shape.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracker.boxes import tlwh_to_xyxy
from tracker.errors import DataError
from tracker.structures import Detections, Ints
from tracker.system.images import is_image, natural_order

Table = NDArray[np.float64]

FRAME, ID, LEFT, TOP, WIDTH, HEIGHT, SCORE, CLASS, VISIBILITY = range(9)  # columns; SCORE is the flag in ground truth
FLAG = SCORE
_BLOCK = 1 << 16  # lines of text in memory at a time
_PARTS = ("seqinfo.ini", "gt/gt.txt", "det/det.txt")  # with any of these a folder is meant as a sequence


@dataclass(frozen=True)
class MotSequence:
    """One sequence on disk.

    Attributes:
        folder: where it lies; its name is the sequence's name.
        length: number of frames, counted from 1.
        fps: frames per second.
        size: width and height in pixels, (0, 0) where seqinfo.ini does not say.
    """

    folder: Path
    length: int
    fps: float
    size: tuple[int, int]
    image_folder: Path

    @classmethod
    def read(cls, folder: str | Path) -> MotSequence:
        """The sequence in `folder`.

        Raises:
            DataError: no readable seqinfo.ini with seqLength and frameRate.
        """
        folder = Path(folder)
        path = folder / "seqinfo.ini"
        parser = configparser.ConfigParser()
        try:
            parser.read_string(path.read_text(encoding="utf-8-sig"))
            info = parser["Sequence"]
            length, fps = int(info["seqLength"]), float(info["frameRate"])
            size = (int(info.get("imWidth", "0")), int(info.get("imHeight", "0")))
        except FileNotFoundError as missing:
            raise DataError(f"{folder} has no seqinfo.ini; write one with seqLength and frameRate") from missing
        except (configparser.Error, KeyError, ValueError, UnicodeDecodeError) as error:
            raise DataError(
                f"{path} is not a MOTChallenge seqinfo.ini ({str(error).splitlines()[0]}); "
                "it needs [Sequence] with seqLength and frameRate"
            ) from error
        if length < 0 or not fps > 0:
            raise DataError(f"{path} has seqLength={length}, frameRate={fps:g}; give a length and a positive rate")
        return cls(folder, length, fps, size, folder / info.get("imDir", "img1"))

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    @property
    def ground_truth_file(self) -> Path:
        return self.folder / "gt" / "gt.txt"

    @property
    def detection_file(self) -> Path:
        return self.folder / "det" / "det.txt"

    @property
    def camera_motion_file(self) -> Path:
        return self.folder / "gmc.txt"

    def images(self) -> list[Path]:
        """Image files in order, one a frame; empty where the sequence comes without."""
        if not self.image_folder.is_dir():
            return []
        return find_images(self.image_folder)

    def ground_truth(self) -> Table:
        """`ground_truth` of this sequence's file."""
        return ground_truth(self.ground_truth_file)

    def camera_motion(self) -> Table:
        """(length, 2, 3) affine maps from the frame before into each frame, from gmc.txt.

        Raises:
            DataError: not seven numbers a line, or fewer lines than frames.
        """
        table = read_table(self.camera_motion_file)
        if table.shape[1] != 7 or len(table) < self.length:
            raise DataError(
                f"{self.camera_motion_file} has {len(table)} lines of {table.shape[1]} numbers for {self.length} "
                "frames; expected a line a frame: its number, then the 2x3 affine row by row"
            )
        return table[: self.length, 1:].reshape(-1, 2, 3)


def find_images(folder: Path, below: bool = False) -> list[Path]:
    """The images in `folder`, and in those `below` it, in natural order (1, 2, 10); nothing hidden (`._1.jpg`)."""
    images = filter(is_image, folder.rglob("*") if below else folder.iterdir())
    seen = (path for path in images if not any(part.startswith(".") for part in path.relative_to(folder).parts))
    return sorted(seen, key=natural_order)


def is_sequence_folder(path: Path) -> bool:
    """Whether `path` is a sequence, or a folder of them."""
    return any(path.glob("seqinfo.ini")) or any(path.glob("*/seqinfo.ini"))


def find_sequences(roots: Iterable[str | Path]) -> list[MotSequence]:
    """The sequences in `roots`; a root is a sequence's folder or a folder of sequences, searched one level deep.

    Raises:
        DataError: a root that does not exist or holds no sequence, a folder with gt/ or det/ and no seqinfo.ini, or two
            sequences of one name.
    """
    found: dict[str, MotSequence] = {}
    for root in map(Path, roots):
        if not root.is_dir():
            raise DataError(f"{root} is not a folder; give a MOTChallenge sequence or a folder of them")
        folders = [root] if (root / "seqinfo.ini").is_file() else _folders(root)
        sequences = [MotSequence.read(folder) for folder in folders if any((folder / part).exists() for part in _PARTS)]
        if not sequences:
            raise DataError(f"{root} holds no sequence; one is a folder with seqinfo.ini and gt/, det/ or img1/")
        for sequence in sequences:
            if sequence.name in found and found[sequence.name].folder.resolve() != sequence.folder.resolve():
                raise DataError(
                    f"{sequence.folder} and {found[sequence.name].folder} have one name; results are named by "
                    "sequence, so evaluate them one after the other"
                )
            found[sequence.name] = sequence
    return list(found.values())


def _folders(root: Path) -> list[Path]:
    """Those in `root` in natural order; hidden ones (`.ipynb_checkpoints`) are none."""
    return sorted((f for f in root.iterdir() if f.is_dir() and not f.name.startswith(".")), key=natural_order)


def read_table(path: str | Path) -> Table:
    """(R, C) numbers of a text file, separated by commas (spaces around them allowed) or white space.

    Raises:
        DataError: no such file, or a line that is not numbers or has another number of columns.
    """
    path = Path(path)
    parts: list[Table] = []
    try:
        lines = _numbered(path)
        while block := list(islice(lines, _BLOCK)):
            columns = parts[0].shape[1] if parts else len(block[0][1])
            parts.append(_table(path, block, columns))
    except FileNotFoundError as missing:
        raise DataError(f"{path} does not exist; every sequence needs its file") from missing
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text ({error}); expected comma-separated numbers") from error
    return np.concatenate(parts) if parts else np.zeros((0, 9))


def _table(path: Path, lines: list[tuple[int, list[str]]], columns: int) -> Table:
    """(R, columns) numbers of lines."""
    try:
        table = np.array([row for _, row in lines], dtype=np.float64)
        if table.shape[1] != columns:
            raise ValueError(table.shape)
        return table
    except ValueError as error:
        number = next((n for n, row in lines if len(row) != columns or not _numbers(row)), lines[0][0])
        raise DataError(f"{path} line {number} is not {columns} numbers like the first; mend or remove it") from error


def line_numbers(path: str | Path) -> Ints:
    """(R,) the line, from 1, that each row of `read_table` stands in."""
    return np.array([number for number, _ in _numbered(Path(path))], np.int64)


def _numbered(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number, from 1, and items of every line that is not blank; a mark of Windows' at the beginning is passed over."""
    with path.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if items := line.replace(",", " ").split():
                yield number, items


def _numbers(row: list[str]) -> bool:
    try:
        [float(item) for item in row]
    except ValueError:
        return False
    return True


def ground_truth(path: str | Path) -> Table:
    """(R, 9) frame, id, left, top, width, height, flag, class, visibility, ordered by frame and id.

    Rows to ignore that stand for no object (id below 0) are left out. Where the file keeps no class (MOT15 and PETS
    hold world coordinates there), the class is 1; where it has no flag or visibility, they are 1.

    Raises:
        DataError: as `read_table`; fewer than six columns; one id twice in a frame.
    """
    table = read_table(path)
    if table.shape[1] < 6:
        raise DataError(f"{path} has {table.shape[1]} columns; expected frame, id, left, top, width, height, ...")
    kept = np.flatnonzero(table[:, ID] >= 0)
    table = table[kept]
    rows = np.ones((len(table), 9))
    rows[:, : min(table.shape[1], 7)] = table[:, :7]
    if table.shape[1] in (8, 9) and _whole(table[:, CLASS]) and (table[:, CLASS] >= 1).all():
        rows[:, CLASS] = table[:, CLASS]
        rows[:, VISIBILITY:] = table[:, VISIBILITY:]
    return _ordered(rows, path, kept)


def results(path: str | Path) -> Table:
    """(R, 7) frame, id, left, top, width, height, score of a tracker's result file, ordered by frame and id.

    Raises:
        DataError: as `read_table`; fewer than six columns; frames or ids that are no whole numbers; one id twice in a
            frame.
    """
    table = read_table(path)
    if table.shape[1] < 6:
        raise DataError(f"{path} has {table.shape[1]} columns; expected frame,id,left,top,width,height,score,-1,-1,-1")
    rows = np.ones((len(table), 7))
    rows[:, : min(table.shape[1], 7)] = table[:, :7]
    return _ordered(rows, path, np.arange(len(rows)))


def _whole(column: NDArray[Any]) -> bool:
    return bool((column == np.round(column)).all())


def _ordered(rows: Table, path: str | Path, kept: Ints) -> Table:
    """Rows by frame and id, checked; `kept` (R,) says which of `read_table`'s they are."""

    def refuse(wrong: Any, what: str) -> None:
        if np.any(wrong):
            row = np.flatnonzero(wrong)[0]
            frame, identity = rows[row, [FRAME, ID]]
            line = line_numbers(path)[kept[row]]
            raise DataError(f"{path} line {line}: {what.format(frame=frame, id=identity)}")

    key = rows[:, [FRAME, ID]]
    odd = (key != np.round(key)) | (key < [1, 0])
    refuse(odd.any(axis=1), "frames or ids that are not whole numbers from 1 (frame) and 0 (id); mend them")
    infinite = ~np.isfinite(rows[:, LEFT : HEIGHT + 1])
    refuse(infinite.any(axis=1), "a box that is not finite numbers; remove it")
    order = np.lexsort((rows[:, ID], rows[:, FRAME]))
    again = np.zeros(len(rows), bool)
    again[order[1:]] = (np.diff(key[order], axis=0) == 0).all(axis=1)
    refuse(again, "id {id:.0f} twice in frame {frame:.0f}; an id can be in one place only")
    return rows[order]


def write_sequence(
    folder: str | Path,
    like: MotSequence,
    truth: Table | None = None,
    detections: Table | None = None,
    motion: Table | None = None,
) -> MotSequence:
    """A sequence without images in `folder`, with the length, rate and frame size of `like`.

    Args:
        folder: made anew; its name becomes the sequence's.
        like: what goes into seqinfo.ini.
        truth: (R, 9) as `ground_truth` gives it.
        detections: (R, 7 or more) frame, any, left, top, width, height, score.
        motion: (length, 2, 3) camera motion.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    width, height = like.size
    (folder / "seqinfo.ini").write_text(
        f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={like.fps:g}\nseqLength={like.length}\n"
        f"imWidth={width}\nimHeight={height}\nimExt=.jpg\n",
        encoding="utf-8",
    )
    sequence = MotSequence.read(folder)
    if truth is not None:
        sequence.ground_truth_file.parent.mkdir(exist_ok=True)
        np.savetxt(sequence.ground_truth_file, truth, "%d,%d,%.10g,%.10g,%.10g,%.10g,%d,%d,%.5g")
    if detections is not None:
        sequence.detection_file.parent.mkdir(exist_ok=True)
        np.savetxt(
            sequence.detection_file, detections[:, [0, 2, 3, 4, 5, 6]], "%d,-1,%.2f,%.2f,%.2f,%.2f,%.4f,-1,-1,-1"
        )
    if motion is not None:
        numbered = np.c_[np.arange(1, len(motion) + 1), motion.reshape(-1, 6)]
        np.savetxt(sequence.camera_motion_file, numbered, "%d" + " %.10g" * 6)
    return sequence


class DetectionFile:
    """Detections read from a MOTChallenge det.txt: frame, id, left, top, width, height, score, ...

    Detectors that score outside [0, 1] (ACF, DPM: margins of any size) are rescaled for the whole file: its lowest
    score becomes 0.1 and its 95 % quantile 1, linearly, so that the order of the detections is kept and none is lost.
    Boxes without area are left out; a file without scores has scores of 1.

    Raises:
        DataError: no such file, or not numbers in at least six columns.
    """

    names: Mapping[int, str] = {}

    def __init__(self, path: str | Path) -> None:
        table = read_table(path)
        if table.shape[1] < 6:
            raise DataError(f"{path} has {table.shape[1]} columns; expected frame,id,left,top,width,height,score")
        table = table[np.isfinite(table[:, :7]).all(axis=1) & (table[:, WIDTH] > 0) & (table[:, HEIGHT] > 0)]
        table = table[np.argsort(table[:, FRAME], kind="stable")]
        self._frames = table[:, FRAME]
        self._xyxy = tlwh_to_xyxy(table[:, LEFT : HEIGHT + 1])
        self._scores = _unit_scores(table[:, SCORE]) if table.shape[1] > SCORE else np.ones(len(table))

    def frame(self, number: int) -> Detections:
        """The detections of frame `number`, which counts from 1."""
        first, last = np.searchsorted(self._frames, [number, number + 1])
        return Detections(self._xyxy[first:last], self._scores[first:last])


def _unit_scores(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = (scores.min(), np.quantile(scores, 0.95)) if len(scores) else (0.0, 1.0)
    if low >= 0 and scores.max(initial=0) <= 1:
        return scores
    return np.clip(0.1 + 0.9 * (scores - low) / max(high - low, 1e-9), 0, 1)
