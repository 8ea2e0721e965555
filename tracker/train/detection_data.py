"""What a detector learns from: folders in YOLO's or MOTChallenge's layout, and videos without any labels.

Everything becomes one dataset in YOLO's layout (`images/train`, `labels/train`, `images/val`, `labels/val`,
`data.yaml`), images linked where they can be. Images with given labels are held out for validation by chance; labels
made here never are.

Labels of videos are made by the start network itself, where it agrees with itself: at two sizes, on the mirrored
picture, and in a frame before and one after (cf. Sohn et al., FixMatch, 2020; time takes the place of strong
augmentation). What is seen in one view only is neither object nor background: it is painted over.
"""

from __future__ import annotations

import contextlib
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy, xyxy_to_cxcywh
from tracker.config import DetectorConfig
from tracker.detect import YoloDetector
from tracker.errors import DataError
from tracker.sequence import CLASS, FLAG, FRAME, HEIGHT, IMAGE_SUFFIXES, LEFT, VISIBILITY, find_sequences
from tracker.structures import Detections, Floats, Image, Ints
from tracker.video import open_source

_PAD = 114


@dataclass(frozen=True)
class DataConfig:
    """How the dataset is made.

    Attributes:
        imgsz: size the network is trained at, the smaller of the two that pseudo-labels must agree on.
        held_out: share of the labelled images kept for validation.
        every_s: seconds between the frames taken from a video or sequence; less gives more, and more alike, images.
        agreement: least IoU between the views of a pseudo-label.
        score: least mean score of a pseudo-label.
        visible: least visible share of a box in MOTChallenge's ground truth.
        seed: of the held-out choice.
    """

    imgsz: int = 640
    held_out: float = 0.2
    every_s: float = 1.0
    agreement: float = 0.6
    score: float = 0.45
    visible: float = 0.3
    seed: int = 0


@dataclass(frozen=True)
class Dataset:
    """A dataset on disk.

    Attributes:
        file: its `data.yaml`.
        names: class number -> name.
        train, val: numbers of images.
        made: how many of the training images have labels made here.
    """

    file: Path
    names: dict[int, str]
    train: int
    val: int
    made: int

    @classmethod
    def load(cls, folder: Path) -> Dataset:
        """What `build` made earlier.

        Raises:
            DataError: nothing whole there.
        """
        try:
            content = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
            return cls(folder / "data.yaml", content["names"], **content["counts"])
        except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
            raise DataError(f"{folder} holds no dataset of an earlier run; leave --resume out") from error


@dataclass(frozen=True)
class _Example:
    """An image file or pixels, and the (N, 5) rows class, centre x, y, width, height as shares of its size."""

    name: str
    image: Path | Image
    rows: NDArray[np.float64]
    made: bool = False


