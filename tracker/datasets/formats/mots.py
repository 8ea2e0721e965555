"""MOTS's text (https://www.vision.rwth-aachen.de/page/mots): a mask in COCO's run-length encoding a line.

    time_frame id class_id img_height img_width rle
    1 2003 2 1080 1920 WSV:2d...

Frames are those of MOTSChallenge, from 1 (KITTI's files, from 0, are read as such by their smallest number). Class 1 is
cars, 2 pedestrians, 10 what is to be ignored, which is not read; classes of other names get the numbers from 3 on.
A pixel belongs to one object only: where masks lie over each other it is that of the higher score.

Not in the format: boxes (they are read as those around the masks) and objects where they have no mask, scores, what is
occluded, keypoints, the frame rate; nor names of classes but these two.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tracker.columns.carried import Columns
from tracker.columns.coco_runs import within
from tracker.columns.masks import Masks
from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.format import FileFormat
from tracker.datasets.formats.rows import Gathered, Said, from_one
from tracker.errors import DataError, InputError
from tracker.system.files import text_file

_CAR, _PEDESTRIAN, _IGNORED = 1, 2, 10
_NUMBERS = {"car": _CAR, "person": _PEDESTRIAN, "pedestrian": _PEDESTRIAN}
_BLOCK = 1 << 11  # masks that are taken apart and written together
_FORM = "expected frame, id, class, height, width and run-length encoding"


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write the one video, which has masks, into the file `out`."""
    (video,) = (video.without_step for video in videos)
    masks = video.columns.masks
    assert masks is not None
    rows = video[masks.known].by_frame
    numbers = _class_numbers(rows)
    height, width = masks.size
    frames, first = np.unique(rows.frames, return_index=True)
    cuts = np.append(first, len(rows))
    with text_file(out) as file:
        at = 0
        while at < len(frames):  # as many whole frames as have so many masks together
            end = max(at + 1, int(np.searchsorted(cuts, cuts[at] + _BLOCK, side="right")) - 1)
            some = rows[cuts[at] : cuts[end]]
            at = end
            assert some.columns.masks is not None
            encoded = _apart(some.columns.masks, some.frames, some.scores).to_coco()
            plain = zip(some.frames.tolist(), some.ids.tolist(), some.classes.tolist(), encoded, strict=True)
            file.writelines(
                f"{number} {i} {numbers[kind]} {height} {width} {one['counts']}\n"
                for number, i, kind, one in plain
                if one is not None
            )


def _check(video: Annotations) -> None:
    if video.columns.masks is None:
        raise DataError(
            f"{video.name} has no masks, and MOTS has nothing else; track with --json and a segmentation model"
        )


def _class_numbers(video: Annotations) -> dict[int, int]:
    others = [number for number, name in sorted(video.names.items()) if name.lower() not in _NUMBERS]
    free = [number for number in range(3, 4 + len(others)) if number != _IGNORED]
    return dict(zip(others, free, strict=False)) | {
        number: _NUMBERS[name.lower()] for number, name in video.names.items() if name.lower() in _NUMBERS
    }


def _apart(masks: Masks, frames: NDArray[np.int64], scores: NDArray[np.float64]) -> Masks:
    """Masks (N,), each known, of which no two of a frame share a pixel: it is that of the higher score."""
    sizes = masks.last - masks.first
    moved = frames * (masks.size[0] * masks.size[1] + 1)  # so that frames do not meet
    edges = masks.own_edges + np.repeat(moved, sizes)
    # "stable" takes a tenth of any other's time here: the edges are in order piece by piece
    order = np.argsort(edges, kind="stable")
    new = np.diff(edges[order], prepend=-1) > 0
    bounds = edges[order[new]]
    bound = np.empty(len(edges), np.int64)  # of each edge
    bound[order] = np.cumsum(new) - 1
    row = np.repeat(np.arange(len(masks)), sizes // 2)
    rank = np.empty(len(masks), np.min_scalar_type(len(masks)))
    rank[np.argsort(scores, kind="stable")] = np.arange(len(masks))
    upwards = np.argsort(rank[row], kind="stable")  # of runs, the highest last
    begin, end = bound.reshape(-1, 2)[upwards].T
    run, place = within(end - begin)
    owner = np.full(len(bounds), -1)
    # from each bound to the next; where there are several, the last one stays
    owner[begin[run] + place] = row[upwards][run]
    mine = np.flatnonzero(owner >= 0)
    mine = mine[np.argsort(owner[mine].astype(rank.dtype), kind="stable")]
    of, start, stop = owner[mine], bounds[mine], bounds[np.minimum(mine + 1, len(bounds) - 1)]
    goes_on = (of[1:] == of[:-1]) & (start[1:] == stop[:-1])
    first, last = np.append(True, ~goes_on)[: len(of)], np.append(~goes_on, True)[: len(of)]
    of, start, stop = of[first], start[first], stop[last]
    ends = 2 * np.cumsum(np.bincount(of, minlength=len(masks)))
    pieces = np.column_stack([start - moved[of], stop - moved[of]]).astype(np.int32).reshape(-1)
    return Masks(pieces, np.append(0, ends)[:-1], ends, masks.size)


def read(path: Path) -> list[Said]:
    """What a file says of its video.

    Raises:
        DataError: it cannot be read, or a line that is not as MOTS has it.
    """
    rows, encoded, size, number = Gathered(3), [], None, 0
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                frame, identity, kind, height, width, letters = line.split()
                size = size or (int(height), int(width))
                if size != (int(height), int(width)):
                    raise DataError(f"{path} line {number} is of another size than the first; mend it")
                if int(kind) != _IGNORED:
                    rows.add((int(frame), int(identity), int(kind)))
                    encoded.append({"size": size, "counts": letters})
    except (ValueError, OverflowError) as error:
        raise DataError(f"{path} line {number} is not as MOTS has it; {_FORM}") from error
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({(error.strerror or str(error)).lower()}); give a text file"
        ) from error
    try:
        masks = Masks.from_coco(encoded, size or (1, 1))
    except InputError as error:
        raise DataError(f"{path}: {error}") from error
    table = rows.table.astype(np.int64)
    kinds = np.unique(table[:, 2]).tolist()
    known = {_CAR: "car", _PEDESTRIAN: "pedestrian"}
    return [
        Said(
            str(path),
            frames=from_one(table[:, 0]),
            ids=table[:, 1],
            xyxy=masks.boxes.astype(np.float64),
            classes=np.searchsorted(kinds, table[:, 2]),
            names={place: known.get(kind, f"class {kind}") for place, kind in enumerate(kinds)},
            name=path.name,
            size=None if size is None else size[::-1],
            columns=Columns(masks=masks),
        )
    ]


MOTS = FileFormat(
    "MOTS",
    read,
    write,
    ".txt",
    many=False,
    lacks=frozenset(
        {
            "boxes",
            "scores",
            "what is occluded",
            "keyframes",
            "keypoints",
            "oriented boxes",
            "times of frames",
            "a frame rate",
            "boxes of objects without a mask",
            "frames that were left out",
        }
    ),
    check=_check,
)
