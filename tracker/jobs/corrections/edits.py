"""`edits.json` in a run's folder: what a person corrected of its tracks, in order, each edit a thing of its own.

{"version": 1, "run": "<SHA-256 of tracks.csv>", "edits": [{"edit": "merge", "id": 7, "into": 3}, ...]}

The list is the only state: undo is the same list without its last edit. Here it is checked for what it says alone;
whether a run has such tracks and frames is seen when it is applied (`corrected.py`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from tracker.errors import DataError
from tracker.system.files import replace_text

NAME = "edits.json"
VERSION = 1
MOST_EDITS = 10_000
MOST_BYTES = 4 << 20
_LARGEST = 2**31 - 1  # of ids and frames
_FARTHEST = 1e6  # pixels from a frame's corner, beyond what any has
_LEAST_SIDE = 0.01  # pixels: what the tables tell apart
_LONGEST = 100  # letters of a name
_JOINERS = "\u200c\u200d"  # not printable by themselves, and part of names in some scripts
_FORMULA = "=+-@"  # what a spreadsheet takes for the beginning of one

Box = tuple[float, float, float, float]


class Edit:
    """One correction. `kind` is how the file calls it; ids and frames count from 1, and both ends of spans are in."""

    kind: ClassVar[str]

    def to_dict(self) -> dict[str, Any]:
        """As the file has it."""
        said: dict[str, Any] = {"edit": self.kind}
        for field in fields(self):  # type: ignore[arg-type]  # each kind is a dataclass
            value = getattr(self, field.name)
            if value is not None:
                said[_KEYS.get(field.name, field.name)] = list(value) if isinstance(value, tuple) else value
        return said


@dataclass(frozen=True)
class Merge(Edit):
    """Track `id` is `into`; where both have a row in one frame, that of `into` stays."""

    kind = "merge"
    id: int
    into: int


@dataclass(frozen=True)
class Split(Edit):
    """From a frame on, track `id` is another one, `new`."""

    kind = "split"
    id: int
    frame: int
    new: int


@dataclass(frozen=True)
class Swap(Edit):
    """From a frame on, each of two tracks is the other."""

    kind = "swap"
    ids: tuple[int, int]
    frame: int


@dataclass(frozen=True)
class Delete(Edit):
    """Track `id` is not there from frame `first` to `last`; None: from its first, to its last."""

    kind = "delete"
    id: int
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True)
class Rename(Edit):
    """The object of track `id` has a name."""

    kind = "rename"
    id: int
    name: str


@dataclass(frozen=True)
class Reclassify(Edit):
    """Track `id` is of the class of this name, the run's or a new one."""

    kind = "class"
    id: int
    class_name: str


@dataclass(frozen=True)
class PlaceBox(Edit):
    """Track `id` is at `box` (left, top, right, bottom; pixels) in a frame; a new one is of the class `class_name`."""

    kind = "box"
    id: int
    frame: int
    box: Box
    class_name: str | None = None


@dataclass(frozen=True)
class Interpolate(Edit):
    """Track `id` goes straight from its box in frame `first` to that in `last`, by the boxes placed in between."""

    kind = "interpolate"
    id: int
    first: int
    last: int


_KEYS = {"first": "from", "last": "to", "class_name": "class"}  # words that Python has for itself


