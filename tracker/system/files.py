"""Files that are written whole or not at all, settings that are read, and one sentence where the system refuses.

Where the disk is full, what was written before stays.
"""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracker.errors import ConfigError, OutputError


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


def replace_file(path: Path, content: bytes) -> None:
    """Write `content` to `path` at once: a reader, or a kill in the middle, finds either the old file or the new.

    Raises:
        OutputError: it cannot be written; what was there stays.
    """
    draft = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            draft.unlink(missing_ok=True)  # what an earlier kill left, or a link that somebody put there to be written
            draft.write_bytes(content)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise


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


class Lines:
    """A text file that grows by whole lines, without a buffer.

    Args:
        path: the file, replaced if it is there.
        header: its first line or lines.
        resumed: go on with a file that is there instead, without what a killed process left of its last line.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, header: str = "", resumed: bool = False) -> None:
        self.path = path
        with writing(path):
            self._file = path.open("ab" if resumed else "wb", buffering=0)
            self._size = _whole_lines(path) if resumed else 0
            self._file.truncate(self._size)
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

    def close(self) -> None:
        """Close the file."""
        self._file.close()


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
