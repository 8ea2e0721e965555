"""What a detector learns from: folders in YOLO's or MOTChallenge's layout, and videos without any labels.

Everything becomes one dataset in YOLO's layout (`images/train`, `labels/train`, `images/val`, `labels/val`,
`data.yaml`), images linked where they can be, under names of their own. Of the images with given labels a share is held
out for validation, drawn by chance; labels made here never are.

Labels of videos are made by the start network itself, where it agrees with itself: at two sizes, on the mirrored
picture, and in a frame before and one after (cf. Sohn et al., FixMatch, 2020; time takes the place of strong
augmentation). What is seen in one view only is neither object nor background: it is painted over.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from tracker.boxes import iou, tlwh_to_xyxy
from tracker.config import DetectorConfig
from tracker.datasets.mot import CLASS, FLAG, FRAME, HEIGHT, LEFT, VISIBILITY, find_sequences
from tracker.datasets.yolo_folder import class_names, labelled_images
from tracker.datasets.yolo_labels import Rows, read_labels, rows_of, write_labels
from tracker.detection import yolo
from tracker.detection.detector import YoloDetector
from tracker.errors import DataError, DataWarning
from tracker.structures import Detections, Floats, Image
from tracker.system.files import replace_file, writing
from tracker.system.images import read_image
from tracker.system.output_folder import emptied
from tracker.train.detector.settings import DataConfig
from tracker.video.source import open_source

COMMAND = "train detector"
_PAD = 114
_LONGEST_NAME = 180  # bytes; file systems take 255


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
            raise DataError(f"{folder} holds no dataset of an earlier run; start without --resume") from error


@dataclass(frozen=True)
class _Example:
    """An image file or pixels, and the (N, 5) rows of its labels."""

    name: str
    image: Path | Image
    rows: Rows
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

    Where folders are `held_out`, they alone are validated on, and all of `data` is trained on. What was in `folder` is
    removed, so it has to be claimed before (`output_folder.claim`).

    Raises:
        DataError: something that is neither a dataset nor a video, classes that contradict each other, too few images,
            or a folder both to train and to validate on.
        SourceError: a video or an image of a sequence that cannot be read.
    """
    places = {path.resolve() for path in data}
    twice = next((path for path in held_out if path.resolve() in places), None)
    if twice:
        raise DataError(f"{twice} is given to train on and to measure on; measure on images that are not trained on")
    own = yolo.load(start)[1]
    gone = next((path for path in [*data, *held_out] if not path.exists()), None)
    if gone:
        raise DataError(f"{gone} does not exist; give a folder or a video")
    folders = [path for path in [*data, *held_out] if path.is_dir()]
    named = {path: class_names(path) or own for path in folders if not _is_mot(path)}
    known = dict(own)
    asked = {name for names in named.values() for name in names.values()}
    if not asked <= set(own.values()):  # the network gets the data's own classes
        known = dict(enumerate(sorted(asked)))

    def labelled(path: Path) -> Iterator[_Example]:
        return _from_yolo(path, named[path], known) if path in named else _from_mot(path, known, config)

    def all_of(paths: Sequence[Path]) -> list[_Example]:
        return [example for path in paths if path.is_dir() for example in labelled(path)]

    given, aside = all_of(data), all_of(held_out)
    for path in (path for path, names in named.items() if names is own):
        taken = f"{path} names no classes, so its numbers are taken for those of {start.name} (0: {own.get(0)})"
        warnings.warn(
            f"{taken}; name yours, as in a {path / 'data.yaml'} with names: [fish]", DataWarning, stacklevel=2
        )
    videos = [path for path in data if not path.is_dir()]
    stray = next((path for path in held_out if not path.is_dir()), None)
    if stray:
        raise DataError(f"{stray} is no folder; measure on folders with labelled images")
    if videos and known != own:
        raise DataError(f"{videos[0]} can only be labelled by a network whose classes are those of the other data")
    if not held_out:
        if len(given) < 2:
            raise DataError(
                f"{', '.join(map(str, data))}: {len(given)} labelled images, and some are needed to learn from and "
                "some to measure on; give two or more, or a folder to measure on with --hold-out"
            )
        share = min(max(1, round(config.hold_out * len(given))), len(given) - 1)
        drawn = set(np.random.default_rng(config.seed).permutation(len(given))[:share].tolist())
        aside = [given[i] for i in sorted(drawn)]
        given = [example for i, example in enumerate(given) if i not in drawn]
    emptied(folder, COMMAND)
    store = _Store(folder)
    for example in given:
        store.add(example, "train")
    if videos:
        labeller = _SelfLabeller(start, config, device)
        for example in chain.from_iterable(map(labeller.examples, videos)):
            store.add(example, "train")
    for example in aside:
        store.add(example, "val")
    if not store.counts["train"]:
        raise DataError(f"{', '.join(map(str, data))}: nothing to learn from; give images with labels, or other videos")
    content = {
        "path": str(folder.resolve()),
        "train": "images/train",
        "val": "images/val",
        "names": known,
        "counts": store.counts,
    }
    replace_file(folder / "data.yaml", yaml.safe_dump(content).encode())
    return Dataset.load(folder)