def build(
    data: Sequence[Path],
    folder: Path,
    start: Path,
    config: DataConfig,
    device: str = "cpu",
    held_out: Sequence[Path] = (),
) -> Dataset:
    """Make the dataset `folder` of everything in `data`; `start` are the weights of the network to be trained.

    Where folders are `held_out`, they alone are validated on, and all of `data` is trained on.

    Raises:
        DataError: something that is neither a dataset nor a video, classes that contradict each other, or no images.
    """
    labeller = _SelfLabeller(start, config, device)
    folders = [path for path in [*data, *held_out] if path.is_dir()]
    named = {path: _names(path) for path in folders if not _is_mot(path)}
    known = dict(labeller.names)
    foreign = {name for names in named.values() for name in (names or {}).values()} - set(known.values())
    if foreign:  # the network gets the data's own classes
        known = dict(enumerate(sorted({name for names in named.values() for name in (names or known).values()})))
    shutil.rmtree(folder, ignore_errors=True)
    chance = random.Random(config.seed)
    share = 0.0 if held_out else config.held_out
    counts = {"train": 0, "val": 0}
    made = 0
    for path in [*data, *held_out]:
        for example in _examples(path, named.get(path), known, labeller, config):
            chosen = path in held_out or (not example.made and chance.random() < share)
            part = "val" if chosen else "train"
            _save(example, folder, part)
            counts[part] += 1
            made += example.made
    if not counts["train"] or not counts["val"]:
        raise DataError(
            f"{', '.join(map(str, data))}: {counts['train']} images to train on, {counts['val']} with given labels to "
            "validate on; give at least one folder with labelled images"
        )
    content = {
        "path": str(folder.resolve()),
        "train": "images/train",
        "val": "images/val",
        "names": known,
        "counts": {**counts, "made": made},
    }
    (folder / "data.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return Dataset.load(folder)


def _examples(
    path: Path, names: Mapping[int, str] | None, known: Mapping[int, str], labeller: _SelfLabeller, config: DataConfig
) -> Iterator[_Example]:
    if path.is_file():
        if dict(known) != labeller.names:
            raise DataError(f"{path} can only be labelled by a network whose classes are those of the other data")
        return labeller.examples(path)
    if _is_mot(path):
        return _from_mot(path, known, config)
    return _from_yolo(path, names or known, known)


def _is_mot(folder: Path) -> bool:
    return (folder / "seqinfo.ini").is_file() or any(folder.glob("*/seqinfo.ini"))


def _names(folder: Path) -> dict[int, str] | None:
    """The class names of a folder in YOLO's layout, from the first YAML file in it that has any."""
    for file in sorted([*folder.glob("*.yaml"), *folder.glob("*/*.yaml")]):
        with contextlib.suppress(yaml.YAMLError, AttributeError, TypeError, ValueError):
            names = yaml.safe_load(file.read_text(encoding="utf-8")).get("names")
            if names:
                return {int(k): str(v) for k, v in (names.items() if isinstance(names, dict) else enumerate(names))}
    return None


def _numbers(names: Mapping[int, str], known: Mapping[int, str], where: Path) -> dict[int, int]:
    """Class numbers of a folder -> those of the network."""
    by_name = {name: number for number, name in known.items()}
    missing = [name for name in names.values() if name not in by_name]
    if missing:
        raise DataError(f"{where} has class {missing[0]!r}, which other data lack; train on data with the same classes")
    return {number: by_name[name] for number, name in names.items()}


def _from_yolo(folder: Path, names: Mapping[int, str], known: Mapping[int, str]) -> Iterator[_Example]:
    numbers = _numbers(names, known, folder)
    root = folder / "images"
    images = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise DataError(
            f"{folder} is no dataset; expected images/ and labels/ (YOLO), seqinfo.ini (MOTChallenge), or a video file"
        )
    for image in images:
        labels = folder / "labels" / image.relative_to(root).with_suffix(".txt")
        rows = np.zeros((0, 5))
        if labels.is_file():
            try:
                rows = np.loadtxt(labels, ndmin=2)[:, :5].reshape(-1, 5) if labels.stat().st_size else rows
                rows[:, 0] = [numbers[int(number)] for number in rows[:, 0]]
            except (ValueError, KeyError, IndexError) as error:
                raise DataError(f"{labels} is not lines of class, x, y, width, height ({error}); mend it") from error
        yield _Example(f"{folder.name}-{image.stem}", image, rows)


def _from_mot(folder: Path, known: Mapping[int, str], config: DataConfig) -> Iterator[_Example]:
    person = next((number for number, name in known.items() if name in ("person", "pedestrian")), None)
    if person is None:
        raise DataError(f"{folder} holds people, but the network has no class 'person'; start from one that has")
    for sequence in find_sequences([folder]):
        images = sequence.images()
        if not images:
            raise DataError(f"{sequence.folder} has no images; a detector cannot learn from it")
        truth = sequence.ground_truth()
        seen = truth[(truth[:, FLAG] == 1) & (truth[:, CLASS] == 1) & (truth[:, VISIBILITY] >= config.visible)]
        for number in range(1, len(images) + 1, max(1, round(config.every_s * sequence.fps))):
            image = cv2.imread(str(images[number - 1]))
            if image is None:
                raise DataError(f"{images[number - 1]} is not an image; copy it again")
            boxes = tlwh_to_xyxy(seen[seen[:, FRAME] == number, LEFT : HEIGHT + 1])
            rows = _rows(boxes, np.full(len(boxes), person), image.shape)
            yield _Example(f"{sequence.name}-{number:06d}", images[number - 1], rows)


class _SelfLabeller:
    """The start network, where it agrees with itself."""

    def __init__(self, start: Path, config: DataConfig, device: str) -> None:
        self._config = config
        sizes = (config.imgsz, config.imgsz * 3 // 2)
        self._small, self._large = (YoloDetector(DetectorConfig(str(start), imgsz=size), device) for size in sizes)
        self.names = dict(self._small.names)

    def examples(self, path: Path) -> Iterator[_Example]:
        """Frames of a video that show something agreed on."""
        with open_source(path) as source:
            step = max(4, round(self._config.every_s * source.fps))
            near = max(1, min(step // 3, round(0.1 * source.fps)))
            window: list[Image] = []
            for index, frame in enumerate(source):
                if index % step in (0, near, 2 * near):
                    window.append(frame.image)
                if len(window) == 3:
                    before, image, after = window
                    window = []
                    found, doubtful = self._label(before, image, after)
                    if len(found):
                        rows = _rows(found.xyxy, found.classes, image.shape)
                        yield _Example(f"{path.stem}-{frame.number:06d}", _covered(image, doubtful, found), rows, True)

    def _label(self, before: Image, image: Image, after: Image) -> tuple[Detections, Floats]:
        """What is agreed on in `image`, and the boxes (M, 4) of what is not."""
        (found,), (large,) = self._small([image]), self._large([image])
        (mirrored,) = self._small([np.ascontiguousarray(image[:, ::-1])])
        flipped = mirrored.xyxy.copy()
        flipped[:, [0, 2]] = image.shape[1] - mirrored.xyxy[:, [2, 0]]
        views = [large, Detections(flipped, mirrored.scores, mirrored.classes)]
        neighbours = self._small([before])[0], self._small([after])[0]
        scores = found.scores.astype(np.float64)
        agreed = np.ones(len(found), bool)
        for view in views:
            overlap = _same_class_iou(found, view)
            best = overlap.argmax(axis=1) if len(view) else np.zeros(len(found), np.int64)
            agreed &= overlap.max(axis=1, initial=0) >= self._config.agreement
            scores += view.scores[best] if len(view) else 0
        for neighbour in neighbours:  # nearby in time things move: half the overlap is enough
            agreed &= _same_class_iou(found, neighbour).max(axis=1, initial=0) >= self._config.agreement / 2
        agreed &= scores / 3 >= self._config.score
        doubtful = [found[~agreed].xyxy, *(view[_unlike(view, found[agreed])].xyxy for view in views)]
        return found[agreed], np.concatenate(doubtful)


def _same_class_iou(these: Detections, those: Detections) -> NDArray[np.float64]:
    """(N, M) IoU, 0 between classes."""
    return np.asarray(iou(these.xyxy, those.xyxy) * (these.classes[:, None] == those.classes), np.float64)


def _unlike(view: Detections, found: Detections) -> NDArray[np.bool_]:
    """Which of `view` no box of `found` explains, whatever its class."""
    return np.asarray(iou(view.xyxy, found.xyxy).max(axis=1, initial=0) < 0.5)


def _covered(image: Image, doubtful: Floats, found: Detections) -> Image:
    """The image with the doubtful boxes painted grey, except where something agreed on is."""
    covered = image.copy()
    for left, top, right, bottom in np.round(doubtful).astype(int):
        covered[top:bottom, left:right] = _PAD
    for left, top, right, bottom in np.round(found.xyxy).astype(int):
        covered[top:bottom, left:right] = image[top:bottom, left:right]
    return covered


def _rows(xyxy: Floats, classes: Ints, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Boxes in pixels, clipped to the image -> (N, 5) rows of YOLO's layout."""
    size = np.array([shape[1], shape[0]] * 2, np.float64)
    boxes = xyxy_to_cxcywh(np.clip(xyxy, 0, size)) / size
    return np.column_stack([classes, boxes])[(boxes[:, 2:] > 0).all(axis=1)]


def _save(example: _Example, folder: Path, part: str) -> None:
    images, labels = folder / "images" / part, folder / "labels" / part
    images.mkdir(parents=True, exist_ok=True)
    labels.mkdir(parents=True, exist_ok=True)
    if isinstance(example.image, Path):
        target = images / f"{example.name}{example.image.suffix.lower()}"
        try:
            target.symlink_to(example.image.resolve())
        except OSError:
            shutil.copy(example.image, target)
    else:
        cv2.imwrite(str(images / f"{example.name}.jpg"), example.image)
    np.savetxt(labels / f"{example.name}.txt", example.rows, fmt=("%d", *["%.6f"] * 4))
