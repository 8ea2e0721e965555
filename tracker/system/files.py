"""Files that are written whole or not at all, and one sentence where the system refuses.

Where the disk is full, what was written before stays.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracker.errors import OutputError


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
            draft.write_bytes(content)
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