def _is_mot(folder: Path) -> bool:
    return (folder / "seqinfo.ini").is_file() or any(folder.glob("*/seqinfo.ini"))


def _numbers(names: Mapping[int, str], known: Mapping[int, str], where: Path) -> dict[int, int]:
    """Class numbers of a folder -> those of the network."""
    by_name = {name: number for number, name in known.items()}
    missing = [name for name in names.values() if name not in by_name]
    if missing:
        raise DataError(f"{where} has class {missing[0]!r}, which other data lack; train on data with the same classes")
    return {number: by_name[name] for number, name in names.items()}


def _from_yolo(folder: Path, names: Mapping[int, str], known: Mapping[int, str]) -> Iterator[_Example]:
    numbers = _numbers(names, known, folder)
    images = labelled_images(folder)
    if not any(file.is_file() for _, file in images):
        raise DataError(
            f"{folder} is no dataset: {len(images)} images, none of them with labels; expected images/ and labels/ or "
            "a .txt beside each image (YOLO), seqinfo.ini (MOTChallenge), or a video file"
        )
    for image, file in images:
        rows = read_labels(file, numbers) if file.is_file() else np.zeros((0, 5))
        rows[:, 0] = [numbers[int(number)] for number in rows[:, 0]]
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
            image = read_image(images[number - 1])
            boxes = tlwh_to_xyxy(seen[seen[:, FRAME] == number, LEFT : HEIGHT + 1])
            rows = rows_of(boxes, np.full(len(boxes), person), image.shape)
            yield _Example(f"{sequence.name}-{number:06d}", images[number - 1], rows)


class _SelfLabeller:
    """The start network, where it agrees with itself."""

    def __init__(self, start: Path, config: DataConfig, device: str) -> None:
        self._config = config
        sizes = (config.imgsz, config.imgsz * 3 // 2)
        self._small, self._large = (YoloDetector(DetectorConfig(str(start), imgsz=size), device) for size in sizes)

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
                        rows = rows_of(found.xyxy, found.classes, image.shape)
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


class _Store:
    """Writes examples into a new dataset, each under a name that no other has.

    Attributes:
        counts: images in `train` and `val`, and how many of them are `made`: have labels made here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._taken: set[str] = set()
        self.counts = {"train": 0, "val": 0, "made": 0}
        for kind in ("images", "labels"):
            for part in ("train", "val"):
                (folder / kind / part).mkdir(parents=True)

    def add(self, example: _Example, part: str) -> None:
        name = self._name(example.name)
        images = self._folder / "images" / part
        with writing(images):
            if isinstance(example.image, Path):
                _link(example.image, images / f"{name}{example.image.suffix.lower()}")
            else:
                with (images / f"{name}.jpg").open("xb") as file:
                    file.write(cv2.imencode(".jpg", example.image)[1].tobytes())
            write_labels(self._folder / "labels" / part / f"{name}.txt", example.rows)
        self.counts[part] += 1
        self.counts["made"] += example.made

    def _name(self, wanted: str) -> str:
        """`wanted`, with a number where another example has that name, also where case makes no difference."""
        short = wanted.encode()[-_LONGEST_NAME:].decode(errors="ignore")
        names = chain([short], (f"{short}-{number}" for number in count(2)))
        name = next(name for name in names if name.casefold() not in self._taken)
        self._taken.add(name.casefold())
        return name


def _link(image: Path, target: Path) -> None:
    """A link at `target`, where nothing stands; a copy where the file system knows none. Never through a link."""
    try:
        target.symlink_to(image.resolve())
    except FileExistsError:
        raise
    except OSError:
        with image.open("rb") as source, target.open("xb") as copy:
            shutil.copyfileobj(source, copy)
