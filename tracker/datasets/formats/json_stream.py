"""JSON read piece by piece: what is large is a list somewhere, and only one item of it is in memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from tracker.errors import DataError

_LARGEST = 1 << 26  # letters of one item
_CHUNK = 1 << 18
_BLANK = re.compile(r"[ \t\n\r]*")


class JsonStream:
    """Goes through a file from its beginning to its end.

    Whoever is told of an item (`items`, `members`) takes it before the next: as a `value`, or goes into it.

        for key in stream.members():
            if key == "annotations":
                for _ in stream.items():
                    use(stream.value())
            else:
                stream.value()

    Raises:
        DataError: what is there is not JSON, not what was asked for, or an item too large.
    """

    def __init__(self, file: TextIO, where: str) -> None:
        self._file, self._where = file, where
        self._text, self._at, self._ended = "", 0, False
        self._decode = json.JSONDecoder(parse_constant=self._no_number).raw_decode

    def is_list(self) -> bool:
        """Whether what follows is a list."""
        return self._next() == "["

    def is_object(self) -> bool:
        """Whether what follows is an object."""
        return self._next() == "{"

    def items(self) -> Iterator[None]:
        """For each item of the list that follows."""
        return self._each("[", "]", lambda: None)

    def members(self) -> Iterator[str]:
        """The key of each value in the object that follows."""
        return self._each("{", "}", self._key)

    def value(self) -> Any:
        """What follows, whole."""
        self._next()
        size = _CHUNK
        while True:
            try:
                value, end = self._decode(self._text, self._at)
            except ValueError as error:
                if self._ended or not isinstance(error, json.JSONDecodeError):  # as a number of thousands of digits
                    reason = str(error).partition(":")[0].lower()
                    raise DataError(f"{self._where} is no whole JSON file ({reason}); export it again") from error
            except RecursionError as error:
                raise DataError(f"{self._where} nests too deep; export it again") from error
            else:
                if end < len(self._text) or self._ended:  # else a number may go on
                    self._at = end
                    return value
            self._more(size)
            size = 2 * size  # so that what is large is not tried in vain again and again
            if len(self._text) > _LARGEST:
                raise DataError(f"{self._where} has an item of more than {_LARGEST >> 20} MiB; split it")

    def _each(self, begin: str, end: str, told: Any) -> Iterator[Any]:
        self._take(begin)
        if self._next() == end:
            self._take(end)
            return
        while True:
            yield told()
            if self._next() == end:
                self._take(end)
                return
            self._take(",")

    def _key(self) -> str:
        key = self.value()
        if not isinstance(key, str):
            raise DataError(f"{self._where} is no JSON; export it again")
        self._take(":")
        return key

    def _take(self, letter: str) -> None:
        if self._next() != letter:
            raise DataError(f"{self._where} has {self._next()[:1]!r} where {letter!r} was expected; export it again")
        self._at += 1

    def _next(self) -> str:
        """The next letter that is not blank; none at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank else self._at
            if self._at < len(self._text) or self._ended:
                return self._text[self._at : self._at + 1]
            self._more(_CHUNK)

    def _more(self, letters: int) -> None:
        try:
            chunk = self._file.read(letters)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{self._where} cannot be read as JSON ({error}); export it again") from error
        self._ended = not chunk
        self._text, self._at = self._text[self._at :] + chunk, 0

    def _no_number(self, text: str) -> Any:
        raise DataError(f"{self._where} has {text} where a number is needed; mend it")


@contextmanager
def json_stream(path: Path) -> Iterator[JsonStream]:
    """The JSON of a file.

    Raises:
        DataError: it cannot be read.
    """
    try:
        file = path.open(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({(error.strerror or str(error)).lower()}); give a JSON file"
        ) from error
    with file:
        yield JsonStream(file, str(path))