@dataclass(frozen=True)
class EditList:
    """The edits of one run, in the order in which they are applied.

    Attributes:
        run: SHA-256 of the run's tracks.csv.
    """

    run: str
    edits: tuple[Edit, ...] = ()

    @classmethod
    def parsed(cls, content: Any) -> Self:
        """What a file's bytes, its text, or the object in it says.

        Raises:
            DataError: it is none, is of another version or too long, or has an edit that is none, which is named.
        """
        if isinstance(content, str | bytes):
            content = _decoded(content)
        if not isinstance(content, Mapping) or set(content) != {"version", "run", "edits"}:
            raise DataError(f"{NAME} has not just version, run and edits; let `track view` write it")
        version, run, edits = content["version"], content["run"], content["edits"]
        if version != VERSION or isinstance(version, bool):
            raise DataError(f"{NAME} is of version {_shown(version)}, and this tracker reads {VERSION}; update it")
        if not (isinstance(run, str) and len(run) == 64 and set(run) <= set("0123456789abcdef")):
            raise DataError(f"{NAME} has the run {_shown(run)}; give the SHA-256 of the run's tracks.csv")
        if not isinstance(edits, list) or len(edits) > MOST_EDITS:
            raise DataError(f"{NAME} has no list of at most {MOST_EDITS} edits; let `track view` write it")
        return cls(run, tuple(_edit(number, said) for number, said in enumerate(edits, 1)))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The edits in a run's folder; none where there is no such file.

        Raises:
            DataError: as `parsed`; the run has no tracks.csv, or another one since.
        """
        run, path = fingerprint(folder), folder / NAME
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise DataError(f"{path} is no file; remove it")
        try:
            with path.open("rb") as file:
                found = cls.parsed(file.read(MOST_BYTES + 1))
        except FileNotFoundError:
            return cls(run)
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); check it") from error
        found.require(run)
        return found

    def save(self, folder: Path) -> None:
        """Write them into a run's folder, at once.

        Raises:
            DataError: they are another run's. OutputError: it cannot be written; what was there stays.
        """
        self.require(fingerprint(folder))
        replace_text(folder / NAME, self.text)

    @property
    def text(self) -> str:
        """What `save` writes: the same for the same edits."""
        lines = ",\n".join(json.dumps(edit.to_dict(), ensure_ascii=False) for edit in self.edits)
        lines = f"\n{lines}\n" if lines else ""
        return f'{{"version": {VERSION}, "run": "{self.run}", "edits": [{lines}]}}\n'

    def require(self, run: str) -> None:
        """
        Raises:
            DataError: they are not of the run with this fingerprint.
        """
        if self.run != run:
            raise DataError(
                f"{NAME} was made for another tracks.csv than is there now; put back the one that was corrected, or "
                f"remove {NAME} and correct anew"
            )


def fingerprint(folder: Path) -> str:
    """SHA-256 of a run's tracks.csv.

    Raises:
        DataError: it cannot be read.
    """
    path = folder / "tracks.csv"
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as missing:
        raise DataError(f"{folder} has no {path.name}; give a folder that `track` left") from missing
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); give a folder that `track` left") from error


def _decoded(content: str | bytes) -> Any:
    if len(content) > MOST_BYTES:
        raise DataError(f"{NAME} is larger than {MOST_BYTES >> 20} MiB; no list of {MOST_EDITS} edits is")
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:  # also where the bytes are no text
        raise DataError(f"{NAME} is not JSON ({str(error)[:_LONGEST]}); let `track view` write it") from error


def _edit(number: int, said: Any) -> Edit:
    if not isinstance(said, Mapping) or not isinstance(said.get("edit"), str) or said["edit"] not in _KINDS:
        what = said.get("edit") if isinstance(said, Mapping) else said
        raise DataError(f"edit {number} of {NAME} is {_shown(what)}; give one of: {', '.join(_KINDS)}")
    where = f"edit {number} of {NAME} ({said['edit']})"
    kind = _KINDS[said["edit"]]
    keys = {_KEYS.get(field.name, field.name): field for field in fields(kind)}  # type: ignore[arg-type]
    unknown = next((key for key in said if key not in keys and key != "edit"), None)
    if unknown is not None:
        raise DataError(f"{where} has the unknown key {_shown(unknown)}; its keys are {', '.join(keys)}")
    values: dict[str, Any] = {}
    for key, field in keys.items():
        if said.get(key) is not None:
            values[field.name] = _VALUES[field.name](said[key], f"{where} has {key} {_shown(said[key])}")
        elif "None" not in str(field.type):
            raise DataError(f"{where} has no {key}; its keys are {', '.join(keys)}")
    edit: Edit = kind(**values)
    if isinstance(edit, Merge) and edit.id == edit.into:
        raise DataError(f"{where} merges {edit.id} into itself; give two ids")
    if isinstance(edit, Split) and edit.id == edit.new:
        raise DataError(f"{where} gives the new track the old id {edit.id}; give one that is not in use")
    if isinstance(edit, Delete | Interpolate) and (edit.first or 1) > (edit.last or _LARGEST):
        raise DataError(f"{where} goes from {edit.first} to {edit.last}; give the earlier frame first")
    return edit


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= _LARGEST:
        raise DataError(f"{where}; give a whole number from 1")
    return value


def _pair(value: Any, where: str) -> tuple[int, int]:
    if not isinstance(value, list) or len(value) != 2 or value[0] == value[1]:
        raise DataError(f"{where}; give two different ids")
    return _whole(value[0], where), _whole(value[1], where)


def _box(value: Any, where: str) -> Box:
    numbers = isinstance(value, list) and len(value) == 4
    if not numbers or not all(isinstance(n, int | float) and not isinstance(n, bool) for n in value):
        raise DataError(f"{where}; give left, top, right and bottom in pixels")
    if not all(abs(n) <= _FARTHEST and math.isfinite(n) for n in value):
        raise DataError(f"{where}, which no picture has; give pixels of the frame")
    left, top, right, bottom = map(float, value)
    if right - left < _LEAST_SIDE or bottom - top < _LEAST_SIDE:
        raise DataError(f"{where}, empty or reversed; give left, top, right and bottom with right > left, bottom > top")
    return left, top, right, bottom


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        raise DataError(f"{where}; give 1 to {_LONGEST} letters")
    if not all(letter.isprintable() or letter in _JOINERS for letter in value):
        raise DataError(f"{where}, which holds a character that cannot be printed; leave it out")
    if value.strip()[0] in _FORMULA:
        raise DataError(f"{where}, which a spreadsheet takes for a formula; begin it with a letter")
    return value


_VALUES: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(("id", "into", "frame", "new", "first", "last"), _whole),
    **dict.fromkeys(("name", "class_name"), _text),
    "ids": _pair,
    "box": _box,
}
_KINDS: dict[str, type[Edit]] = {
    kind.kind: kind for kind in (Merge, Split, Swap, Delete, Rename, Reclassify, PlaceBox, Interpolate)
}


def _shown(value: Any) -> str:
    """A value in an error, never long."""
    text = ascii(value) if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
    return text if len(text) <= 60 else text[:57] + "..."
