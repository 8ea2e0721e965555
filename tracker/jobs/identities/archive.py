"""The gallery of an archive: a folder with a file of embeddings for each video, and what was found of all of them.

Each file is whole at any time and belongs to one video, so any number of processes and machines may write at once. In
which order they do says nothing: who reads them sorts them.
"""

from __future__ import annotations

import csv
import io
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Protocol, Self

import numpy as np

from tracker.columns.documented import IDENTITIES
from tracker.columns.documented import names as headings
from tracker.errors import DataError, OutputError, UsageError
from tracker.jobs.identities.video_embeddings import ENDING, VideoEmbeddings, file_name
from tracker.system.files import to_disk, writing

VIDEOS, TABLE = "videos", "identities.csv"
_DRAFT_S = 3600.0  # after which nobody writes at a draft any more: it takes seconds
_HEADER = ",".join(headings(IDENTITIES))
_DRAFT = re.compile(rf"\.[0-9a-f]{{32}}\.(.+{re.escape(ENDING)}|{re.escape(TABLE)})")


class GalleryFiles(Protocol):
    """Where the files of a gallery are, by names such as `videos/door.safetensors`."""

    place: str

    def names(self) -> list[str]:
        """All that are there."""

    def opened(self, names: Sequence[str]) -> Iterator[Path]:
        """Each of these as a file of this machine, for as long as the next is not asked for."""

    def put(self, name: str, content: bytes) -> None:
        """Write one at once, in place of what is there; `OutputError` where that cannot be done."""

    def remove(self, name: str) -> None:
        """Delete one."""

    def require_writable(self) -> None:
        """Raise `OutputError` where it is known beforehand that none can be written."""


