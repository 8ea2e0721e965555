"""Where a command writes: nothing is replaced that is an input, or that the same command did not make.

Nor do two commands write there at once.

Everything is looked at before anything is made. What a command has made is known by a file that it leaves,
`.made-by-track-eval`: in OUT with the names of the files there, and empty in each folder that it may empty.
Trainings of version 0.1 left it empty in OUT, too; whatever they leave is theirs there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from tracker.errors import OutputError
from tracker.system.files import locked, replace_file, writing


def claim(out: Path, command: str, leaves: Sequence[str], inputs: Iterable[Path] = (), option: str = "--out") -> None:
    """Make `out`, which the user names by `option`, ready for `command`.

    It leaves the files and folders `leaves` there and reads `inputs`.

    Raises:
        OutputError: one of them is an input or holds one, also through links; one stands there that the command did not
            make; `out` cannot be written. Nothing is changed then.
    """
    mark = _mark(command)
    with writing(out):
        targets = [out / name for name in leaves]
        for source in inputs:
            _keep_apart(source, targets, option)
        made = _names(out / mark, leaves)
        for target in targets:
            if target.is_dir():
                ours = (target / mark).is_file() or not any(target.iterdir())
            else:
                ours = target.name in made and not target.is_symlink()
            if (target.exists() or target.is_symlink()) and not ours:
                raise OutputError(f"{target} was not made by track {command}; choose another {option}, or move it away")
        out.mkdir(parents=True, exist_ok=True)
        replace_file(out / mark, os.fsencode("".join(f"{name}\n" for name in sorted(made.union(leaves)))))


def emptied(folder: Path, command: str) -> None:
    """Make `folder`, which was claimed, anew and empty; links in it are removed, not followed.

    Raises:
        OutputError: it cannot be done.
    """
    with writing(folder):
        folder.mkdir(exist_ok=True)
        for part in folder.iterdir():
            if part.is_dir() and not part.is_symlink():
                shutil.rmtree(part)
            elif part.name != _mark(command):
                part.unlink()
        (folder / _mark(command)).touch()


def alone(lock: Path, command: str, project: Path) -> IO[str] | None:
    """Keep a folder of results for this process until the file is closed or the process ends, however it does.

    Args:
        lock: the file that says so, made; None is returned where the system cannot lock it.
        command: which writes to `project`.

    Raises:
        OutputError: another process has it, or the file cannot be written.
    """
    try:
        return locked(lock)
    except BlockingIOError:
        raise OutputError(f"another track {command} writes to {project}; end it, or name another --project") from None


def _mark(command: str) -> str:
    return f".made-by-track-{command.replace(' ', '-')}"


def _names(mark: Path, leaves: Iterable[str]) -> set[str]:
    """What the command has written beside its mark so far."""
    return set(os.fsdecode(mark.read_bytes()).splitlines() or leaves) if mark.is_file() else set()


def _keep_apart(source: Path, targets: Iterable[Path], option: str) -> None:
    place = source.resolve()
    for target in targets:
        if place.is_relative_to(target.resolve()):
            what = "is" if place == target.resolve() else "holds"
            raise OutputError(f"{target}, where results go, {what} the input {source}; choose another {option}")
