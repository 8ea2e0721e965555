"""`track apply`: a run's results once more, as a person corrected them, in a folder of their own.

Neither the run's files nor the user's are touched: all is made beside the folder and takes its place when it is
complete, so that a reader finds the results of one list of edits, and an interruption those from before.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from tracker import provenance
from tracker.analytics.event_log import as_lines
from tracker.analytics.recorded_places import recorded_places
from tracker.columns.documented import OBJECT_NAME, ON_GROUND, TRACKS
from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.datasets.formats.parquet import from_table, of_video
from tracker.errors import DataError, OutputError, SourceError, UsageError
from tracker.jobs.corrections.corrected import Correction, uncorrectable
from tracker.jobs.corrections.edits import EditList
from tracker.jobs.corrections.frames import by_frame
from tracker.jobs.corrections.kept import keep_lines, kept_counts, kept_events, touched
from tracker.jobs.result_files import ResultFiles
from tracker.jobs.result_folder import COUNTS, EVENTS, JSON, PARQUET, RECORD, Output, ResultFolders
from tracker.structures import Image
from tracker.system.files import replace_text, writing
from tracker.video.source import Frame, Source, open_source
from tracker.video.url import is_url

FOLDER = "corrected"
_WIDEST = 100  # line that a record is believed to mean, in pixels
_TABLES = {"tracks.txt": 1, "tracks.csv": 2, "summary.csv": 0}  # and the column that has the id


@dataclass(frozen=True)
class AppliedEdits:
    """What `apply` did.

    Attributes:
        folder: where the corrected results are.
        edits: how many were applied. objects: how many objects they left otherwise than they were.
        frames, tracks: how many frames and objects there are.
        without_video: why there is no video; empty where there is one, and where none was asked for.
    """

    folder: Path
    edits: int
    objects: int
    frames: int
    tracks: int
    without_video: str


@dataclass(frozen=True)
class _NoPictures:
    """A source of which only the tables are written."""

    name: str
    size: tuple[int, int]
    fps: float
    live: bool = False


def apply(
    folder: Path,
    out: Path | None = None,
    video: bool = True,
    progress: Callable[[int, int], None] = lambda *_: None,
) -> AppliedEdits:
    """Write a run's results as its `edits.json` corrects them: the same files, and a `run.yaml` that says from what.

    Args:
        folder: the run's.
        out: where to; `corrected` in the run's folder by default. What was made there before is replaced.
        video: whether to draw the video, where the source is still there.
        progress: called with frames done and how many there are.

    Raises:
        DataError: a folder that holds no run, or a corrected one; edits that are none, or not of this run.
        OutputError: it cannot be written there; something stands there that was not made so.
    """
    run = FinishedRun.read(folder)
    if refused := uncorrectable(run):
        raise DataError(f"{folder}: {refused}")
    edits = EditList.read(folder)
    correction = Correction.of(run.annotations, edits.edits, run.tracked)
    out = out or folder / FOLDER
    folders = ResultFolders(_output(run, out, video), [] if run.source is None else [run.source])
    _require_ours(out, folder, folders)
    with writing(out), TemporaryDirectory(prefix=f".{FOLDER}-", dir=out.parent) as scratch:
        made = Path(scratch, "made")
        corrected = correction.annotations
        changed = touched(run.annotations, corrected)
        tracks = _write_tables(run, corrected, made, folders.output)
        _keep(run, corrected, made, changed, correction.object_names)
        if folders.output.parquet:
            _write_parquet(run, corrected, made, named=bool(correction.object_names))
        without = _draw(run, corrected, made, correction.object_names, progress) if video else ""
        files = [name for name in folders.output.files if (made / name).exists()]
        files += sorted(path.name for path in made.glob("video-[0-9]*.mp4"))
        record = _record(run, edits, out, tracks)
        replace_text(made / RECORD, provenance.yaml_text({**record[0], "files": [*files, RECORD], "result": record[1]}))
        _take_place(made, folders)
    return AppliedEdits(out, len(edits.edits), len(changed), len(run.tracked), tracks, without)


def _output(run: FinishedRun, out: Path, video: bool) -> Output:
    there = {name: (run.folder / name).is_file() for name in (JSON, PARQUET, EVENTS, COUNTS)}
    events = there[EVENTS] and there[COUNTS] and bool(run.record.get("zones"))
    output = Output(out.parent, out.name, exist_ok=True, video=video, events=events)
    return replace(output, json=there[JSON], parquet=there[PARQUET])


def _require_ours(out: Path, folder: Path, folders: ResultFolders) -> None:
    """
    Raises:
        OutputError: what is there was not left by `apply`.
    """
    other = "choose another folder with --out"
    if out.is_symlink():
        raise OutputError(f"{out} is a link, and results would be written where it leads; remove it, or {other}")
    if not out.exists():
        return
    if not out.is_dir() or out.resolve() == folder.resolve():
        raise OutputError(f"{out} is {'the run itself' if out.is_dir() else 'a file'}; {other}")
    if (out / RECORD).exists():
        try:
            ours = "corrected" in FinishedRun.read(out).record
        except DataError:
            ours = False
        if not ours:
            raise OutputError(f"{out} holds a run that was tracked, not corrected; {other}")
    folders.replaceable(out)


def _write_tables(run: FinishedRun, corrected: Annotations, made: Path, output: Output) -> int:
    """All files but the video; returns how many objects there are."""
    made.mkdir()
    width, height = corrected.size
    image: Image = np.broadcast_to(np.uint8(0), (height, width, 3))
    source = _NoPictures(made.name, corrected.size, corrected.frames_per_s)
    zones, ground = recorded_places(run)
    output = replace(output, video=False, parquet=False)  # that is made of the table when names are in it
    with ResultFiles(made, source, output, lambda _: None, zones, None, ground) as files:
        for number, time_s, tracks in by_frame(run, corrected):
            files.take(Frame(image, number, time_s), tracks)
    return len(np.unique(corrected.ids))


def _write_parquet(run: FinishedRun, corrected: Annotations, made: Path, named: bool) -> None:
    """`tracks.parquet` of the table as it is."""
    columns = (*TRACKS, *(ON_GROUND if "camera" in run.record else ()), *([OBJECT_NAME] if named else []))
    about = of_video(run.name, corrected.size, corrected.frame_count, corrected.frames_per_s, corrected.step)
    from_table(made / "tracks.csv", made / PARQUET, columns, about)


def _keep(run: FinishedRun, corrected: Annotations, made: Path, changed: set[int], names: Mapping[int, str]) -> None:
    """Put the run's own lines of objects that were not corrected into the tables.

    Of a run that was killed, only those of frames are whole; what sums them up is made anew.
    """
    killed = not run.record.get("result")
    anew = set(np.unique(corrected.ids).tolist()) if killed else changed
    for table, column in _TABLES.items():
        if not (run.folder / table).is_file():
            continue
        draft = made / f"{table}.made"
        (made / table).rename(draft)
        ids, called = (anew if table == "summary.csv" else changed), (None if table == "tracks.txt" else names)
        keep_lines(run.folder / table, draft, made / table, column, ids, called)
        draft.unlink()
    if (made / EVENTS).exists() and not killed:
        events = kept_events(run.events, FinishedRun(made, run.record).events, changed)
        replace_text(made / EVENTS, as_lines(events))
        seen = corrected.frames[~corrected.occluded]
        end_s = float(corrected.times_s[seen.max() - 1]) if len(seen) else 0.0
        replace_text(
            made / COUNTS, kept_counts(run.folder / COUNTS, recorded_places(run)[0], run.events, events, end_s)
        )


def _draw(
    run: FinishedRun,
    corrected: Annotations,
    made: Path,
    called: Mapping[int, str],
    progress: Callable[[int, int], None],
) -> str:
    """Draw the video; returns why there is none."""
    if run.record.get("blur"):
        return "objects were hidden in the run's (--blur), of which some were never tracked and would be seen"
    record = run.record["source"]
    given, stride, fps = record["given"], record.get("vid_stride", 1), record.get("fps")
    if not isinstance(given, str | list) or not isinstance(stride, int) or not isinstance(fps, int | float | None):
        return f"{run.folder / RECORD} does not say of what source"
    if isinstance(given, str) and (is_url(given) or run.source is None):
        return f"the source {given} is not there any more"
    try:
        with open_source(run.given, stride, fps=fps) as opened:
            if opened.size != run.size:
                was, now = ("{} x {}".format(*size) for size in (run.size, opened.size or (0, 0)))
                return f"the source has changed: its frames were {was} pixels and are {now} now"
            if opened.frame_count != record.get("frame_count"):
                return (
                    f"the source has changed: it had {record.get('frame_count')} frames and has "
                    f"{opened.frame_count} now"
                )
            return _drawn(run, corrected, made, opened, called, progress)
    except (SourceError, UsageError) as error:
        return str(error)


def _drawn(
    run: FinishedRun,
    corrected: Annotations,
    made: Path,
    opened: Source,
    called: Mapping[int, str],
    progress: Callable[[int, int], None],
) -> str:
    zones, ground = recorded_places(run)
    folder = made.with_name("drawn")
    folder.mkdir()
    count, done = len(run.tracked), 0
    output = replace(_looks(run), video=True, events=(made / EVENTS).exists())
    told = by_frame(run, corrected)
    with ResultFiles(folder, opened, output, lambda _: None, zones, None, ground, called=called) as files:
        for frame, (number, time_s, tracks) in zip(opened, told):  # noqa: B905 - what follows was not tracked
            if frame.number != number:
                break
            files.take(replace(frame, time_s=time_s), tracks)
            done += 1
            progress(done, count)
    if done < count:
        return f"the source has changed: frame {run.tracked[done]} is not in it any more"
    for path in folder.glob("video*.mp4"):
        path.replace(made / path.name)
    return ""


def _looks(run: FinishedRun) -> Output:
    """How the run's video was drawn, as far as its record says so."""
    leaves = run.record.get("leaves")
    said: dict[str, Any] = leaves if isinstance(leaves, dict) else {}
    kinds = {"labels": bool, "trails": bool, "line_width": int}
    return Output(**{n: said[n] for n, kind in kinds.items() if type(said.get(n)) is kind and 0 <= said[n] <= _WIDEST})


def _record(run: FinishedRun, edits: EditList, out: Path, tracks: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """What `run.yaml` says: the run's conditions, from what it was corrected and how, and what came of it."""
    conditions = {key: value for key, value in run.record.items() if key not in ("files", "result")}
    conditions["corrected"] = {
        "run": os.path.relpath(run.folder, out),
        "tracks_sha256": edits.run,
        "edits": len(edits.edits),
        "edits_sha256": hashlib.sha256(edits.text.encode()).hexdigest(),
    }
    was = run.record.get("result") or {}
    kept = {key: was[key] for key in ("source", "frames", "frames_looked_at", "frames_repeated") if key in was}
    return conditions, {"frames": len(run.tracked), **kept, "tracks": tracks}


def _take_place(made: Path, folders: ResultFolders) -> None:
    """Put what was made where the results go, the record first, which names all else."""
    out = folders.output.project / folders.output.name
    before = folders.replaceable(out) if out.exists() else set()
    with writing(out):
        out.mkdir(exist_ok=True)
        new = sorted(path.name for path in made.iterdir())
        for name in sorted(new, key=lambda name: name != RECORD):
            (made / name).replace(out / name)
        for path in before - {out / name for name in new}:
            path.unlink(missing_ok=True)
