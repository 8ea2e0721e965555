"""From a run or any format to any other, with what gets lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun, no_run
from tracker.datasets.formats.format import FileFormat
from tracker.datasets.formats.known import FORMATS
from tracker.datasets.formats.mot_folder import folder_names
from tracker.errors import DataError, UsageError
from tracker.jobs.conversion.pictures import leave_pictures
from tracker.system.files import writing
from tracker.system.output_folder import claim, emptied
from tracker.video.source import open_source


@dataclass(frozen=True)
class Converted:
    """One video that was converted.

    Attributes:
        name: the video's.
        out: where it is now.
        rows, objects, frames: how many.
        lost: what the format cannot hold of it.
        rate_assumed: whether nothing tells its frame rate.
    """

    name: str
    out: Path
    rows: int
    objects: int
    frames: int
    lost: list[str]
    rate_assumed: bool


def convert(
    given: Path,
    to: str,
    out: Path,
    *,
    source: str | None = None,
    video: Path | None = None,
    fps: float | None = None,
    pictures: bool = False,
) -> list[Converted]:
    """Write what `given` says of one or more videos in another format.

    Args:
        given: a run's folder, or a file or folder of the format `source`.
        to: name of a format (`FORMATS`).
        out: its file or folder; of several videos where the format has one a file, a folder of such files.
        source: None: a run.
        video: the one that is meant, which tells size and rate and has the pictures; None: the run's.
        fps: frames/s of the video; None: as the video, the run or the file says, else 25.
        pictures: leave the frames, too, as images.

    Raises:
        DataError: `given` is not what it should be. UsageError: pictures that cannot be had. OutputError: something is
            in the way that `track convert` did not make. MissingExtraError: a format's package is not installed.
    """
    form = FORMATS[to]
    run = _run(given) if source is None else None
    assumed = False
    if run is not None:
        videos = [run.annotations]
        if pictures and video is None and run.record.get("blur"):
            raise UsageError(f"objects were hidden in {given} (--blur), and --frames would show them; give --video")
        video = video or run.source
    else:
        videos, assumed = _read(FORMATS[source or ""], given, video, fps)
    if pictures and (form.pictures is None or len(videos) != 1):
        raise UsageError(f"--frames is for one video in mot, yolo or coco-video; this is {len(videos)} in {to}")
    if pictures and video is None:
        raise UsageError(f"the video of {given} is not known or not there any more; give it with --video")
    videos = [one.compact for one in videos]
    for one in videos:
        form.check(one)
    folder = not form.suffix or (len(videos) > 1 and not form.many)
    beside = form.pictures.format(stem=folder_names(videos)[0], number=1) if pictures and form.pictures else ""
    leaves = [out.name, *([Path(beside).parts[0]] if beside and not folder else [])]
    claim(out.parent, "convert", leaves, [given, *([video] if video is not None else [])])
    for name in leaves:
        if folder or name != out.name:
            emptied(out.parent / name, "convert")
    places = _write(form, videos, out)
    if pictures and video is not None and form.pictures is not None:
        leave_pictures(video, videos[0], out if folder else out.parent, form.pictures, numbered_anew=to == "mot")
    lost = [] if run is None else _of_runs_alone(run)
    return [
        Converted(
            one.name,
            place,
            len(one),
            len(set(one.ids.tolist())),
            one.frame_count,
            [*form.lost(one), *lost],
            assumed and not fps,
        )
        for one, place in zip(videos, places, strict=True)
    ]


def _of_runs_alone(run: FinishedRun) -> list[str]:
    """What a run has that no format can hold."""
    has = {
        "names of objects": bool(run.object_names),
        "places and speeds in metres": "camera" in run.record,
        "data of detections": bool(run.annotations.columns.data),
    }
    return [part for part, there in has.items() if there]


def _run(given: Path) -> FinishedRun:
    if not (given / "run.yaml").is_file():
        raise DataError(f"{no_run(given)}, or say with --from what it is")
    return FinishedRun.read(given)


def _read(form: FileFormat, given: Path, video: Path | None, fps: float | None) -> tuple[list[Annotations], bool]:
    """What a file says, and whether nothing tells the rate."""
    said = form.read(given)
    if not said:
        raise DataError(f"{given} is of no video; give another file")
    if video is None:
        return [one.annotations(fps) for one in said], any(one.frames_per_s is None for one in said)
    if len(said) > 1:
        raise UsageError(f"{given} is of {len(said)} videos, and --video is one; leave it out")
    with open_source(video) as opened:
        return [said[0].annotations(fps or opened.fps, opened.size)], False


def _write(form: FileFormat, videos: Sequence[Annotations], out: Path) -> list[Path]:
    """Where each is now."""
    if form.many or len(videos) == 1:
        form.write(videos, out)
        return [out] * len(videos)
    places = [out / f"{name}{form.suffix}" for name in folder_names(videos)]
    with writing(out):
        out.mkdir(exist_ok=True)
    for one, place in zip(videos, places, strict=True):
        form.write([one], place)
    return places
