"""A file of settings that a page edits: what it says, and that nobody else's changes to it are lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from tracker.errors import ConfigError, OutputError, TrackerError
from tracker.system.files import replace_text, writing

NEW = "new"  # the version of a file that is not there


class ChangedError(TrackerError):
    """The file is not the one that was edited any more."""


class Document:
    """A file that may not be there yet.

    Args:
        path: the file.

    Raises:
        OutputError: it could not be saved there, so that what is drawn would be lost.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._check_place()

    @property
    def text(self) -> str | None:
        """What it says; None where it is not there.

        Raises:
            ConfigError: it cannot be read.
        """
        try:
            return self.path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read as text ({error}); give another --out") from error

    @property
    def version(self) -> str:
        """What tells it from any other state of it."""
        text = self.text
        return NEW if text is None else hashlib.sha256(text.encode()).hexdigest()

    def save(self, text: str, version: str, check: Callable[[str], object]) -> None:
        """Replace it.

        Args:
            version: of what was edited. check: raises where the text is none.

        Raises:
            ChangedError: it is another one by now. OutputError: it cannot be written.
        """
        if version != self.version:
            raise ChangedError(f"{self.path.name} was changed by somebody else; load this page again")
        check(text)
        self._check_place()
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self.path, text)

    def _check_place(self) -> None:
        with writing(self.path):
            if self.path.is_symlink():
                raise OutputError(f"{self.path} is a link; give another --out")
            with TemporaryFile(dir=next(place for place in self.path.absolute().parents if place.exists())):
                pass
