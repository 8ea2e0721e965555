"""Folders of labelled images, as annotation tools leave them.

| layout | names | written by |
| --- | --- | --- |
| `images/` and `labels/`, or both in folders such as `train/` | `data.yaml` | Ultralytics, CVAT, Roboflow |
| `images/` and `labels/` | `classes.txt` | Label Studio |
| a `.txt` beside each image | `classes.txt`, `obj.names` | LabelImg, CVAT's YOLO 1.1 |
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import yaml

from tracker.datasets.mot import find_images


def class_names(folder: Path) -> dict[int, str] | None:
    """Class number -> name, of the first YAML file that has any, in `folder` or one below; else of a list of names.

    None where there is neither.
    """
    for file in _files(folder, "*.yaml", "*.yml"):
        with contextlib.suppress(yaml.YAMLError, AttributeError, TypeError, ValueError):
            names = yaml.safe_load(file.read_text(encoding="utf-8")).get("names")
            names = [names] if isinstance(names, str) else names
            if names:
                return {int(k): _text(v) for k, v in (names.items() if isinstance(names, dict) else enumerate(names))}
    for file in _files(folder, "classes.txt", "*.names"):
        with contextlib.suppress(ValueError):
            lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines()]
            if any(lines):
                return {number: line for number, line in enumerate(lines) if line}
    return None


def labelled_images(folder: Path) -> list[tuple[Path, Path]]:
    """Each image of `folder` and where its labels are, if it has any.

    In `labels` where the image is in `images` (the last folder of that name below `folder`, as for Ultralytics), else
    beside it. Where `folder` has `images`, nothing outside it counts.
    """
    root = folder / "images" if (folder / "images").is_dir() else folder
    return [(image, _label_file(image, folder)) for image in (find_images(root, below=True) if root.is_dir() else [])]


def _text(name: object) -> str:
    """A name, as YAML has it; what nests is none (and may be a few lines that unfold to gigabytes)."""
    if isinstance(name, list | dict | set | tuple):
        raise ValueError(type(name))
    return str(name)


def _files(folder: Path, *patterns: str) -> list[Path]:
    return sorted(file for pattern in patterns for file in [*folder.glob(pattern), *folder.glob(f"*/{pattern}")])


def _label_file(image: Path, folder: Path) -> Path:
    parts = list(image.relative_to(folder).parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return folder.joinpath(*parts).with_suffix(".txt")
