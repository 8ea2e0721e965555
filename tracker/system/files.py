"""Files that are written whole or not at all, settings that are read, and one sentence where the system refuses.

Where the disk is full, what was written before stays.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from tracker.errors import ConfigError, OutputError
from tracker.system.snapshots.resumable import Resumable

_TRIES = 10  # at a lock that is removed each time; some file systems count no names


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's refusal to write `path` into an `OutputError` of one sentence."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OutputError(
                f"no space left to write {path}; make room and run again (what was written before is kept)"
            ) from error
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise OutputError(f"cannot write {path}: a file stands where a folder is needed; choose another") from error
        reason = (error.strerror or str(error)).lower()
        raise OutputError(f"cannot write {path}: {reason}; choose another folder with --project or --out") from error


def replace_text(path: Path, text: str) -> None:
    """`replace_file` with text in UTF-8."""
    replace_file(path, text.encode())


def replace_file(path: Path, content: bytes, durable: bool = False) -> None:
    """Write `content` to `path` at once: a reader, or a kill in the middle, finds either the old file or the new.

    Args:
        durable: so does whoever comes after a power cut, and once this has returned, the new one.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    with replacing(path, durable) as file:
        file.write(content)


@contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[IO[bytes]]:
    """A file to write to that becomes `path` at the end, at once; where that fails, what was there stays.

    Args:
        durable: as of `replace_file`.

    Raises:
        OutputError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            draft.unlink(missing_ok=True)  # what an earlier kill left, or a link that somebody put there to be written
            with draft.open("wb") as file:
                yield file
            if durable:
                to_disk(draft)
            draft.replace(path)
            if durable:
                to_disk(path.parent)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise


@contextmanager
def text_file(path: Path, errors: str = "strict") -> Iterator[TextIO]:
    """`replacing` with text in UTF-8; `errors` as of `open`.

    Raises:
        OutputError: it cannot be written.
    """
    with replacing(path) as file:
        text = io.TextIOWrapper(file, "utf-8", errors, newline="\n")
        yield text
        text.detach()


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Rows as lines of a table."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()


def to_disk(path: Path) -> None:
    """Have what was written to a file, or which files a folder has, outlive a power cut.

    Where the system cannot do that for a folder, or the file system for anything, nothing happens.
    """
    with suppress(OSError):
        number = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def locked(path: Path) -> IO[str] | None:
    """Keep a lock file, made with its folder, until it is closed or the process ends, however it does.

    Returns:
        The open file; None where the system knows no locks.

    Raises:
        BlockingIOError: another process keeps it. OutputError: it cannot be made.
    """
    if sys.platform == "win32":
        return None
    import fcntl

    for more in reversed(range(_TRIES)):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise
        except OSError:  # a file system that knows no locks
            return file
        if os.fstat(file.fileno()).st_nlink or not more:
            break
        file.close()  # who kept it has removed it meanwhile, and a lock on what has no name keeps nobody out
    return file


def first_line(path: Path) -> str | None:
    """The first line of a file of secrets, without the blanks around it; None where it cannot be read."""
    try:
        return next(iter(path.read_text(encoding="utf-8").splitlines()), "").strip()
    except (OSError, UnicodeDecodeError):
        return None


def read_yaml(path: Path, advice: str = "see configs/default.yaml") -> Any:
    """The content of a file of settings; an empty one has none. `advice` says in errors how to write it.

    Raises:
        ConfigError: it cannot be read, or is not safe YAML.
    """
    import yaml  # takes its time, and `track --help` reads the settings without it

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}); give a YAML file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" line {where.line + 1}" if where else ""
        problem = str(getattr(error, "problem", None) or error).splitlines()[0]
        raise ConfigError(f"{path}{line} is not plain YAML ({problem}); {advice}") from error


class Lines(Resumable):
    """A text file that grows by whole lines, without a buffer.

    Args:
        path: the file, replaced if it is there.
        header: its first line or lines.
        resumed: go on with a file that is there instead, without what a killed process left of its last line.

    Raises:
        OutputError: it cannot be written.
    """

    saved = ("_size", "_sum")
    rebuilt = ("path", "_file")

    def __init__(self, path: Path, header: str = "", resumed: bool = False) -> None:
        self.path = path
        with writing(path):
            self._file = path.open("ab" if resumed else "wb", buffering=0)
            self._size = _whole_lines(path) if resumed else 0
            self._file.truncate(self._size)
        self._sum = 0  # of all that was written here
        if not self._size:
            self.append(header)

    def append(self, lines: str) -> None:
        """Add whole lines; where the disk is full, none of them stays.

        Raises:
            OutputError: they cannot be written.
        """
        data = lines.encode()
        written = 0
        with writing(self.path):
            try:
                while written < len(data):
                    written += self._file.write(data[written:])
            except OSError:
                self._file.truncate(self._size)
                raise
        self._size += len(data)
        self._sum = zlib.crc32(data, self._sum)

    @property
    def written(self) -> tuple[int, int]:
        """Bytes of the file, and a sum that tells them from others (`holds`)."""
        return self._size, self._sum

    def _taken_over(self) -> None:
        with writing(self.path):
            self._file.truncate(self._size)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def holds(path: Path, size: int, total: int) -> bool:
    """Whether a file begins with what `Lines.written` said of it."""
    found = 0
    try:
        with path.open("rb") as file:
            while size and (part := file.read(min(size, 1 << 20))):
                found, size = zlib.crc32(part, found), size - len(part)
    except OSError:
        return False
    return not size and found == total


def _whole_lines(path: Path) -> int:
    """Bytes of a file up to the end of its last whole line."""
    with path.open("rb") as file:
        end = file.seek(0, io.SEEK_END)
        while end > 0:
            begin = max(0, end - 65_536)
            file.seek(begin)
            found = file.read(end - begin).rfind(b"\n")
            if found >= 0:
                return begin + found + 1
            end = begin
    return 0
