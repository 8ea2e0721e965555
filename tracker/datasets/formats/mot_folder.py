"""MOTChallenge's folder of a sequence (https://motchallenge.net/instructions, https://arxiv.org/abs/2003.09003).

    seqinfo.ini   [Sequence] name, imDir, frameRate, seqLength, imWidth, imHeight, imExt
    gt/gt.txt     frame,id,left,top,width,height,1,class,visibility
    gt/labels.txt the names of the classes, from class 1 on: CVAT's and Datumaro's, MOTChallenge has none
    img1/         000001.jpg, ... on request

Frames, ids and classes count from 1. Visibility is 0 where an object is occluded, else 1; below one half it is read as
occluded. Rows whose seventh number is 0 are to be ignored and are not read. Without `labels.txt` the names of classes
are those of MOT16. Where frames were left out, the sequence is of the others, numbered from 1 at the lower rate.

Not in the format: scores (of ground truth), keyframes, masks, keypoints, times.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tracker.boxes import tlwh_to_xyxy
from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.format import FileFormat, blocks
from tracker.datasets.formats.rows import DECIMALS, Said, stem
from tracker.datasets.mot import CLASS, FLAG, FRAME, HEIGHT, ID, LEFT, VISIBILITY, MotSequence, find_sequences
from tracker.datasets.mot_classes import MOT16, labels_of
from tracker.system.files import text_file

_ROW = "%d,%d,%.10g,%.10g,%.10g,%.10g,1,%d,%d\n"
_OCCLUDED = 0.5


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write one video into the folder `out`, several into folders in it."""
    if len(videos) == 1:
        _write(videos[0].without_step, out)
        return
    for name, video in zip(folder_names(videos), videos, strict=True):
        _write(video.without_step, out / name)


def folder_names(videos: Sequence[Annotations]) -> list[str]:
    """A name for each, none twice."""
    names: list[str] = []
    for video in videos:
        name = own = stem(video.name)
        while name in names:
            name = f"{own}-{names.count(name) + len(names)}"
        names.append(name)
    return names


def _write(video: Annotations, folder: Path) -> None:
    (folder / "gt").mkdir(parents=True, exist_ok=True)
    width, height = video.size
    with text_file(folder / "seqinfo.ini") as file:
        file.write(
            f"[Sequence]\nname={folder.name}\nimDir=img1\nframeRate={video.frames_per_s:.10g}\n"
            f"seqLength={video.frame_count}\nimWidth={width}\nimHeight={height}\nimExt=.jpg\n"
        )
    with text_file(folder / "gt" / "labels.txt") as file:
        file.writelines(f"{' '.join(video.names[number].split())}\n" for number in sorted(video.names))
    rows = video.by_frame
    with text_file(folder / "gt" / "gt.txt") as file:
        for block in blocks(rows):
            part = rows[block]
            corner = part.xyxy[:, :2]
            extent = np.round(part.xyxy[:, 2:] - corner, DECIMALS)
            numbers = part.frames, part.ids, *corner.T, *extent.T, part.classes + 1, ~part.occluded
            file.writelines(_ROW % row for row in zip(*(column.tolist() for column in numbers), strict=True))


def read(path: Path) -> list[Said]:
    """What each sequence says: of a sequence's folder or its gt.txt, or of a folder of them.

    Raises:
        DataError: no such folder, or files that are not as MOTChallenge has them.
    """
    return [_said(sequence) for sequence in find_sequences([path.parents[1] if path.name == "gt.txt" else path])]


def _said(sequence: MotSequence) -> Said:
    table = sequence.ground_truth()
    table = table[table[:, FLAG] != 0]
    labels = labels_of(sequence.ground_truth_file)
    names = MOT16 if labels is None else labels
    kinds = table[:, CLASS].astype(np.int64) - 1
    known = dict(enumerate(names)) | {k: f"class {k + 1}" for k in np.unique(kinds).tolist() if k >= len(names)}
    if labels is None:
        known = {kind: known[kind] for kind in np.unique(kinds).tolist()}
    return Said(
        str(sequence.folder),
        frames=table[:, FRAME],
        ids=table[:, ID],
        xyxy=tlwh_to_xyxy(table[:, LEFT : HEIGHT + 1]),
        classes=kinds,
        names=known,
        name=sequence.name,
        size=sequence.size if all(sequence.size) else None,
        frame_count=sequence.length,
        frames_per_s=sequence.fps,
        occluded=table[:, VISIBILITY] < _OCCLUDED,
    )


MOT = FileFormat(
    "MOTChallenge",
    read,
    write,
    "",
    many=True,
    lacks=frozenset(
        {
            "scores",
            "keyframes",
            "masks",
            "keypoints",
            "oriented boxes",
            "times of frames",
            "frames that were left out",
        }
    ),
    pictures="img1/{number:06d}.jpg",
)
