"""YOLO's labels with a track id at the end of each line, as Ultralytics' `model.track(save_txt=True)` leaves them
(https://docs.ultralytics.com/modes/track/) and CVAT takes them ("Ultralytics YOLO Detection Track").

    data.yaml                    names; kpt_shape where there are keypoints; what is known of each video
    train.txt                    ./images/train/clip_000001.jpg, a line a frame, whether or not it has any object
    labels/train/clip_000001.txt class x y width height [x y confidence of each point] id

`x`, `y` (the middle), `width`, `height` and points are shares of the frame's width and height. Frames count from 1;
files that count from 0 (CVAT's) are read as such by their smallest number. What Ultralytics adds with `save_conf`, the
confidence before the id, is read, too. Lines without an id are of detections, not of tracks.

Not in the format: scores, what is occluded, keyframes, masks, times, and what of a box lies beyond the frame's edges. A
training of Ultralytics' refuses lines with an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.boxes import cxcywh_to_xyxy, xyxy_to_cxcywh
from tracker.columns.carried import Columns
from tracker.datasets.annotations import Annotations
from tracker.datasets.formats.format import FileFormat
from tracker.datasets.formats.mot_folder import folder_names
from tracker.datasets.formats.rows import MOST_FRAMES, Gathered, Said, Table, common_step
from tracker.datasets.mot import find_images
from tracker.datasets.yolo_folder import class_names
from tracker.errors import DataError
from tracker.system.files import replace_text, text_file
from tracker.system.images import claimed_size

_LISTS = ("train.txt", "val.txt", "test.txt")
_NUMBERED = re.compile(r"(.*?)[_.-]?([0-9]{1,12})")


def write(videos: Sequence[Annotations], out: Path) -> None:
    """Write one or more videos into the folder `out`."""
    (out / "labels" / "train").mkdir(parents=True, exist_ok=True)
    names = list(dict.fromkeys(name for video in videos for _, name in sorted(video.names.items())))
    points = max((v.columns.keypoints.shape[1] for v in videos if v.columns.keypoints is not None), default=0)
    about: dict[str, Any] = {"path": ".", "train": "train.txt", "val": "train.txt", "names": dict(enumerate(names))}
    if points:
        about["kpt_shape"] = [points, 3]
    about["videos"] = {}
    with text_file(out / "train.txt") as listed:
        for stem, video in zip(folder_names(videos), videos, strict=True):
            about["videos"][stem] = {
                "name": video.name,
                "size": list(video.size),
                "frames": video.frame_count,
                "frames_per_s": round(video.frames_per_s, 6),
            }
            frames = range(1, video.frame_count + 1, video.step)
            listed.writelines(f"./images/train/{stem}_{frame:06d}.jpg\n" for frame in frames)
            for frame, text in _labels(video, names, points):
                replace_text(out / "labels" / "train" / f"{stem}_{frame:06d}.txt", text)
    replace_text(out / "data.yaml", yaml.safe_dump(about, sort_keys=False, allow_unicode=True))


def _labels(video: Annotations, names: Sequence[str], points: int) -> Iterator[tuple[int, str]]:
    """The number of each frame with objects, and its lines."""
    size = np.array(video.size, np.float64)
    inside = np.clip(video.xyxy, 0, [*size, *size])
    rows = video[np.asarray((inside[:, 2:] > inside[:, :2]).all(axis=1))].by_frame
    kinds = {number: names.index(name) for number, name in video.names.items()}
    frames, begin = np.unique(rows.frames, return_index=True)
    form = " ".join(["%d", *["%.10g"] * (4 + 3 * points), "%d\n"])
    for frame, ends in zip(frames.tolist(), pairwise([*begin.tolist(), len(rows)]), strict=True):
        part = rows[slice(*ends)]
        boxes = xyxy_to_cxcywh(np.clip(part.xyxy, 0, [*size, *size])) / [*size, *size]
        if points:
            boxes = np.concatenate([boxes, _point_shares(part, points, size)], axis=1)
        columns = (part.classes.tolist(), boxes.tolist(), part.ids.tolist())
        yield frame, "".join(form % (kinds[kind], *box, i) for kind, box, i in zip(*columns, strict=True))


def _point_shares(part: Annotations, points: int, size: NDArray[np.float64]) -> NDArray[np.float64]:
    """(R, 3 K) with zeros where a point is not known."""
    shares = np.zeros((len(part), points, 3))
    if part.columns.keypoints is not None:
        known = np.nan_to_num(part.columns.keypoints.astype(np.float64))
        shares[:, : known.shape[1]] = known / [*size, 1]
    return shares.reshape(len(part), -1)


def read(path: Path) -> list[Said]:
    """What a folder says of each video, which the beginnings of its files' names tell apart.

    Raises:
        DataError: no folder, no labels with track ids, or a line that is not as it should be.
    """
    if not path.is_dir():
        raise DataError(f"{path} is not a folder; give the one with labels and data.yaml")
    about = _about(path)
    files = _label_files(path)
    if not files and "videos" not in about:
        raise DataError(f"{path} holds no labels; give the folder with labels and data.yaml")
    names = class_names(path) or {}
    points, wide = _kpt_shape(about, path)
    frames: dict[str, set[int]] = {}
    shown = [*_listed(path), *(image.name for image in _images(path))]  # also frames without any object
    for text in [*shown, *(file.name for file in files)]:
        stem, number = _numbered(text)
        if number is not None:
            frames.setdefault(stem, set()).add(number)
    zero = int(any(0 in numbers for numbers in frames.values()))
    of_video = {stem: Gathered(8 + points * wide) for stem in frames}
    for file in files:
        stem, number = _numbered(file.name)
        if number is None:
            raise DataError(f"{file} has no number of a frame at the end of its name; name it as clip_000001.txt")
        for row in _rows(file, points * wide):
            of_video[stem].add((number + zero, *row))
    told = about.get("videos")
    videos = told if isinstance(told, dict) else {}
    image = next(iter(_images(path)), None)
    size = None if image is None else claimed_size(image.read_bytes())
    said = []
    for stem, rows in of_video.items():
        if not len(rows) and stem not in videos:
            continue
        numbers = np.array(sorted(frames[stem])) + zero
        one = _said(f"{path} {stem}".rstrip(), rows.table, names, (points, wide), videos.get(stem), size)
        one.name = one.name or stem or "video"
        one.frame_count = max(one.frame_count, int(numbers[-1]))
        one.step = common_step(numbers) if shown else 1
        said.append(one)
    return said


def _said(
    where: str,
    table: Table,
    names: Mapping[int, str],
    shape: tuple[int, int],
    about: Any,
    size: tuple[int, int] | None,
) -> Said:
    """What rows (R, 8 + points) of frame, class, box, points, score and id say.

    Args:
        shape: how many points, and numbers of each.
        about: what `data.yaml` says of the video.
        size: of an image.
    """
    about = about if isinstance(about, dict) else {}
    given, rate, count = about.get("size"), about.get("frames_per_s"), about.get("frames")
    if isinstance(given, list) and len(given) == 2 and all(isinstance(side, int) and 0 < side < 1e6 for side in given):
        size = given[0], given[1]
    size = size if size is not None and all(size) else None
    kinds = sorted({*names, *np.unique(table[:, 1]).astype(int).tolist()})
    points = table[:, 6:-2].reshape(len(table), *shape)
    return Said(
        where,
        frames=table[:, 0],
        ids=table[:, -1],
        xyxy=cxcywh_to_xyxy(table[:, 2:6]),
        classes=np.searchsorted(kinds, table[:, 1]),
        names={place: names.get(kind, f"class {kind}") for place, kind in enumerate(kinds)},
        name=about["name"] if isinstance(about.get("name"), str) else "",
        size=size,
        frame_count=count if isinstance(count, int) else 0,
        frames_per_s=float(rate) if isinstance(rate, int | float) and 0 < rate < 1e6 else None,
        scores=table[:, -2],
        columns=Columns(keypoints=_keypoints(points)) if shape[0] else Columns(),
        parts=1,
    )


def _keypoints(points: Table) -> NDArray[Any]:
    """(R, K, 3) shares and confidence of (R, K, 2 or 3); NaN where all of a point is zero."""
    seen = points[..., 2:] if points.shape[2] == 3 else np.ones((*points.shape[:2], 1))
    known = (points != 0).any(axis=2, keepdims=True)
    return np.where(known, np.concatenate([points[..., :2], seen], axis=2), np.nan)


def _about(path: Path) -> dict[str, Any]:
    """What `data.yaml` says, or another YAML file beside it."""
    for file in sorted(path.glob("*.yaml"), key=lambda file: file.name != "data.yaml"):
        try:
            about = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise DataError(f"{file} cannot be read as YAML; mend or remove it") from error
        if isinstance(about, dict):
            return about
    return {}


def _kpt_shape(about: Mapping[str, Any], path: Path) -> tuple[int, int]:
    """How many points a skeleton has, and how many numbers each."""
    shape = about.get("kpt_shape", [0, 3])
    good = isinstance(shape, list) and len(shape) == 2 and all(isinstance(number, int) for number in shape)
    if not good or not 0 <= shape[0] <= 1000 or shape[1] not in (2, 3):
        raise DataError(f"{path}: the YAML file's kpt_shape is not how many points, and 2 or 3; mend it")
    return shape[0], shape[1]


def _inside(path: Path, files: Sequence[Path]) -> list[Path]:
    """Those that lie in the folder, also where they are links."""
    root = path.resolve()
    return [file for file in files if file.is_file() and file.resolve().is_relative_to(root)]


def _label_files(path: Path) -> list[Path]:
    root = path / "labels" if (path / "labels").is_dir() else path
    return _inside(path, [file for file in sorted(root.rglob("*.txt")) if file.name not in (*_LISTS, "classes.txt")])


def _images(path: Path) -> list[Path]:
    return _inside(path, find_images(path / "images", below=True)) if (path / "images").is_dir() else []


def _listed(path: Path) -> Iterator[str]:
    """Names in the lists of images; nothing is opened by them."""
    for file in _inside(path, [path / name for name in _LISTS]):
        with file.open(encoding="utf-8", errors="replace") as lines:
            yield from (Path(line.strip()).name for line in lines)


def _numbered(name: str) -> tuple[str, int | None]:
    """The beginning of a file's name and the number at its end."""
    found = _NUMBERED.fullmatch(Path(name).stem)
    if found is None or int(found[2]) > MOST_FRAMES:
        return name, None
    return found[1], int(found[2])


def _rows(file: Path, points: int) -> Iterator[list[float]]:
    """Class, box, points, score and id of each line."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as text; expected lines of class, x, y, width, height, id") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = [float(item) for item in line.split()]
        except ValueError as error:
            raise DataError(f"{file} line {number} is not numbers; expected class, x, y, width, height, id") from error
        if len(row) == 6 + points:
            row.insert(-1, 1.0)
        if len(row) != 7 + points:
            raise DataError(
                f"{file} line {number} has {len(row)} numbers; expected class, x, y, width, height"
                f"{f', {points} of points' if points else ''} and a track id, with a confidence before it or none"
            )
        if not (row[0].is_integer() and 0 <= row[0] < 1e6):
            raise DataError(f"{file} line {number} has class {row[0]:g}; give a whole number from 0")
        yield row


YOLO = FileFormat(
    "YOLO with track ids",
    read,
    write,
    "",
    many=True,
    lacks=frozenset(
        {
            "scores",
            "what is occluded",
            "keyframes",
            "masks",
            "oriented boxes",
            "times of frames",
            "boxes beyond the edges of the frame",
        }
    ),
    pictures="images/train/{stem}_{number:06d}.jpg",
)