class LocalGallery:
    """`GalleryFiles` in a folder of this machine, or one that machines share."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._cleared: set[Path] = set()  # of what killed writers have left
        self.place = str(folder)

    def names(self) -> list[str]:
        """As of `GalleryFiles`."""
        return [f"{VIDEOS}/{path.name}" for path in (self._folder / VIDEOS).glob(f"[!.]*{ENDING}")]

    def opened(self, names: Sequence[str]) -> Iterator[Path]:
        """As of `GalleryFiles`."""
        return (self._folder / name for name in names)

    def put(self, name: str, content: bytes) -> None:
        """As of `GalleryFiles`."""
        path = self._folder / name
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.parent not in self._cleared:
                self._cleared.add(path.parent)
                _clear_drafts(path.parent)
            draft = path.with_name(f".{uuid.uuid4().hex}.{path.name}")  # its own: others may write the same at once
            try:
                draft.write_bytes(content)
                to_disk(draft)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)
            to_disk(path.parent)

    def remove(self, name: str) -> None:
        """As of `GalleryFiles`."""
        with writing(self._folder / name):
            (self._folder / name).unlink(missing_ok=True)

    def require_writable(self) -> None:
        """As of `GalleryFiles`."""
        folder = self._folder / VIDEOS
        with writing(folder):
            there = next(path for path in (folder, *folder.parents) if path.exists())
            TemporaryFile(dir=there).close()


def _clear_drafts(folder: Path) -> None:
    """Remove drafts of writers that are no more, by their age: not every folder that machines share knows locks.

    Nobody fails because another user's stay.
    """
    begun_before = time.time() - _DRAFT_S
    for path in folder.iterdir():
        if _DRAFT.fullmatch(path.name):
            with suppress(OSError):
                if path.lstat().st_mtime < begun_before:
                    path.unlink()


class IdentityArchive:
    """What the tracks of all videos look like.

    Args:
        files: where that is. source: what the videos that are added are called, where that is not what they say.
    """

    def __init__(self, files: GalleryFiles, source: str = "") -> None:
        self._files, self._source, self._usable = files, source, False
        self.place = files.place

    def of_source(self, source: str) -> Self:
        """The same gallery, for a video that is read from a copy."""
        same = copy(self)
        same._source = source
        return same

    def add(self, video: VideoEmbeddings) -> None:
        """Take in a video, in place of what it added before.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        video = replace(video, source=self._source or video.source)
        self._files.put(f"{VIDEOS}/{video.file_name}", video.to_bytes())

    @property
    def empty(self) -> bool:
        """Whether there is no video."""
        return not self._files.names()

    def videos(self) -> Iterator[VideoEmbeddings]:
        """All videos, in the order of their files' names.

        Raises:
            DataError: a file is damaged.
        """
        return self._of(self._files.names())

    def write_table(self, text: str) -> None:
        """Replace `identities.csv`.

        Raises:
            OutputError: it cannot be written, or one stands there that no gallery of ours has.
        """
        self._require_own_table()
        self._files.put(TABLE, text.encode("utf-8", "surrogateescape"))

    def require_usable(self) -> None:
        """
        Raises:
            OutputError: as of `add` and `write_table`, as far as it is known before a video is tracked. It is looked
                at once, for all videos that this process adds.
        """
        if not self._usable:
            self._files.require_writable()
            self._require_own_table()
            self._usable = True

    def _require_own_table(self) -> None:
        if (text := self._table()) and not _is_ours(text):
            raise OutputError(f"{self.place}/{TABLE} is another table; choose another --gallery, or move it away")

    def _table(self) -> str:
        """The text of `identities.csv`; empty where there is none."""
        try:
            (text,) = (path.read_bytes().decode("utf-8", "surrogateescape") for path in self._files.opened([TABLE]))
        except FileNotFoundError:
            return ""
        return text

    def rows(self, identity: int | None = None) -> list[dict[str, str]]:
        """The rows of `identities.csv`, of all identities or of one, by the columns' names.

        Raises:
            UsageError: no identities were found here yet, or not this one. DataError: the table is damaged.
        """
        if not _is_ours(text := self._table()):
            raise UsageError(f"{self.place} has no {TABLE} yet; run track identities {self.place}")
        try:
            rows = list(csv.DictReader(io.StringIO(text, newline="")))
            for row in rows:
                int(row["identity"]), int(row["id"]), row["source"].encode("utf-8", "surrogateescape")
        except (csv.Error, ValueError, TypeError, AttributeError) as error:
            raise DataError(
                f"{self.place}/{TABLE} is damaged; run track identities {self.place}, which makes it anew"
            ) from error
        if identity is None:
            return rows
        found = [row for row in rows if row["identity"] == str(identity)]
        if not found:
            raise UsageError(
                f"{self.place} has no identity {identity}; they are from 1 to {rows[-1]['identity'] if rows else 0}"
            )
        return found

    def forget_video(self, video: str) -> int:
        """Delete all that is known of a video, by its source, a path of it, or the folder of its results.

        Returns:
            How many tracks that was.

        Raises:
            UsageError: as of `known`.
        """
        source, count = self.known(video)
        self._files.remove(f"{VIDEOS}/{file_name(source)}")
        return count

    def known(self, video: str) -> tuple[str, int]:
        """The source of a video, as `forget_video` takes it, and how many tracks of it are known.

        Raises:
            UsageError: there is no such video, or several have a folder of that name.
        """
        asked = {video, os.path.abspath(video)}  # noqa: PTH100 - links stay links
        every = [(found.source, found.video, len(found)) for found in self.videos()]
        found = [known for known in every if known[0] in asked] or [known for known in every if known[1] == video]
        if len(found) != 1:
            which = "several videos" if found else "no video"
            raise UsageError(f"{self.place} knows {which} as {video}; give the source, as {TABLE} has it")
        ((source, _, count),) = found
        return source, count

    def forget_identity(self, identity: int) -> int:
        """Delete all that is known of the tracks of an identity, by its number in `identities.csv`.

        Returns:
            How many tracks that was.

        Raises:
            UsageError: there is no such identity, or a video that it is in was tracked again since, or deleted.
        """
        tracks: dict[str, dict[int, str]] = {}  # name of a file -> id -> when that was there first
        for row in sorted(self.rows(identity), key=lambda row: file_name(row["source"])):
            tracks.setdefault(f"{VIDEOS}/{file_name(row['source'])}", {})[int(row["id"])] = row["first_s"]
        if not (tracks.keys() <= set(self._files.names()) and all(map(_has, self._of(tracks), tracks.values()))):
            raise UsageError(
                f"{self.place} has changed since its {TABLE} was made; run track identities {self.place}, and give the "
                "number that it has now"
            )
        for video, gone in zip(self._of(tracks), tracks.values(), strict=True):
            self.add(video[~np.isin(video.ids, list(gone))])
        return sum(map(len, tracks.values()))

    def _of(self, names: Iterable[str]) -> Iterator[VideoEmbeddings]:
        """The videos of these files, in the order of their names."""
        return map(VideoEmbeddings.read, self._files.opened(sorted(names)))


def _is_ours(table: str) -> bool:
    return table.partition("\n")[0].rstrip("\r") == _HEADER


def _has(video: VideoEmbeddings, tracks: Mapping[int, str]) -> bool:
    """Whether it has tracks of these ids that are there first at these seconds."""
    first = dict(zip(video.ids.tolist(), map("{:.4f}".format, video.first_s), strict=True))
    return tracks.items() <= first.items()
