"""Object storage (`s3://`, `gs://`, whatever fsspec knows) as the place of a batch's sources and results.

An object appears whole or not at all, so what is copied is complete; a run's record goes last, and where it is, all of
the run is. A copy that fails is tried again, with growing pauses.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from tracker.errors import MissingExtraError, OutputError, SourceError, TrackerError
from tracker.jobs.identities.archive import VIDEOS, IdentityArchive, LocalGallery
from tracker.jobs.identities.video_embeddings import ENDING
from tracker.jobs.result_folder import RECORD
from tracker.system.extras import extra
from tracker.video.url import SCHEMES, is_url, redacted, scheme

ATTEMPTS = 5
_AT_ONCE = 256  # objects of a gallery that are copied together
PAUSE_S = 0.5  # after the first attempt; twice as long after each further one

Result = TypeVar("Result")


def is_stored(source: Any) -> bool:
    """Whether a source is an object of a storage, which is copied before it is read."""
    return isinstance(source, str) and is_url(source) and scheme(source) not in SCHEMES


def objects(url: str) -> list[str]:
    """The objects that a URL stands for: those that a glob matches, all below what ends with a slash, or itself.

    Raises:
        SourceError: the storage cannot be asked. MissingExtraError: its package is not installed.
    """
    storage, path = _opened(url)

    def found() -> list[str]:
        if any(letter in url for letter in "*?["):
            return list(storage.glob(path))
        return list(storage.find(path)) if url.endswith("/") else [path]

    return [
        storage.unstrip_protocol(name)
        for name in sorted(_again(found, SourceError, f"{redacted(url)} cannot be listed"))
    ]


@contextmanager
def copied(url: str) -> Iterator[Path]:
    """A copy of an object, of its name, for as long as the context lasts.

    Raises:
        SourceError: it cannot be read. MissingExtraError: the storage's package is not installed.
    """
    storage, path = _opened(url)
    with TemporaryDirectory(prefix="tracker-batch-") as folder:
        file = Path(folder) / Path(path).name
        _again(lambda: storage.get_file(path, str(file)), SourceError, f"{redacted(url)} cannot be read")
        yield file


class Results:
    """A folder of objects.

    Args:
        url: `s3://bucket/folder`.

    Raises:
        MissingExtraError: the storage's package is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._storage, self._root = _opened(self.url)

    def names(self) -> set[str]:
        """What is in it: objects, and folders of such."""
        return {path.partition("/")[0] for path in self.paths()}

    def fetch(self, names: Iterable[str], folder: Path) -> None:
        """Copy those of these objects that are there into a local folder.

        Raises:
            OutputError: one cannot be read.
        """
        there = self.paths()
        wanted = [name for name in names if name in there]
        if wanted:
            files = [str(folder / name) for name in wanted]
            paths = [f"{self._root}/{name}" for name in wanted]
            _again(lambda: self._storage.get(paths, files), OutputError, self._told(""))

    def paths(self) -> set[str]:
        """Every object in it, and in folders in it, by its way from here."""
        found = _again(lambda: self._storage.find(self._root), OutputError, self._told(""))
        return {path.removeprefix(f"{self._root}/") for path in found}

    def put(self, file: Path, name: str) -> None:
        """Copy a file to the object `name`, in place of what is there.

        Raises:
            OutputError: it cannot be written; what was there stays.
        """
        _again(lambda: self._storage.put_file(str(file), f"{self._root}/{name}"), OutputError, self._told(name))

    def remove(self, name: str) -> None:
        """Delete an object.

        Raises:
            OutputError: it cannot be deleted.
        """
        _again(lambda: self._storage.rm_file(f"{self._root}/{name}"), OutputError, self._told(name))

    def put_folder(self, folder: Path, name: str) -> None:
        """Copy all files of a run's folder, its record last."""
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        for file in sorted(files, key=lambda path: path.name == RECORD):
            self.put(file, f"{name}/{file.relative_to(folder).as_posix()}")

    def _told(self, name: str) -> str:
        return f"{redacted(self.url)}/{name} cannot be written or read"


class StoredGallery:
    """`GalleryFiles` in an object storage; arguments and errors as of `Results`."""

    def __init__(self, url: str) -> None:
        self._objects = Results(url)
        self.place = redacted(url.rstrip("/"))

    def names(self) -> list[str]:
        """As of `GalleryFiles`."""
        return [name for name in self._objects.paths() if name.startswith(f"{VIDEOS}/") and name.endswith(ENDING)]

    def opened(self, names: Sequence[str]) -> Iterator[Path]:
        """As of `GalleryFiles`."""
        for begin in range(0, len(names), _AT_ONCE):
            with TemporaryDirectory(prefix="tracker-gallery-") as scratch:
                folder, part = Path(scratch), names[begin : begin + _AT_ONCE]
                (folder / VIDEOS).mkdir()
                self._objects.fetch(part, folder)
                yield from (folder / name for name in part)

    def put(self, name: str, content: bytes) -> None:
        """As of `GalleryFiles`."""
        with TemporaryDirectory(prefix="tracker-gallery-") as scratch:
            file = Path(scratch) / "file"
            file.write_bytes(content)
            self._objects.put(file, name)

    def remove(self, name: str) -> None:
        """As of `GalleryFiles`."""
        self._objects.remove(name)

    def require_writable(self) -> None:
        """Nothing is known before one is written."""


def gallery_at(place: str) -> IdentityArchive:
    """The gallery in a folder, or at the URL of an object storage."""
    return IdentityArchive(StoredGallery(place) if is_stored(place) else LocalGallery(Path(place).absolute()))


def _opened(url: str) -> tuple[Any, str]:
    """The file system of a URL, and what the URL is in there."""
    core = extra("fsspec.core", "batch")
    try:
        storage, path = core.url_to_fs(url)
    except ImportError as missing:
        raise MissingExtraError(f"{scheme(url)}:// needs a package that is not installed; {missing}") from missing
    except ValueError as error:
        raise SourceError(
            f"{redacted(url)}: unknown protocol {scheme(url)}://; give a path, or s3://, gs://, http:// or https://"
        ) from error
    storage.use_listings_cache = False
    return storage, str(path)


def _again(attempt: Callable[[], Result], kind: type[TrackerError], what: str) -> Result:
    """The attempt's result, of the first that succeeds."""
    for count in range(ATTEMPTS):
        try:
            return attempt()
        except FileNotFoundError as error:
            raise kind(f"{what}: there is nothing; check the address") from error
        except PermissionError as error:
            raise kind(f"{what}: permission denied; check the keys that its library reads") from error
        except Exception as error:  # of any kind: every storage's library has its own
            if count == ATTEMPTS - 1:
                reason = " ".join(str(error).split())[:200] or type(error).__name__
                raise kind(f"{what} ({reason}), {ATTEMPTS} times; check the network and the address") from error
            time.sleep(PAUSE_S * 2**count)
    raise AssertionError
