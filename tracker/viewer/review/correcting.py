"""The edits of a run, kept in its `edits.json`, and the rows as they are with them."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from tracker.datasets.annotations import Annotations
from tracker.datasets.finished_run import FinishedRun
from tracker.errors import ChangedError, DataError
from tracker.jobs.corrections.corrected import Correction, uncorrectable
from tracker.jobs.corrections.edits import MOST_BYTES, NAME, EditList, fingerprint
from tracker.viewer.review.origins import Origins
from tracker.viewer.review.rows import columns_of, packed

_NOTHING = '"none"'  # the tag where there is no file


@dataclass(frozen=True, eq=False)
class Corrected:
    """A run with its edits.

    Attributes:
        tag: of the edits, as an HTTP ETag.
        edits: as they are saved.
        rows: by object and frame.
        names: of objects, by id.
        origins: of the rows.
    """

    tag: str
    edits: EditList
    rows: Annotations
    names: Mapping[int, str]
    origins: Origins

    @cached_property
    def packed(self) -> bytes:
        """The rows as a page reads them."""
        head = {
            "tag": self.tag,
            "classes": {str(number): str(name) for number, name in self.rows.names.items()},
            "names": {str(track): name for track, name in self.names.items()},
        }
        return packed(head, columns_of(self.rows))


class Corrections:
    """A run's edits on disk, which other pages and people may change, too. For any number of threads.

    Args:
        run: whose.

    Raises:
        DataError: the run, or its `edits.json`, is not what it should be.
    """

    def __init__(self, run: FinishedRun) -> None:
        self._run = run
        self._lock = threading.Lock()
        self._known: Corrected | None = None
        self.current()

    @property
    def refused(self) -> str:
        """Why nothing can be corrected, in a sentence; empty where it can."""
        return uncorrectable(self._run)

    @property
    def path(self) -> Path:
        """The one file that is ever written."""
        return self._run.folder / NAME

    def current(self) -> Corrected:
        """The run as corrected by what is on disk now.

        Raises:
            DataError: edits that cannot be read, or do not fit the run.
        """
        with self._lock:
            return self._read()

    def save(self, content: bytes, tag: str) -> Corrected:
        """Replace the edits.

        Args:
            content: JSON as of the file. tag: of the edits that they replace.

        Raises:
            ChangedError: those have been replaced by others meanwhile. DataError: no edits, or some that do not
                fit, or a run that cannot be corrected. OutputError: the file cannot be written.
        """
        if self.refused:
            raise DataError(self.refused)
        with self._lock:
            if self._read().tag != tag:
                raise ChangedError("these edits were changed elsewhere meanwhile; load the page again")
            made = self._made(EditList.parsed(content), "")
            made.edits.save(self._run.folder)
            self._known = replace(made, tag=_tag(made.edits.text.encode()))
            return self._known

    def _read(self) -> Corrected:
        content = self._content()
        tag = _NOTHING if content is None else _tag(content)
        if self._known is None or self._known.tag != tag:
            edits = EditList.read(self._run.folder) if content is None else EditList.parsed(content)
            edits.require(fingerprint(self._run.folder))
            self._known = self._made(edits, tag)
        return self._known

    def _content(self) -> bytes | None:
        """What the file holds, at least as much as it may; None where there is none."""
        if self.path.is_symlink() or (self.path.exists() and not self.path.is_file()):
            raise DataError(f"{self.path} is a link to another place, or no file; remove it")
        try:
            with self.path.open("rb") as file:
                return file.read(MOST_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error.strerror}); check its permissions") from error

    def _made(self, edits: EditList, tag: str) -> Corrected:
        before = self._run.annotations
        correction = Correction.of(before, edits.edits, self._run.tracked)
        rows = correction.annotations
        by_id = np.lexsort((rows.frames, rows.ids))
        rows, origin = rows[by_id], correction.origin[by_id]
        names = {**self._run.object_names, **correction.object_names}
        return Corrected(tag, edits, rows, names, Origins(before, rows, origin))


def _tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'
