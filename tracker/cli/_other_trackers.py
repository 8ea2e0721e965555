"""What people type who come from other trackers (Ultralytics' `yolo track`, BoxMOT, YOLOv5, ByteTrack): taken as our
option, or answered in one sentence. An underscore is as good as a hyphen."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from tracker.errors import UsageError

SAME = {
    "--conf-thres": "--conf",
    "--detector": "--model",
    "--hide-labels": "--no-labels",
    "--img": "--imgsz",
    "--img-size": "--imgsz",
    "--iou-thres": "--iou",
    "--line-thickness": "--line-width",
    "--nosave": "--no-video",
    "--reid-model": "--reid",
    "--reid-weights": "--reid",
    "--save-crop": "--save-crops",
    "--weights": "--model",
    "--yolo-model": "--model",
}
"""Their option -> ours."""

SOURCE = {"--source", "--input"}  # what follows is the source

FOLDER = {"--output", "--output-dir", "--out"}  # what follows is this run's folder: --project and --name in one

DONE = {
    "--save",
    "--save-txt",
    "--save-vid",
    "--show-conf",
    "--show-labels",
}  # what every run does

_CONFIGURED = "has no option; write detector: {KEY: ...} into a YAML file and give it with --config"
ANSWERS = {
    "--tracker": "there is one tracker, and --config NAME chooses its settings for a kind of scene, as --config crowd",
    "--tracking-method": "there is one tracker, and --config NAME chooses its settings for a kind of scene",
    "--max-det": "how many are detected at most " + _CONFIGURED.replace("KEY", "max_detections"),
    "--show-vid": "the frames are shown in a window by --show",
}
"""Their option -> what is said of it."""

_ASSIGNED = re.compile(r"([a-z_]+)=(.*)")
_ASSIGNABLE = {"--source", "--model", "--conf", "--iou", "--imgsz", "--device", "--classes", "--tracker", "--save-txt"}


def translated(words: Sequence[str]) -> list[str]:
    """The words of a command line, as `track run` takes them.

    Raises:
        UsageError: an option of others that has no counterpart, with what to do instead.
    """
    found: list[str] = []
    given = iter(words)
    for word in given:
        if word == "--":  # no options from here on
            return [*found, word, *given]
        found += _translated(word, given)
    return found


def _translated(word: str, after: Iterator[str]) -> list[str]:
    """What a word stands for; one that takes the next as its value takes it from `after`."""
    if (assigned := _ASSIGNED.fullmatch(word)) and _option(assigned[1]) in _ASSIGNABLE and not Path(word).exists():
        raise UsageError(f"{word} is Ultralytics' way of writing; write {_option(assigned[1])} {assigned[2]}")
    if not word.startswith("--"):
        return [word]
    written, equals, value = word.partition("=")
    option = _option(written)
    if option in ANSWERS:
        raise UsageError(f"{written}: {ANSWERS[option]}")
    if option in DONE:
        return []
    if option in SOURCE:
        return [value] if equals else []
    if option in FOLDER:
        return _folder(written, value or next(after, ""))
    return [SAME.get(option, option) + equals + value]


def _option(written: str) -> str:
    return "--" + written.removeprefix("--").replace("_", "-")


def _folder(written: str, value: str) -> list[str]:
    path = Path(value)
    if not value or path.suffix.lower() in (".mp4", ".avi", ".mkv", ".mov", ".webm", ".txt", ".csv", ".json"):
        raise UsageError(
            f"{written} {value}".rstrip() + " is no folder; give one, in which video.mp4, tracks.txt and more will be"
        )
    if path.name in ("", ".."):
        return ["--project", value]
    return ["--project", str(path.parent), "--name", path.name]
