"""A file of settings that a page edits: what it says, and that nobody else's changes to it are lost."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from tracker.errors import ChangedError, ConfigError, OutputError
from tracker.system.files import replace_text, writing

NEW = "new"  # the version of a file that is not there
_LONGEST = 4 << 20  # letters: what a page may send


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

    def read(self) -> tuple[str | None, str]:
        """What it says, None where it is not there, and what tells that from any other state of it.

        Raises:
            ConfigError: it cannot be read, or is no file of settings.
        """
        try:
            if self.path.exists() and not self.path.is_file():  # a pipe would be waited for
                raise ConfigError(f"{self.path} is no file; give another --out")
            with self.path.open(encoding="utf-8") as file:
                text = file.read(_LONGEST + 1)
        except FileNotFoundError:
            return None, NEW
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{self.path} cannot be read as text ({error}); give another --out") from error
        if len(text) > _LONGEST:
            raise ConfigError(f"{self.path} is too long for settings; give another --out")
        return text, _version(text)

    def save(self, text: str, version: str, check: Callable[[str], object]) -> str:
        """Replace it; returns its version of now.

        Args:
            version: of what was edited. check: raises where the text is none.

        Raises:
            ChangedError: it is another one by now. OutputError: it cannot be written.
        """
        if version != self.read()[1]:
            raise ChangedError(f"{self.path.name} was changed by somebody else; load this page again")
        check(text)
        self._check_place()
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(self.path, text)
        return _version(text)

    def _check_place(self) -> None:
        with writing(self.path):
            if self.path.is_symlink():
                raise OutputError(f"{self.path} is a link; give another --out")
            with TemporaryFile(dir=next(place for place in self.path.absolute().parents if place.exists())):
                pass


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
