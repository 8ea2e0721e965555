"""How a source's run begins: in a folder of its own, where an interrupted one was, or not at all, since it is done."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tracker.errors import OutputError, ResumeError
from tracker.jobs.outcome import SourceResult
from tracker.jobs.result_folder import RECORD, UNFINISHED, Record, ResultFolders
from tracker.jobs.resume.earlier import EarlierRun
from tracker.jobs.resume.unfinished import Unfinished, saved
from tracker.system.files import to_disk


@dataclass(frozen=True)
class Beginning:
    """What a run begins with.

    Attributes:
        folder: of its results. record: its `run.yaml`, not written yet.
        unfinished: where it saves how far it is; None: it cannot be gone on with.
        saved: where it was; None: at its first frame.
        finished: the result of one that has nothing to do.
    """

    folder: Path
    record: Record
    unfinished: Unfinished | None = None
    saved: Mapping[str, Any] | None = None
    finished: SourceResult | None = None

    def end(self, result: SourceResult, complete: bool) -> None:
        """Write the record; a complete run has its files with the system first, and keeps nothing to go on with.

        Raises:
            OutputError: that cannot be done, unless the result has another error.
        """
        unfinished = self.unfinished if complete else None
        if unfinished is not None:
            for name in self.record.files:  # before it says that all is there
                to_disk(self.folder / name)
            self.record.files.remove(UNFINISHED)
        with suppress(OutputError) if result.error else nullcontext():
            self.record.save(result.to_dict())
        if unfinished is not None:
            unfinished.remove()


def begin(folders: ResultFolders, name: str, given: Any, conditions: dict[str, Any], recorded: bool) -> Beginning:
    """Begin a run, or go on with an earlier one where that is asked for.

    Args:
        folders: of the results. name, given: of the source. conditions: what `run.yaml` says of the run.
        recorded: whether its frames can be read again.

    Raises:
        ResumeError: what is there cannot be gone on with; nothing was changed. OutputError: as of `ResultFolders.make`.
    """
    if folders.output.resume and recorded:
        there = [run for folder in folders.earlier(name) if (run := EarlierRun.of(folder)) is not None]
        for run in there:
            if run.is_of(given, conditions["source"]["fingerprint"]):
                return _gone_on(folders, run, conditions)
        if there:
            raise ResumeError(
                f"{there[-1].folder} holds the run of another source ({there[-1].record['source']['given']}); give "
                "another folder with --name or --project, or leave out --resume"
            )
    folder = folders.make(name)
    files = [*folders.output.files, *([UNFINISHED] if recorded else [])]
    record = Record(folder / RECORD, conditions, files)
    return Beginning(folder, record, Unfinished.new(folder) if recorded else None)


def _gone_on(folders: ResultFolders, run: EarlierRun, conditions: dict[str, Any]) -> Beginning:
    run.require_same(conditions, anywhere=run.finished is not None)
    if run.finished is not None and not (run.folder / UNFINISHED).exists():
        return _finished(folders, run, run.finished)
    unfinished = Unfinished(run.folder)
    try:
        run = EarlierRun.of(run.folder) or run  # what it is now that nobody else goes on with it
        if run.finished is not None:  # it ended a moment ago, or was killed in its last one
            unfinished.remove()
            return _finished(folders, run, run.finished)
        record = Record(run.folder / RECORD, conditions, list(run.record["files"]))
        state = saved(run.folder)
        if state is None:  # there is nothing to go on from
            unfinished.release()
            folders.take(run.folder, emptied=True)
            unfinished = Unfinished.new(run.folder)
        else:
            folders.take(run.folder, emptied=False)
    except BaseException:
        unfinished.release()
        raise
    since = {name: run.record.get(name, conditions[name]) for name in ("command", "started")}
    resumed = [*run.record.get("resumed", []), datetime.now(UTC).isoformat(timespec="seconds")]
    record.conditions = {**conditions, **since, "resumed": resumed}
    return Beginning(run.folder, record, unfinished, state)


def _finished(folders: ResultFolders, run: EarlierRun, result: SourceResult) -> Beginning:
    folders.take(run.folder, emptied=False)
    record = Record(run.folder / RECORD, dict(run.record), list(run.record["files"]))
    return Beginning(run.folder, record, finished=result)
